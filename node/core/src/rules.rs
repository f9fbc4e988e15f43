//! The rules that keep seats in use within seats sold, as a value: tests build a core with one removed and must see
//! the simulator notice.

use crate::lease::grace_ms;

/// Which rules are in force. Outside of tests there is one value: [`Rules::LAW`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each rule is in force or it is not")]
pub struct Rules {
    /// A seat is reclaimed at its deadline + G, not at its deadline.
    pub(crate) reclaim_waits_for_grace: bool,
    /// Each grant has an epoch above all earlier ones of its pool.
    pub(crate) epochs_advance: bool,
    /// Answers say how much of the life has passed.
    pub(crate) answers_carry_age: bool,
    /// No lease is promised beyond what its allocation certainly covers.
    pub(crate) leases_end_with_their_row: bool,
    /// A slot that went back to the vendor stays out of every row that does not acknowledge it.
    pub(crate) released_slots_stay_out: bool,
    /// A lease that an operator took back is counted as long as it was promised.
    pub(crate) forced_leases_are_counted: bool,
    /// A renewal moves a lease to seats that nobody has.
    pub(crate) moves_take_free_seats: bool,
    /// Slots that a lease moved away from are nobody else's until the promises that name them are over.
    pub(crate) vacated_slots_wait: bool,
    /// Only seats that nobody has go back to the vendor.
    pub(crate) only_free_seats_go_back: bool,
    /// Nothing is granted while more is in use than the node may keep.
    pub(crate) overdrawn_pools_wait: bool,
    /// RECOVER ends only when the longest promise that may have been forgotten is over.
    pub(crate) recover_waits: bool,
    /// Only what its holder says to hold is adopted.
    pub(crate) adopts_held_only: bool,
    /// Of two tickets for one seat the later one counts.
    pub(crate) later_epochs_win: bool,
    /// RECOVER begins an incarnation, so that no epoch of a forgotten lease comes again.
    pub(crate) recover_begins_incarnation: bool,
    /// Nothing goes back to the vendor in RECOVER.
    pub(crate) recover_releases_nothing: bool,
    /// The wait alone ends RECOVER for `fixed` rows only.
    pub(crate) time_alone_for_fixed_rows: bool,
    /// And only if no later generation was ever in force here.
    pub(crate) time_alone_in_last_generation: bool,
    /// A wall clock that gains on the running time voids the upper bounds of time that were carried.
    pub(crate) steps_void_bounds: bool,
    /// The wall clock never lifts the floor.
    pub(crate) floor_is_proven: bool,
    /// The time between two boots does not count as running time.
    pub(crate) off_time_is_none: bool,
    /// What was measured may be wrong by the allowed rate.
    pub(crate) rates_may_err: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self::LAW
    }
}

impl Rules {
    /// All of them.
    pub const LAW: Self = Self {
        reclaim_waits_for_grace: true,
        epochs_advance: true,
        answers_carry_age: true,
        leases_end_with_their_row: true,
        released_slots_stay_out: true,
        forced_leases_are_counted: true,
        moves_take_free_seats: true,
        vacated_slots_wait: true,
        only_free_seats_go_back: true,
        overdrawn_pools_wait: true,
        recover_waits: true,
        adopts_held_only: true,
        later_epochs_win: true,
        recover_begins_incarnation: true,
        recover_releases_nothing: true,
        time_alone_for_fixed_rows: true,
        time_alone_in_last_generation: true,
        steps_void_bounds: true,
        floor_is_proven: true,
        off_time_is_none: true,
        rates_may_err: true,
    };
}

impl Rules {
    /// How long after the end of its promise a seat is not given to anybody else.
    pub(crate) fn grace_ms(self, ttl_ms: i64) -> i64 {
        if self.reclaim_waits_for_grace { grace_ms(ttl_ms) } else { 0 }
    }

    /// How much of the time that seems to have passed between two boots is running time.
    pub(crate) const fn off_ms(self, wall_ms: i64) -> i64 {
        if self.off_time_is_none || wall_ms < 0 { 0 } else { wall_ms }
    }
}

#[cfg(feature = "mutants")]
impl Rules {
    /// Reclaims seats at their deadline: a slow client clock then oversells.
    #[must_use]
    pub const fn without_grace(mut self) -> Self {
        self.reclaim_waits_for_grace = false;
        self
    }

    /// Gives every lease of a pool the same epoch.
    #[must_use]
    pub const fn without_epochs(mut self) -> Self {
        self.epochs_advance = false;
        self
    }

    /// Answers retries as if the lease were new.
    #[must_use]
    pub const fn without_age(mut self) -> Self {
        self.answers_carry_age = false;
        self
    }

    /// Promises leases beyond the end of their allocation.
    #[must_use]
    pub const fn without_row_end(mut self) -> Self {
        self.leases_end_with_their_row = false;
        self
    }

    /// Serves slots that were given back, as soon as an old row names them.
    #[must_use]
    pub const fn without_releases(mut self) -> Self {
        self.released_slots_stay_out = false;
        self
    }

    /// Frees the seat of a lease that an operator took back, although its holder may use it.
    #[must_use]
    pub const fn without_forced_leases(mut self) -> Self {
        self.forced_leases_are_counted = false;
        self
    }

    /// Moves leases to seats that others have.
    #[must_use]
    pub const fn without_free_moves(mut self) -> Self {
        self.moves_take_free_seats = false;
        self
    }

    /// Gives the slots that a lease moved away from to others at once, although its holder may not know.
    #[must_use]
    pub const fn without_waiting_slots(mut self) -> Self {
        self.vacated_slots_wait = false;
        self
    }

    /// Gives seats back to the vendor that are in use.
    #[must_use]
    pub const fn without_free_releases(mut self) -> Self {
        self.only_free_seats_go_back = false;
        self
    }

    /// Grants seats although more are in use than the node may keep.
    #[must_use]
    pub const fn without_room(mut self) -> Self {
        self.overdrawn_pools_wait = false;
        self
    }

    /// Ends RECOVER as soon as it is answered, although what was forgotten may still run.
    #[must_use]
    pub const fn without_recover_wait(mut self) -> Self {
        self.recover_waits = false;
        self
    }

    /// Adopts tickets of whoever shows them.
    #[must_use]
    pub const fn without_held(mut self) -> Self {
        self.adopts_held_only = false;
        self
    }

    /// Adopts a ticket although a later one of its seat was shown.
    #[must_use]
    pub const fn without_later_epochs(mut self) -> Self {
        self.later_epochs_win = false;
        self
    }

    /// Goes on in RECOVER with the epochs of before.
    #[must_use]
    pub const fn without_incarnations(mut self) -> Self {
        self.recover_begins_incarnation = false;
        self
    }

    /// Gives back in RECOVER what is free by a ledger that has regressed.
    #[must_use]
    pub const fn with_releases_in_recover(mut self) -> Self {
        self.recover_releases_nothing = false;
        self
    }

    /// Serves movable rows of before by the wait alone.
    #[must_use]
    pub const fn with_time_alone_for_all_rows(mut self) -> Self {
        self.time_alone_for_fixed_rows = false;
        self
    }

    /// Serves fixed rows by the wait alone, although a later generation was in force.
    #[must_use]
    pub const fn with_time_alone_in_any_generation(mut self) -> Self {
        self.time_alone_in_last_generation = false;
        self
    }

    /// Believes what was carried although the wall clock stepped forward, as it does after a pause of the machine.
    #[must_use]
    pub const fn without_void_bounds(mut self) -> Self {
        self.steps_void_bounds = false;
        self
    }

    /// Lets the wall clock lift the floor: one set to 2099 locks the node out.
    #[must_use]
    pub const fn without_proof_of_floor(mut self) -> Self {
        self.floor_is_proven = false;
        self
    }

    /// Counts what the wall clock gained over a reboot as running time: leases end before their time.
    #[must_use]
    pub const fn without_off_time(mut self) -> Self {
        self.off_time_is_none = false;
        self
    }

    /// Carries upper bounds of time as if every oscillator were exact.
    #[must_use]
    pub const fn without_rate_error(mut self) -> Self {
        self.rates_may_err = false;
        self
    }
}
