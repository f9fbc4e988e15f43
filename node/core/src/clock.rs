//! The node's idea of time: service time, and an interval [floor, hi] around true time.
//!
//! The floor rises by signed time statements and measured uptime only; the wall clock never lifts it. Absolute values
//! are carried from anchors, not from frame to frame, so rounding does not add up however many frames there are.

use leasehold_protocol::artefact::TimeStatement;
use leasehold_protocol::time::{BootId, ClockReading, Stamp, SvcMs, UnixMs};
use serde::{Deserialize, Serialize};

/// Allowed rate error of the unslewed clock, parts per million.
const RHO_PPM: i64 = 500;
const MILLION: i64 = 1_000_000;
/// What cutting to milliseconds can hide in a span: one of running time, two of slewing.
const READING_MS: i64 = 3;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// Steps and contradictions of the wall clock up to this are not remarkable.
const TOLERANCE_MS: i64 = 5 * MINUTE_MS;
/// A signed time further ahead than this needs an operator's word.
const MAX_LEAP_MS: i64 = 30 * DAY_MS;

/// How far the clock can be trusted, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockQuality {
    /// Anchored within this boot and day, or disciplined by a time source.
    Good,
    /// Nothing contradicts the wall clock, nothing confirms it.
    Coarse,
    /// The wall clock contradicts the floor or the running time.
    Suspect,
}

/// The fold over all stamps and time statements.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Clock {
    last: Option<Stamp>,
    floor: Option<Anchor>,
    hi: Option<Anchor>,
    /// Wall clock and boottime when they last agreed, in this boot.
    agreed: Option<(UnixMs, i64)>,
    /// When a nonce last bounded time from above, in this boot.
    anchored: Option<SvcMs>,
    /// Running time during which no upper bound was known.
    unbounded_ms: i64,
}

/// A bound of true time, and the reading it was true at.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Anchor {
    value: UnixMs,
    wall: UnixMs,
    boottime_ms: i64,
    slew_ms: i64,
}

/// A moment that a later answer is measured from.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Moment {
    boot_id: BootId,
    wall: UnixMs,
    boottime_ms: i64,
    slew_ms: i64,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self { last: None, floor: None, hi: None, agreed: None, anchored: None, unbounded_ms: 0 }
    }

    /// The clock fields of a frame at this reading. Pure: the last stamp alone carries the state on.
    pub(crate) fn stamp_of(&self, now: &ClockReading) -> Stamp {
        let (boottime_ms, slew_ms, wall) = (now.boottime_ms, now.slew_ms(), now.wall_ms);
        let same_boot =
            self.last.filter(|last| last.boot_id == now.boot_id && last.boottime_ms <= boottime_ms);
        let svc = match (same_boot, self.last) {
            (Some(last), _) => last.svc.plus(boottime_ms.saturating_sub(last.boottime_ms)),
            (None, last) => last.map_or(SvcMs(0), |last| last.svc),
        };
        let floor = match (same_boot, self.floor) {
            (_, None) => UnixMs::MIN,
            (Some(last), Some(anchor)) => anchor.carried_low(boottime_ms, slew_ms).max(last.floor),
            (None, Some(anchor)) => self.last.map_or(anchor.value, |last| last.floor.max(anchor.value)),
        };
        let suspect = wall < floor.plus(-TOLERANCE_MS) || (same_boot.is_some() && self.diverges(now));
        let hi = self.hi_of(now, same_boot.as_ref(), floor, suspect);
        let (boot_id, kernel_synced) = (now.boot_id, now.kernel_synced);
        Stamp { svc, floor, hi, wall, boottime_ms, slew_ms, boot_id, suspect, kernel_synced }
    }

    /// Takes a frame's stamp over, live and in replay. Anchors move only where the stamp says something else than
    /// what they lead to.
    pub(crate) fn stamp(&mut self, stamp: &Stamp) {
        let same_boot = self.last.is_some_and(|last| last.boot_id == stamp.boot_id);
        if !same_boot {
            (self.agreed, self.anchored) = (None, None);
        }
        if let Some(last) = self.last.filter(|last| last.hi == UnixMs::MAX) {
            self.unbounded_ms = self.unbounded_ms.saturating_add(stamp.svc.since(last.svc));
        }
        let (at, slew) = (stamp.boottime_ms, stamp.slew_ms);
        let here = |value| Some(Anchor { value, wall: stamp.wall, boottime_ms: at, slew_ms: slew });
        let earlier = self.floor();
        let predicted_low =
            self.floor.filter(|_| same_boot).map(|anchor| anchor.carried_low(at, slew).max(earlier));
        if stamp.floor != UnixMs::MIN && predicted_low != Some(stamp.floor) {
            self.floor = here(stamp.floor);
        }
        let predicted_high = self.hi.filter(|_| same_boot).map(|anchor| anchor.carried_high(at, slew));
        if stamp.hi == UnixMs::MAX {
            self.hi = None;
        } else if predicted_high != Some(stamp.hi) {
            self.hi = here(stamp.hi);
        }
        if !stamp.suspect {
            self.agreed = Some((stamp.wall, at));
        }
        self.last = Some(*stamp);
    }

    /// Learns the issuer's bounds of true time, given when the request they answer was made. Returns false, and
    /// learns nothing, if they are implausibly far ahead and nobody vouched for them.
    pub(crate) fn learn(&mut self, time: &TimeStatement, asked: Option<Moment>, accepted: bool) -> bool {
        let Some(mut last) = self.last else { return false };
        if !self.believes(time, accepted) {
            return false;
        }
        let (wall, boottime_ms, slew_ms) = (last.wall, last.boottime_ms, last.slew_ms);
        let here = |value| Some(Anchor { value, wall, boottime_ms, slew_ms });
        let floor = last.floor.max(time.earliest);
        if last.floor < floor {
            self.floor = here(floor);
        }
        let asked = asked.filter(|moment| moment.boot_id == last.boot_id);
        let latest = asked.map(|moment| moment.anchor(time.latest).bound(wall, boottime_ms, slew_ms));
        let hi = [latest, Some(last.hi)].into_iter().flatten().filter(|&bound| floor <= bound).min();
        let hi = hi.unwrap_or(UnixMs::MAX);
        if hi != last.hi {
            self.hi = if hi == UnixMs::MAX { None } else { here(hi) };
        }
        if latest.is_some_and(|bound| floor <= bound) {
            self.anchored = Some(last.svc);
        }
        (last.floor, last.hi) = (floor, hi);
        self.last = Some(last);
        true
    }

    /// Whether a signed time is not too far ahead of all that is known. The first one is free.
    pub(crate) fn believes(&self, time: &TimeStatement, accepted: bool) -> bool {
        accepted || self.floor.is_none() || time.earliest <= self.best().plus(MAX_LEAP_MS)
    }

    pub(crate) fn svc(&self) -> SvcMs {
        self.last.map_or(SvcMs(0), |last| last.svc)
    }

    pub(crate) fn floor(&self) -> UnixMs {
        self.last.map_or(UnixMs::MIN, |last| last.floor)
    }

    pub(crate) fn hi(&self) -> UnixMs {
        self.last.map_or(UnixMs::MAX, |last| last.hi)
    }

    pub(crate) fn wall(&self) -> UnixMs {
        self.last.map_or(UnixMs::MIN, |last| last.wall)
    }

    /// What counts for customer-facing validity and display.
    pub(crate) fn best(&self) -> UnixMs {
        self.floor().max(self.wall())
    }

    /// Whether true time may be at or past `at`.
    pub(crate) fn possibly_past(&self, at: UnixMs) -> bool {
        at <= self.hi()
    }

    /// Whether `start` is certainly still ahead: even the latest time thinkable is before it. With nothing but an
    /// unbounded wall clock, that is a day after it.
    pub(crate) fn not_yet(&self, start: UnixMs) -> bool {
        self.hi().min(self.best().plus(DAY_MS)) < start.plus(-TOLERANCE_MS)
    }

    /// Whether the wall clock is behind proven time.
    pub(crate) fn rolled_back(&self) -> bool {
        self.wall() < self.floor().plus(-TOLERANCE_MS)
    }

    pub(crate) fn unbounded_ms(&self) -> i64 {
        self.unbounded_ms
    }

    /// Where the present frame stands.
    pub(crate) fn moment(&self) -> Option<Moment> {
        self.last.map(|s| Moment {
            boot_id: s.boot_id,
            wall: s.wall,
            boottime_ms: s.boottime_ms,
            slew_ms: s.slew_ms,
        })
    }

    pub(crate) fn quality(&self) -> ClockQuality {
        let anchored = self.anchored.is_some_and(|at| self.svc().since(at) <= DAY_MS);
        match self.last {
            Some(last) if last.suspect => ClockQuality::Suspect,
            Some(last) if last.kernel_synced || anchored => ClockQuality::Good,
            _ => ClockQuality::Coarse,
        }
    }

    fn diverges(&self, now: &ClockReading) -> bool {
        self.agreed.is_some_and(|(wall, boottime_ms)| {
            let expected = wall.plus(now.boottime_ms.saturating_sub(boottime_ms));
            now.wall_ms.since(expected).saturating_abs() > TOLERANCE_MS
        })
    }

    /// The lowest valid upper bound. A wall clock that fell back takes nothing away from what was carried, and one that
    /// is SUSPECT gives nothing by itself.
    fn hi_of(&self, now: &ClockReading, same_boot: Option<&Stamp>, floor: UnixMs, suspect: bool) -> UnixMs {
        let anchor = self.hi.filter(|_| same_boot.is_some());
        let carried = anchor.map(|anchor| anchor.bound(now.wall_ms, now.boottime_ms, now.slew_ms()));
        let afresh = same_boot.is_none_or(|last| last.suspect || (now.kernel_synced && !last.kernel_synced));
        let error_ms =
            if now.kernel_synced { TOLERANCE_MS.saturating_add(now.maxerror_ms.max(0)) } else { DAY_MS };
        let by_wall = (afresh && !suspect).then(|| now.wall_ms.plus(error_ms));
        [carried, by_wall].into_iter().flatten().filter(|&bound| floor <= bound).min().unwrap_or(UnixMs::MAX)
    }
}

impl Anchor {
    /// The upper bound at a later reading of the same boot. If the wall clock gained on running time since, the
    /// machine may have been paused: then it is no less than the wall clock and its error.
    fn bound(&self, wall: UnixMs, boottime_ms: i64, slew_ms: i64) -> UnixMs {
        let ran_ms = boottime_ms.saturating_sub(self.boottime_ms);
        let gained_ms = wall.since(self.wall).saturating_sub(ran_ms);
        let carried = self.carried_high(boottime_ms, slew_ms);
        if gained_ms > TOLERANCE_MS { carried.max(wall.plus(DAY_MS)) } else { carried }
    }

    /// The lower bound, carried on: running time less what NTP may have added, of an oscillator that may be fast.
    fn carried_low(&self, boottime_ms: i64, slew_ms: i64) -> UnixMs {
        let ran = boottime_ms.saturating_sub(self.boottime_ms);
        let slewed = slew_ms.saturating_sub(self.slew_ms).max(0);
        let least = ran.saturating_sub(slewed).saturating_sub(READING_MS).max(0);
        self.value.plus(ratio_down(least, MILLION.saturating_sub(RHO_PPM), MILLION))
    }

    /// The upper bound, carried on: running time and what NTP may have taken away, of an oscillator that may be slow.
    fn carried_high(&self, boottime_ms: i64, slew_ms: i64) -> UnixMs {
        let ran = boottime_ms.saturating_sub(self.boottime_ms);
        let slewed = self.slew_ms.saturating_sub(slew_ms).max(0);
        let most = ran.saturating_add(slewed).saturating_add(READING_MS).max(0);
        let true_ms = ratio_down(most, MILLION, MILLION.saturating_sub(RHO_PPM));
        self.value.plus(true_ms.saturating_add(1))
    }
}

impl Moment {
    fn anchor(&self, value: UnixMs) -> Anchor {
        Anchor { value, wall: self.wall, boottime_ms: self.boottime_ms, slew_ms: self.slew_ms }
    }
}

/// `span_ms · numerator / denominator`, rounded down.
fn ratio_down(span_ms: i64, numerator: i64, denominator: i64) -> i64 {
    let product = i128::from(span_ms).saturating_mul(i128::from(numerator));
    let quotient = product.checked_div_euclid(i128::from(denominator)).unwrap_or(0);
    i64::try_from(quotient).unwrap_or(i64::MAX)
}
