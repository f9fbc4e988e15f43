//! The machine that the node runs on: whether it is the one of before, set back to a snapshot, or another one.

use leasehold_protocol::artefact::RecoverCause;
use leasehold_protocol::time::BootId;
use serde::{Deserialize, Serialize};

use crate::core::NodeCore;
use crate::effect::{Effect, Effects, Event};
use crate::input::Cause;
use crate::record::Record;
use crate::recover::Regress;

/// What tells machines apart, as far as the system says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// One boot of one machine.
    pub boot_id: BootId,
    /// The installation (`/etc/machine-id`); copies of a disk have it in common.
    pub machine_id: Option<[u8; 16]>,
    /// The hardware, real or virtual.
    pub hardware: Option<[u8; 16]>,
    /// The hypervisor changes it when it sets a machine back to a snapshot, or copies one.
    pub vm_generation: Option<[u8; 16]>,
}

impl Machine {
    fn is_same_host(&self, other: &Self) -> bool {
        self.boot_id == other.boot_id || (self.hardware.is_some() && self.hardware == other.hardware)
    }

    fn was_set_back(&self, known: &Self) -> bool {
        let generations = known.vm_generation.zip(self.vm_generation);
        self.is_same_host(known) && generations.is_some_and(|(known, now)| known != now)
    }
}

impl NodeCore {
    /// The process runs on this machine now.
    pub(crate) fn see_machine(&mut self, machine: Machine, out: &mut Effects) {
        let known = self.machine;
        // Whoever never had a seat to give has nothing to recover.
        if known == Some(machine) || self.provision.is_none() {
            return;
        }
        self.emit(Record::MachineSeen { machine }, out);
        if known.is_some_and(|known| machine.was_set_back(&known)) {
            self.set_back(out);
        } else if known.is_some_and(|known| !machine.is_same_host(&known) && machine.hardware.is_some()) {
            out.0.push(Effect::Event(Event::Moved));
        }
    }

    /// Disk and memory may be those of an earlier moment, and the MARK with them.
    pub(crate) fn set_back(&mut self, out: &mut Effects) {
        let cause = RecoverCause::Snapshot;
        self.regress(Regress { cause, by: Cause::of_the_node(), newest_generation: None }, out);
    }
}
