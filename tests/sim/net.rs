//! A network that loses, repeats, delays and so reorders messages.

use crate::host_clock::TrueUs;
use crate::rng::Rng;

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetFaults {
    pub(crate) loss_permille: i64,
    pub(crate) duplicate_permille: i64,
    pub(crate) max_delay_us: i64,
    /// Share of messages that take a hundred times as long.
    pub(crate) straggler_permille: i64,
}

/// All links.
#[derive(Debug)]
pub(crate) struct Net {
    faults: NetFaults,
    rng: Rng,
}

impl Net {
    pub(crate) const fn new(faults: NetFaults, rng: Rng) -> Self {
        Self { faults, rng }
    }

    /// When a message sent now arrives: never, once or twice.
    pub(crate) fn arrivals(&mut self, now: TrueUs) -> Vec<TrueUs> {
        let copies = match () {
            () if self.rng.chance(self.faults.loss_permille) => 0,
            () if self.rng.chance(self.faults.duplicate_permille) => 2,
            () => 1,
        };
        (0..copies).map(|_| now.plus(self.delay_us())).collect()
    }

    fn delay_us(&mut self) -> i64 {
        let delay_us = self.rng.between(50, self.faults.max_delay_us);
        if self.rng.chance(self.faults.straggler_permille) { delay_us.saturating_mul(100) } else { delay_us }
    }
}
