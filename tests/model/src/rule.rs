//! The rules of escrow and RECOVER, each of which can be left out to see that it is needed.

use crate::scope::Scope;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// R2: a slot is given back only when no lease or borrow is under it.
    ReleaseWhenFree,
    /// R2: the right is removed durably before the release is signed.
    ReleaseRemovesRightFirst,
    /// R2: a release acts on the row that it names, not on whatever row the node has later.
    ReleaseNamesRow,
    /// A report tells again every release that no row has acknowledged, so that its number acknowledges them all.
    ReportTellsAll,
    /// A slot given back stays out of every row that does not acknowledge its release (`acked_report_seq`).
    ReleaseStaysOut,
    /// What a node of an earlier generation released acknowledges nothing of this one.
    ReleaseOfThisGeneration,
    /// R3: a row is closed by time only when it has certainly ended.
    CloseAfterEnd,
    /// R3: and only when what may have been borrowed under it (mclt) has ended as well.
    CloseAfterBorrows,
    /// R3: a `fixed` row is never closed by time alone.
    FixedIsNotClosed,
    /// R3′: the slots of a destroyed node are closed only when its leases and borrows have run out.
    DeadNodeRunsOut,
    /// R3′: the slots of a node that lives go to nobody but its own next generation.
    LivingNodeKeepsSlots,
    /// R4: a lease ends, with its grace, before its row.
    LeaseWithinRow,
    /// R4: and this is judged by the upper bound of time.
    LeaseJudgedByHi,
    /// R4: a borrow ends, with its grace, before row and mclt.
    BorrowWithinRow,
    /// R5: a slot is given to one holder at a time.
    SeatIsCounted,
    /// R5: a lease's seat is taken only when its grace is over.
    LeaseGrace,
    /// R5: a borrowed seat is taken only when its end is past by the lower bound of time.
    BorrowJudgedByFloor,
    /// R6: no version of a row ends earlier than one before it.
    RowNeverShrinks,
    /// A3: a journal that was set back is noticed.
    RegressIsNoticed,
    /// R7: nothing is granted under the rows of a journal that may have regressed.
    RecoverGrantsNothing,
    /// R7: nothing is released under the rows of a journal that may have regressed.
    RecoverReleasesNothing,
    /// RECOVER: nothing but adopted tickets is served for the longest lease and its grace (W + G).
    RecoverWaits,
    /// RECOVER: nor from the borrow sub-range for the longest borrow.
    RecoverWaitsForBorrows,
    /// RECOVER: ends only by rows that answer a request made in it, not in an earlier one.
    RecoverNeedsOwnAnswer,
    /// RECOVER: the wait alone ends it for `fixed` rows only.
    TimeAloneForFixedOnly,
    /// RECOVER: and only if no later generation was registered.
    TimeAloneInLastGeneration,
    /// RECOVER of the issuer: every pool is frozen.
    IssuerFreezes,
    /// RECOVER of the issuer: thawed only when an operator attests that no other node got seats.
    IssuerNeedsAttestation,
    /// RECOVER of the issuer: who reports refuses from then on every row made before the restore.
    ReportFencesOldRows,
    /// RECOVER of the issuer: a node that is in RECOVER itself reports only when its own wait is over.
    RecoveringNodeReportsLate,
    /// RECOVER of the issuer: a presented row that may have ended is not extended.
    EndedRowIsNotExtended,
    /// The issuer's generation stands above its row ids, so that none repeats.
    RowIdsNeverRepeat,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 32] = [
        Self::ReleaseWhenFree,
        Self::ReleaseRemovesRightFirst,
        Self::ReleaseNamesRow,
        Self::ReportTellsAll,
        Self::ReleaseStaysOut,
        Self::ReleaseOfThisGeneration,
        Self::CloseAfterEnd,
        Self::CloseAfterBorrows,
        Self::FixedIsNotClosed,
        Self::DeadNodeRunsOut,
        Self::LivingNodeKeepsSlots,
        Self::LeaseWithinRow,
        Self::LeaseJudgedByHi,
        Self::BorrowWithinRow,
        Self::SeatIsCounted,
        Self::LeaseGrace,
        Self::BorrowJudgedByFloor,
        Self::RowNeverShrinks,
        Self::RegressIsNoticed,
        Self::RecoverGrantsNothing,
        Self::RecoverReleasesNothing,
        Self::RecoverWaits,
        Self::RecoverWaitsForBorrows,
        Self::RecoverNeedsOwnAnswer,
        Self::TimeAloneForFixedOnly,
        Self::TimeAloneInLastGeneration,
        Self::IssuerFreezes,
        Self::IssuerNeedsAttestation,
        Self::ReportFencesOldRows,
        Self::RecoveringNodeReportsLate,
        Self::EndedRowIsNotExtended,
        Self::RowIdsNeverRepeat,
    ];

    /// A small scope in which the law is broken without it.
    pub const fn needed_in(self) -> Scope {
        match self {
            Self::ReleaseWhenFree
            | Self::ReleaseRemovesRightFirst
            | Self::ReleaseNamesRow
            | Self::ReleaseStaysOut
            | Self::ReportTellsAll => Scope::RELEASES,
            Self::CloseAfterEnd
            | Self::FixedIsNotClosed
            | Self::LeaseWithinRow
            | Self::LeaseJudgedByHi
            | Self::SeatIsCounted
            | Self::LeaseGrace
            | Self::RowNeverShrinks => Scope::ENDS,
            Self::CloseAfterBorrows
            | Self::DeadNodeRunsOut
            | Self::BorrowWithinRow
            | Self::BorrowJudgedByFloor => Scope::BORROWS,
            Self::LivingNodeKeepsSlots
            | Self::RegressIsNoticed
            | Self::RecoverGrantsNothing
            | Self::RecoverReleasesNothing
            | Self::RecoverWaits => Scope::NODE,
            Self::ReleaseOfThisGeneration => Scope::NODE_RELEASES,
            Self::RecoverWaitsForBorrows => Scope::NODE_BORROWS,
            Self::TimeAloneForFixedOnly => Scope::NODE_FIXED,
            Self::RecoverNeedsOwnAnswer | Self::TimeAloneInLastGeneration => Scope::NODE_TWICE,
            Self::IssuerFreezes | Self::IssuerNeedsAttestation | Self::ReportFencesOldRows => Scope::ISSUER,
            Self::EndedRowIsNotExtended | Self::RowIdsNeverRepeat => Scope::ISSUER_SEAT,
            Self::RecoveringNodeReportsLate => Scope::BOTH,
        }
    }
}
