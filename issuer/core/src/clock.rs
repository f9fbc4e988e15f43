//! The issuer's idea of time: a certain lower bound of true time, and the guard against an implausible wall clock.
//!
//! Facts are stamped with the wall clock, but only after it was found plausible. Certain time rises by measured
//! uptime, by a wall clock that the kernel has kept synchronised for a while, and by an operator's word. It is carried
//! from an anchor, not from frame to frame, so rounding does not add up however many frames there are.

use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::{BootId, ClockReading, Stamp, SvcMs, UnixMs};
use serde::Serialize;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Allowed rate error of the unslewed clock, parts per million.
const RHO_PPM: i64 = 500;
const MILLION: i64 = 1_000_000;
/// Error of a wall clock that the kernel keeps synchronised, beside the kernel's own bound.
const SYNCED_ERROR_MS: i64 = 5 * MINUTE_MS;
/// Error of any other wall clock that was found plausible.
const UNSYNCED_ERROR_MS: i64 = DAY_MS;
/// The kernel must have been synchronised so long before its wall clock lifts certain time.
const SYNCED_FOR_MS: i64 = 10 * MINUTE_MS;
/// In one boot the wall clock may gain this much on the running time since the last fact.
const MAX_GAIN_MS: i64 = HOUR_MS;
/// After a start an unsynchronised wall clock may be this far ahead of the last fact.
const MAX_LEAP_MS: i64 = 7 * DAY_MS;
/// At first a person is there: the wall clock is not a day wrong.
const FIRST_ERROR_MS: i64 = DAY_MS;

/// The issuer's bounds of true time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertainTime {
    /// True time is not before this.
    pub earliest: UnixMs,
    /// True time is not after this; [`UnixMs::MAX`] if no bound is known.
    pub latest: UnixMs,
}

impl CertainTime {
    /// Whether true time is after `at`, whatever the wall clock says: what may be given to somebody else then.
    pub(crate) fn certainly_past(self, at: UnixMs) -> bool {
        at < self.earliest
    }

    /// With an operator's word that it is no earlier than `accepted`.
    pub(crate) fn vouched(self, accepted: Option<UnixMs>) -> Self {
        let earliest = accepted.map_or(self.earliest, |accepted| self.earliest.max(accepted));
        Self { earliest, latest: if earliest <= self.latest { self.latest } else { UnixMs::MAX } }
    }
}

/// The fold over all stamps, facts and accepted times.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Clock {
    last: Option<Last>,
    certain: Option<Anchor>,
    /// Since when all readings of this boot were synchronised ones, in boottime.
    synced_since_ms: Option<i64>,
    recorded: Option<Recorded>,
    /// Not part of the fold: when the kernel was last seen unsynchronised, be it between two frames.
    #[serde(skip)]
    unsynced: Option<(BootId, i64)>,
}

/// What of the last stamp is needed later.
#[derive(Clone, Copy, Debug, Serialize)]
struct Last {
    svc: SvcMs,
    certain: UnixMs,
    latest: UnixMs,
    boottime_ms: i64,
    slew_ms: i64,
    boot_id: BootId,
    kernel_synced: bool,
}

/// A lower bound of true time, and the reading it was true at.
#[derive(Clone, Copy, Debug, Serialize)]
struct Anchor {
    value: UnixMs,
    boottime_ms: i64,
    slew_ms: i64,
}

/// When the last fact was recorded.
#[derive(Clone, Copy, Debug, Serialize)]
struct Recorded {
    at: UnixMs,
    boottime_ms: i64,
    boot_id: BootId,
}

impl Clock {
    /// Sees a reading that no frame follows: a break of synchronisation between two frames counts, too.
    pub(crate) fn observe(&mut self, now: &ClockReading) {
        if !now.kernel_synced {
            self.unsynced = Some((now.boot_id, now.boottime_ms));
        }
    }

    /// The clock fields of a frame at this reading. Pure.
    pub(crate) fn stamp_of(&self, now: &ClockReading) -> Stamp {
        let same_boot =
            self.last.filter(|last| last.boot_id == now.boot_id && last.boottime_ms <= now.boottime_ms);
        let svc = match (same_boot, self.last) {
            (Some(last), _) => last.svc.plus(now.boottime_ms.saturating_sub(last.boottime_ms)),
            (None, last) => last.map_or(SvcMs(0), |last| last.svc),
        };
        let carried = match (self.certain, same_boot, self.last) {
            (Some(anchor), Some(_), _) => anchor.carried(now.boottime_ms, now.slew_ms()),
            (Some(_), None, Some(last)) => last.certain,
            _ => now.wall_ms.plus(FIRST_ERROR_MS.saturating_neg()),
        };
        let plausible = self.leap_of(now).is_none();
        let error_ms = SYNCED_ERROR_MS.saturating_add(now.maxerror_ms.max(0));
        let long_synced =
            same_boot.is_some() && now.kernel_synced && self.synced_for_ms(now) >= SYNCED_FOR_MS;
        let by_wall = (plausible && long_synced).then(|| now.wall_ms.plus(error_ms.saturating_neg()));
        let floor = by_wall.map_or(carried, |by_wall| carried.max(by_wall));
        let hi = now.wall_ms.plus(if now.kernel_synced { error_ms } else { UNSYNCED_ERROR_MS });
        Stamp {
            svc,
            floor,
            hi: if plausible && floor <= hi { hi } else { UnixMs::MAX },
            wall: now.wall_ms,
            boottime_ms: now.boottime_ms,
            slew_ms: now.slew_ms(),
            boot_id: now.boot_id,
            suspect: !plausible || hi < floor,
            kernel_synced: now.kernel_synced,
        }
    }

    /// Takes a frame's stamp over, live and in replay. The anchor moves only where the stamp says something else than
    /// what the anchor leads to.
    pub(crate) fn stamp(&mut self, stamp: &Stamp) {
        let same_boot = self.last.is_some_and(|last| last.boot_id == stamp.boot_id);
        let (at, slew) = (stamp.boottime_ms, stamp.slew_ms);
        let predicted = self.certain.filter(|_| same_boot).map(|anchor| anchor.carried(at, slew));
        if predicted != Some(stamp.floor) {
            self.certain = Some(Anchor { value: stamp.floor, boottime_ms: at, slew_ms: slew });
        }
        self.synced_since_ms = match self.synced_since_ms.filter(|_| same_boot) {
            _ if !stamp.kernel_synced => None,
            None => Some(at),
            since => since,
        };
        self.last = Some(Last {
            svc: stamp.svc,
            certain: stamp.floor,
            latest: stamp.hi,
            boottime_ms: at,
            slew_ms: slew,
            boot_id: stamp.boot_id,
            kernel_synced: stamp.kernel_synced,
        });
    }

    /// The time of the next fact: the wall clock, but strictly after the fact before. Refused while the wall clock is
    /// implausible, unless an operator says that it is `accepted` now.
    pub(crate) fn time_of_next_fact(
        &self,
        now: &ClockReading,
        accepted: Option<UnixMs>,
    ) -> Result<UnixMs, Problem> {
        match accepted {
            Some(accepted) => check_accepted(now.wall_ms, accepted)?,
            None => self.check_plausible(now)?,
        }
        let after_last = self.recorded.map_or(UnixMs::MIN, |recorded| recorded.at.plus(1));
        Ok(now.wall_ms.max(after_last))
    }

    /// A fact was recorded, in the frame of the last stamp; an operator may have vouched for a time with it.
    pub(crate) fn recorded(&mut self, at: UnixMs, accepted: Option<UnixMs>) {
        let Some(mut last) = self.last else { return };
        self.recorded = Some(Recorded { at, boottime_ms: last.boottime_ms, boot_id: last.boot_id });
        if let Some(accepted) = accepted.filter(|&accepted| last.certain < accepted) {
            last.certain = accepted;
            self.certain =
                Some(Anchor { value: accepted, boottime_ms: last.boottime_ms, slew_ms: last.slew_ms });
            self.last = Some(last);
        }
    }

    /// When the last fact was recorded.
    pub(crate) fn last_recorded(&self) -> Option<UnixMs> {
        self.recorded.map(|recorded| recorded.at)
    }

    /// Bounds of true time at the last stamp.
    pub(crate) fn certain_time(&self) -> CertainTime {
        self.last.map_or(CertainTime { earliest: UnixMs::MIN, latest: UnixMs::MAX }, |last| CertainTime {
            earliest: last.certain,
            latest: if last.certain <= last.latest { last.latest } else { UnixMs::MAX },
        })
    }

    fn check_plausible(&self, now: &ClockReading) -> Result<(), Problem> {
        match self.leap_of(now) {
            None => Ok(()),
            Some(last) => Err(implausible(now.wall_ms, last)),
        }
    }

    /// If the wall clock is implausibly far ahead: of which fact's time.
    fn leap_of(&self, now: &ClockReading) -> Option<UnixMs> {
        let recorded = self.recorded?;
        let ran_ms = now.boottime_ms.saturating_sub(recorded.boottime_ms).max(0);
        let leaps = if now.boot_id == recorded.boot_id {
            recorded.at.plus(ran_ms.saturating_add(MAX_GAIN_MS)) < now.wall_ms
        } else {
            !now.kernel_synced && recorded.at.plus(MAX_LEAP_MS) < now.wall_ms
        };
        leaps.then_some(recorded.at)
    }

    fn synced_for_ms(&self, now: &ClockReading) -> i64 {
        let broken_ms = self.unsynced.filter(|(boot, _)| *boot == now.boot_id).map(|(_, at_ms)| at_ms);
        let since_ms = self.synced_since_ms.map(|since_ms| broken_ms.map_or(since_ms, |ms| ms.max(since_ms)));
        since_ms.map_or(0, |since_ms| now.boottime_ms.saturating_sub(since_ms))
    }
}

impl Anchor {
    /// The bound carried on: running time less what NTP may have added, at the slowest rate.
    fn carried(&self, boottime_ms: i64, slew_ms: i64) -> UnixMs {
        let ran_ms = boottime_ms.saturating_sub(self.boottime_ms);
        let slewed_ms = slew_ms.saturating_sub(self.slew_ms).max(0);
        let least_ms = i128::from(ran_ms.saturating_sub(slewed_ms).max(0));
        let certain_ms =
            least_ms.saturating_mul(i128::from(MILLION - RHO_PPM)).div_euclid(i128::from(MILLION));
        self.value.plus(i64::try_from(certain_ms).unwrap_or(i64::MAX))
    }
}

/// What an operator accepts is what the wall clock shows, give or take the time it takes to type it.
fn check_accepted(wall: UnixMs, accepted: UnixMs) -> Result<(), Problem> {
    let ahead_ms = wall.since(accepted);
    if (SYNCED_ERROR_MS.saturating_neg()..=MAX_GAIN_MS).contains(&ahead_ms) {
        return Ok(());
    }
    let detail = format!("the time to accept is {accepted}, but the clock of this machine shows {wall}");
    Err(Problem::new(Code::ClockImplausible, detail, "set the clock of this machine, then accept that time"))
}

fn implausible(wall: UnixMs, last: UnixMs) -> Problem {
    let ahead_h = wall.since(last) / HOUR_MS;
    let detail =
        format!("the clock shows {wall}, {ahead_h} h after the last record of {last}: that is implausible");
    let hint = format!("set the clock right, or if it is right say so with --accept-time {wall}");
    Problem::new(Code::ClockImplausible, detail, hint)
}
