//! Sees everything: true time, every journal, and what every client believes. The cores see none of it.

use std::collections::{BTreeMap, BTreeSet};

use leasehold_node_core::{Reply, SeatReply};
use leasehold_protocol::artefact::Seats;
use leasehold_protocol::ids::{LeaseId, PoolId};
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::{Stamp, UnixMs};
use leasehold_tests::vendor::{NOW, Offer};

use crate::client::Seat;
use crate::history::History;
use crate::host_clock::{PS_PER_MS, TrueUs};
use crate::node_driver::NodeDriver;

/// A law that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) String);

/// Things that must happen somewhere in all runs, or the runs show nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gate {
    PoolFull,
    Eviction,
    Renewal,
    Release,
    Retry,
    RetryAcrossRestart,
    RetryInOneFrame,
    LeaseLost,
    EndedKey,
    DenialByRowEnd,
    DenialByGrantEnd,
    DenialByClock,
    AllowedInGrace,
    RowsExtended,
    SlotsFreed,
    SeveralSeatsAtOnce,
    DuplicateDelivery,
    MessageLost,
    CrashWithUnsyncedFrame,
    FrameLost,
    ProcessRestart,
    HostReboot,
    ForwardJump,
    Slew,
    SilentClientCrash,
    BelieverCutOff,
}

impl Gate {
    pub(crate) const ALL: [Self; 26] = [
        Self::PoolFull,
        Self::Eviction,
        Self::Renewal,
        Self::Release,
        Self::Retry,
        Self::RetryAcrossRestart,
        Self::RetryInOneFrame,
        Self::LeaseLost,
        Self::EndedKey,
        Self::DenialByRowEnd,
        Self::DenialByGrantEnd,
        Self::DenialByClock,
        Self::AllowedInGrace,
        Self::RowsExtended,
        Self::SlotsFreed,
        Self::SeveralSeatsAtOnce,
        Self::DuplicateDelivery,
        Self::MessageLost,
        Self::CrashWithUnsyncedFrame,
        Self::FrameLost,
        Self::ProcessRestart,
        Self::HostReboot,
        Self::ForwardJump,
        Self::Slew,
        Self::SilentClientCrash,
        Self::BelieverCutOff,
    ];
}

/// How often each gate was passed.
pub(crate) type Gates = BTreeMap<Gate, u64>;

/// The laws, and what is needed to judge them.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    /// Seats sold of each pool.
    sold: BTreeMap<PoolId, u32>,
    /// Slots the issuer gave away until when.
    given: Vec<(PoolId, SlotSet, UnixMs)>,
    /// Slots the node gave back: somebody else's now.
    freed: Vec<(PoolId, SlotSet)>,
    /// Whose each epoch is.
    epochs: BTreeMap<(PoolId, u64), LeaseId>,
    /// Every lease that an answer ever named.
    acknowledged: BTreeMap<LeaseId, Acknowledged>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Acknowledged {
    pool: PoolId,
    epoch: u64,
}

impl Checker {
    /// The issuer signs this.
    pub(crate) fn sign(&mut self, offer: &Offer) {
        for pool in &offer.pools {
            if let Seats::Value(seats) = pool.seats {
                self.sold.insert(pool.id(), seats);
            }
            let rows = pool.rows.iter().map(|row| (pool.id(), row.slots.clone(), row.not_after));
            self.given.extend(rows);
        }
    }

    /// The issuer hears that these slots were given back, and gives them to somebody else.
    pub(crate) fn free(&mut self, pool: PoolId, slots: &SlotSet) {
        self.freed.push((pool, slots.clone()));
    }

    /// When something ends: moments worth a look.
    pub(crate) fn ends(&self) -> impl Iterator<Item = TrueUs> + '_ {
        self.given.iter().map(|(_, _, end)| TrueUs(end.since(NOW).saturating_mul(1000)))
    }

    /// After every event: nobody uses what is not sold, not his, or over.
    pub(crate) fn beliefs<'a>(
        &self,
        now: TrueUs,
        beliefs: impl Iterator<Item = &'a Seat>,
    ) -> Result<(), Violation> {
        let mut taken: BTreeMap<PoolId, BTreeSet<u32>> = BTreeMap::new();
        for seat in beliefs {
            let slots = taken.entry(seat.pool).or_default();
            for slot in seat.slots.iter() {
                require(slots.insert(slot), || format!("two clients use slot {slot} of {}", seat.pool))?;
                let freed = self.freed.iter().any(|(pool, slots)| *pool == seat.pool && slots.contains(slot));
                require(!freed, || format!("slot {slot} of {} was given back and is used", seat.pool))?;
                require(self.covers(seat.pool, slot, now), || {
                    format!("slot {slot} of {} is used beyond the end of its row", seat.pool)
                })?;
            }
        }
        for (pool, slots) in taken {
            let sold = self.sold.get(&pool).copied().unwrap_or(0);
            require(slots.len() <= sold as usize, || format!("{} of {sold} seats are used", slots.len()))?;
        }
        Ok(())
    }

    /// An answer that was decided at exactly `svc_ps`.
    pub(crate) fn decided(
        reply: &Reply,
        stamp: &Stamp,
        svc_ps: i128,
        history: &History,
    ) -> Result<(), Violation> {
        let Reply::Seat(seat) = reply else { return Ok(()) };
        let lease = seat.lease;
        let entry = history.get(lease).ok_or_else(|| Violation(format!("{lease} is not in the journal")))?;
        require((entry.epoch, &entry.slots) == (seat.epoch, &seat.slots), || {
            format!("the answer about {lease} is not what its record says")
        })?;
        let passed_ps = entry.age_ps(stamp.boot_id, svc_ps);
        require(i128::from(seat.age_ms) * PS_PER_MS >= passed_ps, || {
            format!("{lease} is said to be {} ms old, and is {passed_ps} ps", seat.age_ms)
        })
    }

    /// An answer that leaves the node: from now on it is a promise.
    pub(crate) fn released(&mut self, seat: &SeatReply) -> Result<(), Violation> {
        let whose = *self.epochs.entry((seat.pool, seat.epoch)).or_insert(seat.lease);
        require(whose == seat.lease, || {
            format!("epoch {} is that of {whose} and of {}", seat.epoch, seat.lease)
        })?;
        let now = Acknowledged { pool: seat.pool, epoch: seat.epoch };
        let before = self.acknowledged.entry(seat.lease).or_insert_with(|| now.clone());
        require(*before == now, || format!("{} was {before:?} and is {now:?}", seat.lease))
    }

    /// Bounds of true time, of a node whose clocks are as wrong as allowed and no more.
    pub(crate) fn bounds(stamp: &Stamp, now: TrueUs) -> Result<(), Violation> {
        let true_us = NOW.0.saturating_mul(1000).saturating_add(now.0);
        let floor = stamp.floor == UnixMs::MIN || stamp.floor.0.saturating_mul(1000) <= true_us;
        require(floor, || format!("the floor is {} at {}", stamp.floor, now.unix()))?;
        let hi = stamp.hi == UnixMs::MAX || true_us <= stamp.hi.0.saturating_mul(1000);
        require(hi, || format!("hi is {} at {}", stamp.hi, now.unix()))
    }

    /// After a start: every promise is in the journal, and all that is not over is served as it was.
    pub(crate) fn restarted(&self, node: &mut NodeDriver, now: TrueUs) -> Result<(), Violation> {
        let live = node.live_leases(now);
        let Some(history) = node.history() else { return Ok(()) };
        for (lease, promised) in &self.acknowledged {
            let entry =
                history.get(*lease).ok_or_else(|| Violation(format!("{lease} was promised and lost")))?;
            require(entry.epoch == promised.epoch, || {
                format!("{lease} is not in the journal as it was promised")
            })?;
            let served = live.get(lease).map(|(epoch, slots)| (*epoch, slots));
            let expected = (!entry.ended).then_some((entry.epoch, &entry.slots));
            require(served == expected, || format!("{lease} is served as {served:?}, not {expected:?}"))?;
        }
        Ok(())
    }

    fn covers(&self, pool: PoolId, slot: u32, now: TrueUs) -> bool {
        let end_us = |end: &UnixMs| end.since(NOW).saturating_mul(1000);
        self.given.iter().any(|(of, slots, end)| *of == pool && slots.contains(slot) && now.0 < end_us(end))
    }
}

fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation(otherwise())) }
}
