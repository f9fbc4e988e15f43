//! The rules of RECOVER, as a value: tests build an issuer with one removed and must see that seats are sold twice.

/// Which rules are in force. Outside of tests there is one value: [`Rules::LAW`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each rule is in force or it is not")]
pub struct Rules {
    /// A restored issuer gives no seats to anybody before the thaw.
    pub(crate) restored_issuer_freezes: bool,
    /// A node's report counts for the thaw only behind the fence: after a head of the new generation was applied.
    pub(crate) reports_count_behind_the_fence: bool,
    /// The report of a node in RECOVER counts for the thaw only when its own wait is over.
    pub(crate) recovering_nodes_report_late: bool,
    /// An operator attests that no other node got seats since the backup.
    pub(crate) thaw_needs_attestation: bool,
    /// RECOVER raises the generation above all numbers that were used.
    pub(crate) recover_raises_generation: bool,
    /// No release is acknowledged before the thaw.
    pub(crate) frozen_issuer_acknowledges_nothing: bool,
    /// The slots of a node that lives go to nobody but its own next generation.
    pub(crate) living_node_keeps_slots: bool,
    /// Of two presented rows for one slot the one that was signed later wins.
    pub(crate) later_row_wins: bool,
    /// A presented row that may have ended is not extended.
    pub(crate) ended_rows_stay_ended: bool,
    /// Reports and releases of an earlier generation of a node say nothing of its present one.
    pub(crate) reports_are_of_their_generation: bool,
}

impl Rules {
    /// All of them.
    pub const LAW: Self = Self {
        restored_issuer_freezes: true,
        reports_count_behind_the_fence: true,
        recovering_nodes_report_late: true,
        thaw_needs_attestation: true,
        recover_raises_generation: true,
        frozen_issuer_acknowledges_nothing: true,
        living_node_keeps_slots: true,
        later_row_wins: true,
        ended_rows_stay_ended: true,
        reports_are_of_their_generation: true,
    };
}

impl Default for Rules {
    fn default() -> Self {
        Self::LAW
    }
}

#[cfg(feature = "mutants")]
impl Rules {
    /// Gives seats although it does not know which it has given already.
    #[must_use]
    pub const fn without_freeze(mut self) -> Self {
        self.restored_issuer_freezes = false;
        self
    }

    /// Believes reports although older bundles are still on their way.
    #[must_use]
    pub const fn without_fence(mut self) -> Self {
        self.reports_count_behind_the_fence = false;
        self
    }

    /// Believes the report of a node that may have forgotten leases which still run.
    #[must_use]
    pub const fn without_late_reports(mut self) -> Self {
        self.recovering_nodes_report_late = false;
        self
    }

    /// Thaws as soon as all nodes that it knows have reported.
    #[must_use]
    pub const fn without_attestation(mut self) -> Self {
        self.thaw_needs_attestation = false;
        self
    }

    /// Uses serials and versions again that it has forgotten.
    #[must_use]
    pub const fn without_new_generation(mut self) -> Self {
        self.recover_raises_generation = false;
        self
    }

    /// Acknowledges releases of rows that it has forgotten, without freeing anything.
    #[must_use]
    pub const fn with_early_acknowledgement(mut self) -> Self {
        self.frozen_issuer_acknowledges_nothing = false;
        self
    }

    /// Gives the slots of a node in RECOVER to whoever asks.
    #[must_use]
    pub const fn without_kept_slots(mut self) -> Self {
        self.living_node_keeps_slots = false;
        self
    }

    /// Believes whoever presents a slot last.
    #[must_use]
    pub const fn without_row_order(mut self) -> Self {
        self.later_row_wins = false;
        self
    }

    /// Extends rows that were presented after their end.
    #[must_use]
    pub const fn with_rows_extended_late(mut self) -> Self {
        self.ended_rows_stay_ended = false;
        self
    }

    /// Takes what an earlier generation of a node released from its present one.
    #[must_use]
    pub const fn without_report_generations(mut self) -> Self {
        self.reports_are_of_their_generation = false;
        self
    }
}
