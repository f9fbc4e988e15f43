//! The node's idea of time: service time, and an interval [floor, hi] around true time.
//!
//! The floor rises by signed time statements and measured uptime only; the wall clock never lifts it. Absolute values
//! are carried from anchors, not from frame to frame, so rounding does not add up however many frames there are.
//!
//! What the clock tells cannot be compared outside of here: [`ClockTime`] and [`Best`] have no order. Whether something
//! is past is asked with [`Clock::certainly_past`], [`Clock::possibly_past`] and [`Best::has_reached`].

use std::fmt;

use leasehold_protocol::artefact::TimeStatement;
use leasehold_protocol::time::{BootId, ClockReading, Stamp, SvcMs, UnixMs};
use serde::{Deserialize, Serialize};

use crate::rules::Rules;

/// Allowed rate error of the unslewed clock, parts per million.
const RHO_PPM: i64 = 500;
const MILLION: i64 = 1_000_000;
/// What cutting to milliseconds can hide in a span: one of running time, two of slewing.
const READING_MS: i64 = 3;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// Steps and contradictions of the wall clock up to this are not remarkable.
const TOLERANCE_MS: i64 = 5 * MINUTE_MS;
/// A signed time further ahead than this needs somebody's word.
const MAX_LEAP_MS: i64 = 30 * DAY_MS;
/// A kernel that has been synchronised for so long is believed against the running time.
const SYNCED_FOR_MS: i64 = 10 * MINUTE_MS;

/// How far the clock can be trusted, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockQuality {
    /// Anchored within this boot and day, or disciplined by a time source.
    Good,
    /// Nothing contradicts the wall clock, nothing confirms it.
    Coarse,
    /// The wall clock contradicts the floor or the running time.
    Suspect(Suspicion),
}

/// What the wall clock contradicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suspicion {
    /// Proven time: it is so far behind it.
    BehindFloor {
        /// Milliseconds.
        behind_ms: i64,
    },
    /// The running time since they last agreed.
    Diverged {
        /// Milliseconds, positive if the wall clock gained.
        gained_ms: i64,
    },
}

/// The fold over all stamps and time statements.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Clock {
    #[serde(skip)]
    pub(crate) rules: Rules,
    last: Option<Stamp>,
    floor: Option<Anchor>,
    hi: Option<Anchor>,
    /// Wall clock and boottime when they last agreed, in this boot.
    agreed: Option<(UnixMs, i64)>,
    /// What the issuer's clock showed when it answered a nonce of this boot, as of the asking. Void after a forward
    /// step, as all bounds are.
    answered: Option<Anchor>,
    /// Since when the wall clock is suspect.
    suspect_since: Option<SvcMs>,
    /// Since when the kernel has been synchronised, in boottime of this boot. While the wall clock is suspect, not
    /// before it became so.
    synced_since_ms: Option<i64>,
    /// Running time during which no upper bound was known.
    unbounded_ms: i64,
    /// The signed time that was too far ahead to be believed.
    aside: Option<Aside>,
}

/// A signed time that was kept aside, and when its request was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Aside {
    time: TimeStatement,
    asked: Option<Moment>,
}

/// A bound of true time, and the reading it was true at.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Anchor {
    value: UnixMs,
    /// The wall clock then, or what it would have been by the lowest trusted one since.
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

/// A time that the clock tells, for records and people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockTime(UnixMs);

/// What counts for customer-facing validity and display: the later of floor and wall clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Best(UnixMs);

impl Clock {
    pub(crate) const fn new() -> Self {
        Self {
            rules: Rules::LAW,
            last: None,
            floor: None,
            hi: None,
            agreed: None,
            answered: None,
            suspect_since: None,
            synced_since_ms: None,
            unbounded_ms: 0,
            aside: None,
        }
    }

    /// The clock fields of a frame at this reading. Pure: the last stamp alone carries the state on.
    pub(crate) fn stamp_of(&self, now: &ClockReading) -> Stamp {
        let (boottime_ms, slew_ms, wall) = (now.boottime_ms, now.slew_ms(), now.wall_ms);
        let same_boot = self.last.filter(|last| is_later(last, now.boot_id, boottime_ms));
        let svc = match (same_boot, self.last) {
            (Some(last), _) => last.svc.plus(boottime_ms.saturating_sub(last.boottime_ms)),
            (None, Some(last)) => last.svc.plus(self.rules.off_ms(wall.since(last.wall))),
            (None, None) => SvcMs(0),
        };
        let floor = match (same_boot, self.floor) {
            (_, None) => UnixMs::MIN,
            (Some(last), Some(anchor)) => anchor.carried_low(boottime_ms, slew_ms).max(last.floor),
            (None, Some(anchor)) => self.last.map_or(anchor.value, |last| last.floor.max(anchor.value)),
        };
        let floor = if self.rules.floor_is_proven { floor } else { floor.max(wall) };
        let suspect = self.suspicion(now, floor).is_some();
        let hi = self.hi_of(now, same_boot.as_ref(), floor, suspect);
        let (boot_id, kernel_synced) = (now.boot_id, now.kernel_synced);
        Stamp { svc, floor, hi, wall, boottime_ms, slew_ms, boot_id, suspect, kernel_synced }
    }

    /// Takes a frame's stamp over, live and in replay. Anchors move only where the stamp says something else than
    /// what they lead to.
    pub(crate) fn stamp(&mut self, stamp: &Stamp) {
        let (at, slew) = (stamp.boottime_ms, stamp.slew_ms);
        let same_boot = self.last.is_some_and(|last| is_later(&last, stamp.boot_id, at));
        if !same_boot {
            (self.agreed, self.answered, self.synced_since_ms) = (None, None, None);
        }
        if let Some(last) = self.last.filter(|last| last.hi == UnixMs::MAX) {
            self.unbounded_ms = self.unbounded_ms.saturating_add(stamp.svc.since(last.svc));
        }
        let here = |value| Some(Anchor { value, wall: stamp.wall, boottime_ms: at, slew_ms: slew });
        let earlier = self.last.map_or(UnixMs::MIN, |last| last.floor);
        let predicted_low =
            self.floor.filter(|_| same_boot).map(|anchor| anchor.carried_low(at, slew).max(earlier));
        if stamp.floor != UnixMs::MIN && predicted_low != Some(stamp.floor) {
            self.floor = here(stamp.floor);
        }
        let predicted_high = self.hi.filter(|_| same_boot).map(|anchor| self.carried_high(&anchor, at, slew));
        if stamp.hi == UnixMs::MAX {
            self.hi = None;
        } else if predicted_high != Some(stamp.hi) {
            self.hi = here(stamp.hi);
        }
        self.answered = self.answered.filter(|answered| !answered.is_outrun(stamp.wall, at));
        if !stamp.suspect {
            let anchors = [&mut self.hi, &mut self.answered].into_iter().flatten();
            anchors.for_each(|anchor| anchor.trust_wall(stamp.wall, at));
        }
        self.take_suspicion(stamp);
        self.last = Some(*stamp);
    }

    /// Learns the issuer's bounds of true time, given when the request they answer was made; `believed` by
    /// [`Clock::believes`], or kept aside.
    pub(crate) fn learn(&mut self, time: &TimeStatement, asked: Option<Moment>, believed: bool) {
        if !believed {
            self.aside = Some(Aside { time: time.clone(), asked });
            return;
        }
        let Some(mut last) = self.last else { return };
        self.aside = None;
        let (wall, boottime_ms, slew_ms) = (last.wall, last.boottime_ms, last.slew_ms);
        let here = |value| Some(Anchor { value, wall, boottime_ms, slew_ms });
        let floor = last.floor.max(time.earliest);
        if last.floor < floor {
            self.floor = here(floor);
        }
        let asked = asked.filter(|moment| moment.boot_id == last.boot_id);
        let bound = |moment: Moment| self.bound(&moment.anchor(time.latest), wall, boottime_ms, slew_ms);
        let latest = asked.map(bound).filter(|&bound| floor <= bound);
        let hi = [latest, Some(last.hi)].into_iter().flatten().filter(|&bound| floor <= bound).min();
        let hi = hi.unwrap_or(UnixMs::MAX);
        if hi != last.hi {
            self.hi = if hi == UnixMs::MAX { None } else { here(hi) };
        }
        if let Some(moment) = asked.filter(|_| latest.is_some()) {
            let answered = moment.anchor(time.issue.issued_at);
            self.answered = Some(answered).filter(|answered| !answered.is_outrun(wall, boottime_ms));
        }
        (last.floor, last.hi) = (floor, hi);
        self.last = Some(last);
    }

    /// An operator vouches for the time that was kept aside.
    pub(crate) fn believe_aside(&mut self) {
        if let Some(Aside { time, asked }) = self.aside.take() {
            self.learn(&time, asked, true);
        }
    }

    /// The vendor's ROOT says that the floor was lifted wrongly, and what it is.
    pub(crate) fn reset_floor(&mut self, floor: UnixMs) {
        let Some(last) = &mut self.last else { return };
        last.floor = floor;
        let (wall, boottime_ms, slew_ms) = (last.wall, last.boottime_ms, last.slew_ms);
        self.floor = Some(Anchor { value: floor, wall, boottime_ms, slew_ms });
        self.aside = None;
    }

    /// Whether a signed time is not too far ahead of all that is known.
    pub(crate) fn believes(&self, time: &TimeStatement) -> bool {
        time.earliest <= self.best().0.plus(MAX_LEAP_MS)
    }

    /// The signed time that waits for somebody's word.
    pub(crate) fn aside(&self) -> Option<&TimeStatement> {
        self.aside.as_ref().map(|aside| &aside.time)
    }

    pub(crate) fn svc(&self) -> SvcMs {
        self.last.map_or(SvcMs(0), |last| last.svc)
    }

    /// Proven lower bound of true time.
    pub(crate) fn floor(&self) -> ClockTime {
        ClockTime(self.last.map_or(UnixMs::MIN, |last| last.floor))
    }

    /// Lowest valid upper bound of true time.
    pub(crate) fn hi(&self) -> ClockTime {
        ClockTime(self.last.map_or(UnixMs::MAX, |last| last.hi))
    }

    /// What the machine's clock claims.
    pub(crate) fn wall(&self) -> ClockTime {
        ClockTime(self.last.map_or(UnixMs::MIN, |last| last.wall))
    }

    pub(crate) fn best(&self) -> Best {
        Best(self.floor().0.max(self.wall().0))
    }

    /// Whether true time is at or past `at`, whatever the wall clock says.
    pub(crate) fn certainly_past(&self, at: UnixMs) -> bool {
        at <= self.floor().0
    }

    /// Whether true time may be at or past `at`.
    pub(crate) fn possibly_past(&self, at: UnixMs) -> bool {
        at <= self.hi().0
    }

    /// Whether anything bounds true time from above.
    pub(crate) fn is_bounded(&self) -> bool {
        self.hi().0 != UnixMs::MAX
    }

    /// How long before `at` true time certainly still is, negative if it may be past; none if nothing bounds it.
    pub(crate) fn room_ms(&self, at: UnixMs) -> Option<i64> {
        self.is_bounded().then(|| at.since(self.hi().0))
    }

    /// Whether `start` is certainly still ahead: even the latest time thinkable is before it. With nothing but an
    /// unbounded wall clock, that is a day after it.
    pub(crate) fn not_yet(&self, start: UnixMs) -> bool {
        self.hi().0.min(self.best().0.plus(DAY_MS)) < start.plus(-TOLERANCE_MS)
    }

    /// Whether the wall clock is behind proven time.
    pub(crate) fn rolled_back(&self) -> bool {
        self.wall().0 < self.floor().0.plus(-TOLERANCE_MS)
    }

    pub(crate) fn unbounded_ms(&self) -> i64 {
        self.unbounded_ms
    }

    pub(crate) fn is_kernel_synced(&self) -> bool {
        self.last.is_some_and(|last| last.kernel_synced)
    }

    /// Running time since the wall clock became suspect, while it is.
    pub(crate) fn suspect_for_ms(&self) -> Option<i64> {
        self.suspect_since.map(|since| self.svc().since(since))
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
        let Some(last) = self.last else { return ClockQuality::Coarse };
        let anchored =
            self.answered.is_some_and(|it| last.boottime_ms.saturating_sub(it.boottime_ms) <= DAY_MS);
        if last.suspect {
            let behind_ms = last.floor.since(last.wall);
            let suspicion = if behind_ms > TOLERANCE_MS {
                Suspicion::BehindFloor { behind_ms }
            } else {
                Suspicion::Diverged { gained_ms: self.gained_ms(last.wall, last.boottime_ms).unwrap_or(0) }
            };
            return ClockQuality::Suspect(suspicion);
        }
        if last.kernel_synced || anchored { ClockQuality::Good } else { ClockQuality::Coarse }
    }

    /// What is wrong with the wall clock of a reading.
    fn suspicion(&self, now: &ClockReading, floor: UnixMs) -> Option<Suspicion> {
        let behind_ms = floor.since(now.wall_ms);
        if floor != UnixMs::MIN && behind_ms > TOLERANCE_MS {
            return Some(Suspicion::BehindFloor { behind_ms });
        }
        let same_boot = self.last.is_some_and(|last| is_later(&last, now.boot_id, now.boottime_ms));
        let gained_ms = self.gained_ms(now.wall_ms, now.boottime_ms).filter(|_| same_boot)?;
        let diverged = gained_ms.saturating_abs() > TOLERANCE_MS;
        (diverged && !self.is_confirmed(now)).then_some(Suspicion::Diverged { gained_ms })
    }

    /// What the wall clock gained on the running time since they last agreed.
    fn gained_ms(&self, wall: UnixMs, boottime_ms: i64) -> Option<i64> {
        let (agreed, agreed_ms) = self.agreed?;
        Some(wall.since(agreed).saturating_sub(boottime_ms.saturating_sub(agreed_ms)))
    }

    /// Whether somebody else confirms the wall clock of a reading that diverged from the running time: the issuer, by
    /// an answer of this boot, or a time service that has been content with it for a while.
    fn is_confirmed(&self, now: &ClockReading) -> bool {
        let (wall, boottime_ms) = (now.wall_ms, now.boottime_ms);
        let agrees = |answered: Anchor| {
            let issuers = self.carried_high(&answered, boottime_ms, now.slew_ms());
            wall.since(issuers).saturating_abs() <= TOLERANCE_MS && !answered.is_outrun(wall, boottime_ms)
        };
        let synced_ms = self.synced_since_ms.map_or(0, |since_ms| boottime_ms.saturating_sub(since_ms));
        let synced = self.suspect_since.is_some() && now.kernel_synced && synced_ms >= SYNCED_FOR_MS;
        synced || self.answered.is_some_and(agrees)
    }

    fn take_suspicion(&mut self, stamp: &Stamp) {
        if stamp.suspect && self.suspect_since.is_none() {
            (self.suspect_since, self.synced_since_ms) = (Some(stamp.svc), None);
        }
        if !stamp.suspect {
            self.suspect_since = None;
            self.agreed = Some((stamp.wall, stamp.boottime_ms));
        }
        let since = self.synced_since_ms.unwrap_or(stamp.boottime_ms);
        self.synced_since_ms = stamp.kernel_synced.then_some(since);
    }

    /// The lowest valid upper bound. A wall clock that fell back takes nothing away from what was carried, and one that
    /// is SUSPECT gives nothing by itself.
    fn hi_of(&self, now: &ClockReading, same_boot: Option<&Stamp>, floor: UnixMs, suspect: bool) -> UnixMs {
        let anchor = self.hi.filter(|_| same_boot.is_some());
        let carried = anchor.map(|anchor| self.bound(&anchor, now.wall_ms, now.boottime_ms, now.slew_ms()));
        let afresh = same_boot.is_none_or(|last| last.suspect || (now.kernel_synced && !last.kernel_synced));
        let error_ms =
            if now.kernel_synced { TOLERANCE_MS.saturating_add(now.maxerror_ms.max(0)) } else { DAY_MS };
        let by_wall = (afresh && !suspect).then(|| now.wall_ms.plus(error_ms));
        [carried, by_wall].into_iter().flatten().filter(|&bound| floor <= bound).min().unwrap_or(UnixMs::MAX)
    }

    /// An upper bound at a later reading of the same boot. If the wall clock gained on running time since, the machine
    /// may have been paused: then it is no less than the wall clock and its error.
    fn bound(&self, anchor: &Anchor, wall: UnixMs, boottime_ms: i64, slew_ms: i64) -> UnixMs {
        let carried = self.carried_high(anchor, boottime_ms, slew_ms);
        let outrun = self.rules.steps_void_bounds && anchor.is_outrun(wall, boottime_ms);
        if outrun { carried.max(wall.plus(DAY_MS)) } else { carried }
    }

    /// An upper bound, carried on: running time and what NTP may have taken away, of an oscillator that may be slow.
    fn carried_high(&self, anchor: &Anchor, boottime_ms: i64, slew_ms: i64) -> UnixMs {
        let ran = boottime_ms.saturating_sub(anchor.boottime_ms);
        let slewed = anchor.slew_ms.saturating_sub(slew_ms).max(0);
        let most = ran.saturating_add(slewed).saturating_add(READING_MS).max(0);
        let rho_ppm = if self.rules.rates_may_err { RHO_PPM } else { 0 };
        let true_ms = ratio_down(most, MILLION, MILLION.saturating_sub(rho_ppm));
        anchor.value.plus(true_ms.saturating_add(1))
    }
}

/// Whether a reading is a later one of the boot of a stamp.
fn is_later(stamp: &Stamp, boot_id: BootId, boottime_ms: i64) -> bool {
    stamp.boot_id == boot_id && stamp.boottime_ms <= boottime_ms
}

impl Best {
    /// Whether `at` has come: the friendly question, for what people bought.
    pub(crate) fn has_reached(self, at: UnixMs) -> bool {
        at <= self.0
    }

    /// As a record or a person is told.
    pub(crate) const fn recorded(self) -> UnixMs {
        self.0
    }
}

impl ClockTime {
    /// As a record or a person is told.
    pub(crate) const fn recorded(self) -> UnixMs {
        self.0
    }
}

impl fmt::Display for Best {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Anchor {
    /// Whether the wall clock has gained remarkably on the running time since: it was set, or the machine was paused.
    fn is_outrun(&self, wall: UnixMs, boottime_ms: i64) -> bool {
        let ran_ms = boottime_ms.saturating_sub(self.boottime_ms);
        wall.since(self.wall).saturating_sub(ran_ms) > TOLERANCE_MS
    }

    /// A wall clock that rightly fell behind is what later pauses of the machine show in.
    fn trust_wall(&mut self, wall: UnixMs, boottime_ms: i64) {
        let ran_ms = boottime_ms.saturating_sub(self.boottime_ms);
        self.wall = self.wall.min(wall.plus(ran_ms.saturating_neg()));
    }

    /// The lower bound, carried on: running time less what NTP may have added, of an oscillator that may be fast.
    fn carried_low(&self, boottime_ms: i64, slew_ms: i64) -> UnixMs {
        let ran = boottime_ms.saturating_sub(self.boottime_ms);
        let slewed = slew_ms.saturating_sub(self.slew_ms).max(0);
        let least = ran.saturating_sub(slewed).saturating_sub(READING_MS).max(0);
        self.value.plus(ratio_down(least, MILLION.saturating_sub(RHO_PPM), MILLION))
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
