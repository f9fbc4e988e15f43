//! How the node's idea of time stands, for people and monitoring: what is wrong with it, and what heals that.

use leasehold_protocol::api::{ClockStatus, instant};
use leasehold_protocol::time::{ClockReading, UnixMs};

use crate::clock::{Clock, ClockQuality, Suspicion};
use crate::core::NodeCore;

/// Widths of the clock's bounds, for monitoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockWidths {
    /// From the lower to the upper bound of true time; none where one of them is not known.
    pub uncertainty_ms: Option<i64>,
    /// The wall clock less the best time there is: 0, or negative where the clock is behind proven time.
    pub wall_offset_ms: i64,
}

impl NodeCore {
    /// How wide the bounds of time are at `now`.
    pub fn clock_widths(&self, now: &ClockReading) -> ClockWidths {
        let clock = self.clock_at(now);
        let (floor, hi) = (clock.floor().recorded(), clock.hi().recorded());
        let known = floor != UnixMs::MIN && hi != UnixMs::MAX;
        ClockWidths {
            uncertainty_ms: known.then(|| hi.since(floor)),
            wall_offset_ms: clock.wall().recorded().since(clock.best().recorded()),
        }
    }
}

/// As `status` tells it.
pub(crate) fn status(clock: &Clock) -> ClockStatus {
    let (cause, hint) = trouble(clock).unzip();
    ClockStatus {
        status: word(clock.quality()).to_owned(),
        floor: instant(clock.floor().recorded()),
        best: clock.best().to_string(),
        hi: instant(clock.hi().recorded()),
        wall: clock.wall().to_string(),
        svc_ms: clock.svc().0,
        kernel_synchronised: clock.is_kernel_synced(),
        cause,
        hint: hint.map(str::to_owned),
        suspect_for_ms: clock.suspect_for_ms(),
        time_kept_aside: clock.aside().map(|time| time.earliest.to_string()),
    }
}

const fn word(quality: ClockQuality) -> &'static str {
    match quality {
        ClockQuality::Good => "GOOD",
        ClockQuality::Coarse => "COARSE",
        ClockQuality::Suspect(_) => "SUSPECT",
    }
}

/// What is wrong, and what heals it.
fn trouble(clock: &Clock) -> Option<(String, &'static str)> {
    match clock.quality() {
        ClockQuality::Suspect(behind @ Suspicion::BehindFloor { .. }) => {
            let hint =
                "set this machine's clock right; if it is right, the vendor's ROOT can sign a floor reset";
            Some((behind.to_string(), hint))
        }
        ClockQuality::Suspect(diverged @ Suspicion::Diverged { .. }) => {
            let hint = "set the clock back if it was wrong to move it; if it is right, let a time service confirm it, \
                        or make a request and import its answer before the next reboot";
            Some((diverged.to_string(), hint))
        }
        ClockQuality::Good | ClockQuality::Coarse if !clock.is_bounded() => {
            let cause =
                "nothing bounds how late it is: a signed time was later than what had bounded it".to_owned();
            let hint = "make a request and import its answer before the next reboot, or let a time service set \
                        this machine's clock";
            Some((cause, hint))
        }
        ClockQuality::Good | ClockQuality::Coarse => None,
    }
}
