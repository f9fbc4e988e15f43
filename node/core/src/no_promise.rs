//! Why a row promises nothing, and how that is told: a denial for time names both times and the difference.

use std::fmt;

use leasehold_protocol::api::Denial;
use leasehold_protocol::code::Code;
use leasehold_protocol::time::UnixMs;

use crate::clock::Suspicion;
use crate::core::NodeCore;
use crate::denial::denial;

/// Why a row promises nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPromise {
    pub(crate) code: Code,
    /// The instant that matters for the code: the row's end, the floor, …
    pub(crate) bound: UnixMs,
    /// For want of an upper bound of time: why the row is not served without one.
    unbounded: Option<Unbounded>,
}

/// Why a row is not served while nothing bounds how late it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unbounded {
    /// It has no budget for that: its seats may be somebody else's by now.
    NoBudget,
    /// Its pool wants a clock.
    ClockRequired,
    /// Its budget of running time is used up.
    UsedUp {
        /// The budget.
        budget_ms: i64,
    },
    /// It is certainly over.
    Over,
}

impl NoPromise {
    pub(crate) const fn new(code: Code, bound: UnixMs) -> Self {
        Self { code, bound, unbounded: None }
    }

    /// Nothing bounds how late it is.
    pub(crate) const fn unbounded(code: Code, bound: UnixMs, why: Unbounded) -> Self {
        Self { code, bound, unbounded: Some(why) }
    }
}

impl NodeCore {
    /// The denial, with what heals it.
    pub(crate) fn no_promise(&self, none: NoPromise) -> Denial {
        if none.code == Code::Recovering {
            return self.denial_in_recover();
        }
        let (hint, allows) = self.what_heals(none.code);
        let mut denial = denial(none.code, self.in_words(&none), hint);
        denial.would_allow = vec![allows.to_owned()];
        denial
    }

    fn in_words(&self, none: &NoPromise) -> String {
        let (bound, best) = (none.bound, self.clock.best());
        let ago = || Span(best.recorded().since(bound).max(0));
        match none.code {
            Code::NotYetEffective => {
                format!("it begins at {bound}, now is {best}: in {}", Span(bound.since(best.recorded())))
            }
            Code::Expired => format!("it ended, grace included, at {bound}, now is {best}: {} ago", ago()),
            Code::Revoked => format!("the vendor revoked it at {bound}, now is {best}: {} ago", ago()),
            Code::ManifestStale => {
                format!("the last word of the issuer was good until {bound}, now is {best}: {} ago", ago())
            }
            Code::AllocationEnded => self.end_in_words(bound),
            Code::Draining => "the bundle applied last leaves this node no seat for the lease".to_owned(),
            Code::FeatureNotInPlan => {
                "the amended grant no longer includes a feature of the lease".to_owned()
            }
            Code::BindingMismatch => {
                "the grant is bound to machines, which this version cannot check".to_owned()
            }
            _ => self.unbounded_in_words(none),
        }
    }

    fn end_in_words(&self, end: UnixMs) -> String {
        let hi = self.clock.hi();
        match self.clock.room_ms(end).unwrap_or(0) {
            ..0 => format!(
                "the allocation ended at {end}, now may be as late as {hi}: {} after it",
                Span(hi.recorded().since(end))
            ),
            room_ms => {
                format!("the allocation ends at {end}, now may be as late as {hi}: {} left", Span(room_ms))
            }
        }
    }

    fn unbounded_in_words(&self, none: &NoPromise) -> String {
        let (wall, floor) = (self.clock.wall(), self.clock.floor());
        let apart = wall.recorded().since(floor.recorded());
        let clock = match none.code {
            Code::ClockRolledBack => {
                format!(
                    "the clock says {wall}, proven time is {floor}: {} behind",
                    Span(apart.saturating_neg())
                )
            }
            _ => format!(
                "the clock says {wall}, proven time is {floor}, {} apart, and what bounded it from above was wrong",
                Span(apart.saturating_abs())
            ),
        };
        let row = match none.unbounded {
            Some(Unbounded::ClockRequired) => "the pool is not served without knowing the time".to_owned(),
            Some(Unbounded::UsedUp { budget_ms }) => {
                format!("the allocation's budget of {} for that is used up", Span(budget_ms))
            }
            Some(Unbounded::Over) => "the allocation is certainly over".to_owned(),
            Some(Unbounded::NoBudget) | None => "the allocation has no budget for that".to_owned(),
        };
        format!("{clock}; {row}")
    }

    /// A hint, and what would allow it.
    fn what_heals(&self, code: Code) -> (&'static str, &'static str) {
        match code {
            Code::NotYetEffective => ("wait, or check this machine's clock", "the beginning of the grant"),
            Code::Expired => {
                ("ask the vendor to renew the grant, or check this machine's clock", "a renewed grant")
            }
            Code::Revoked => ("ask the vendor why, and for a new grant", "a new grant"),
            Code::AllocationEnded if !self.clock.is_kernel_synced() => (
                "make a request and import the vendor's bundle, or let a time service set this machine's clock",
                "a bundle with a longer allocation",
            ),
            Code::ManifestStale | Code::AllocationEnded => {
                ("make a request and import the vendor's bundle", "a bundle with a longer allocation")
            }
            Code::Draining => ("use the lease to its end, then check out again", "a bundle with more seats"),
            Code::FeatureNotInPlan => {
                ("use the lease to its end, then check out without the feature", "a grant with the feature")
            }
            Code::BindingMismatch => {
                ("ask the vendor for a grant without bindings", "a grant without bindings")
            }
            Code::ClockRolledBack => {
                ("set this machine's clock right", "a clock that agrees with proven time")
            }
            _ => (
                "make a request and import its answer before the next reboot, or let a time service set the clock",
                "a signed time that answers a request of this boot",
            ),
        }
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BehindFloor { behind_ms } => {
                write!(f, "the clock is {} behind proven time", Span(behind_ms))
            }
            Self::Diverged { gained_ms } if gained_ms < 0 => {
                write!(f, "the clock fell {} behind the running time", Span(gained_ms.saturating_neg()))
            }
            Self::Diverged { gained_ms } => {
                write!(f, "the clock gained {} on the running time", Span(gained_ms))
            }
        }
    }
}

/// A span for people: the two largest units.
pub(crate) struct Span(pub(crate) i64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1000);
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, "{seconds} s"),
            (0, 0, minutes) => write!(f, "{minutes} min {} s", seconds % 60),
            (0, hours, minutes) => write!(f, "{hours} h {minutes} min"),
            (days, hours, _) => write!(f, "{days} d {hours} h"),
        }
    }
}
