//! FORK: the issuer heard something else from this node than the journal says.

use leasehold_protocol::artefact::RecoverCause;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::core::{NodeCore, reply};
use crate::effect::{Effect, Effects, Event, Reply};
use crate::input::{Cause, ReplyTo};
use crate::record::Record;
use crate::recover::Regress;

/// The issuer contradicts a journal that is not behind: somebody else speaks for this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fork {
    /// By the wall clock.
    pub(crate) since: UnixMs,
    /// The newest report that the issuer knows.
    pub(crate) report_seq: u64,
}

impl NodeCore {
    /// The issuer has heard so many reports of this node, and the last ones said something else. If it has heard more
    /// than there are here, this journal has regressed; else another one speaks for the node. That stops no seat.
    pub(crate) fn contradict(&mut self, to: ReplyTo, report_seq: u64, out: &mut Effects) {
        if self.recover.is_some() {
            // It is known already that this journal is not all that was said.
        } else if self.reports < report_seq {
            self.fall_behind(out);
        } else if self.fork.is_none() {
            self.emit(Record::Forked { report_seq }, out);
            out.0.push(Effect::Event(Event::Forked { report_seq }));
        }
        reply(to, self.next_seq.previous(), Reply::Noted, out);
    }

    /// The issuer shows that it knows more than this journal.
    pub(crate) fn fall_behind(&mut self, out: &mut Effects) {
        let cause = RecoverCause::Issuer;
        self.regress(Regress { cause, by: Cause::of_the_node(), newest_generation: None }, out);
    }
}
