//! What the node learns of time from bundles, and what it lets operators know of its clock.

use leasehold_protocol::artefact::{Role, TimeStatement};
use leasehold_protocol::bundle::OpenedBundle;
use leasehold_protocol::envelope::Verified;
use leasehold_protocol::time::UnixMs;

use crate::clock::ClockQuality;
use crate::core::NodeCore;
use crate::effect::{Effect, Effects, Event};
use crate::input::Cause;
use crate::record::Record;
use crate::request::OpenRequest;

impl NodeCore {
    /// Learns what a bundle says of time: first that the floor is to be another, by the roots that are new with it,
    /// then the issuer's bounds, answered to one of the node's requests.
    pub(crate) fn take_time(&mut self, opened: &OpenedBundle, reset: Option<UnixMs>, accepted: bool) {
        if let Some(floor) = reset {
            self.clock.reset_floor(floor);
        }
        let Some(time) = &opened.time else { return };
        // An online key alone may lift the floor; only ROOT may lower it (SPEC §7.9).
        if let Some(floor) = time.floor_reset.filter(|_| time.roles().contains(&Role::Root)) {
            self.clock.reset_floor(floor);
        }
        let made = |request: &OpenRequest| (request.nonce == time.nonce).then_some(request.made)?;
        let asked = self.requests.iter().find_map(made);
        let believed = accepted || self.believes(time);
        self.clock.learn(time, asked, believed);
    }

    /// Whether a signed time is taken without an operator's word (SPEC §7.9). A node without a bundle has nothing
    /// to hold it against.
    pub(crate) fn believes(&self, time: &Verified<TimeStatement>) -> bool {
        let vouched = time.roles().contains(&Role::Root) || time.roles().len() > 1;
        vouched || self.provision.is_none() || self.clock.believes(time)
    }

    /// Tells of a signed time that a bundle brought and that is kept aside.
    pub(crate) fn tell_of_time_kept_aside(&self, opened: &OpenedBundle, out: &mut Effects) {
        let aside = self.clock.aside().filter(|aside| opened.time.as_deref() == Some(aside));
        if let Some(time) = aside {
            let (earliest, best) = (time.earliest, self.clock.best().recorded());
            out.0.push(Effect::Event(Event::TimeKeptAside { earliest, best }));
        }
    }

    /// An operator vouches for the time of the bundle that is in force: what was kept aside is believed.
    pub(crate) fn accept_time_kept_aside(
        &mut self,
        cause: Cause,
        opened: &OpenedBundle,
        out: &mut Effects,
    ) -> bool {
        let kept = self.clock.aside().is_some_and(|aside| opened.time.as_deref() == Some(aside));
        if kept {
            self.emit(Record::TimeAccepted { cause }, out);
        }
        kept
    }

    /// Tells of a clock that becomes suspect, and of one that no more is. Not part of the fold: a node that starts
    /// with a suspect clock tells it again.
    pub(crate) fn tell_of_clock(&mut self, out: &mut Effects) {
        let suspicion = match self.clock.quality() {
            ClockQuality::Suspect(suspicion) => Some(suspicion),
            ClockQuality::Good | ClockQuality::Coarse => None,
        };
        if suspicion.is_some() == self.told_suspect {
            return;
        }
        self.told_suspect = suspicion.is_some();
        let (wall, floor) = (self.clock.wall().recorded(), self.clock.floor().recorded());
        out.0.push(Effect::Event(match suspicion {
            Some(suspicion) => Event::ClockSuspect { wall, floor, cause: suspicion.to_string() },
            None => Event::ClockHealed { wall, floor },
        }));
    }
}
