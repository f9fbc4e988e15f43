//! Seats that go back: free ones only, for good, told until they are acknowledged, and never given again before.

use leasehold_node_core::{Checkout, Input, Record, Reply, ReplyTo, limits};
use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::artefact::{JournalTail, Receipt, Released};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::PoolId;
use leasehold_protocol::limits::ALLOCATION_SLOT_RANGES;
use leasehold_protocol::slots::{SlotRange, SlotSet};
use leasehold_tests::vendor::{PoolOffer, RowOffer};

use crate::rig::{Rig, cause, code, imported, refused, seat, surrender, wish};

/// Life of a lease and the server's grace after it.
const OVER_MS: i64 = 990_000;

fn row(seq: u64, first: u32, count: u32) -> RowOffer {
    RowOffer { seq, ..RowOffer::new(1, SlotSet::range(first, count)) }
}

fn with(rows: Vec<RowOffer>) -> Vec<PoolOffer> {
    vec![PoolOffer { rows, ..PoolOffer::new(1, "cad", 10) }]
}

fn shrinking(seq: u64, count: u32, keep: u32) -> Vec<PoolOffer> {
    with(vec![RowOffer { shrink_to: Some(keep), ..row(seq, 0, count) }])
}

fn surrendered(reply: Reply) -> Vec<SlotRange> {
    match reply {
        Reply::Surrendered(answer) => answer.slots,
        other => panic!("{other:?}"),
    }
}

impl Rig {
    /// What the next request tells.
    fn told(&mut self) -> Vec<Released> {
        self.request().released
    }

    /// The slots that the next request tells.
    fn told_slots(&mut self) -> SlotSet {
        let mut all = SlotSet::EMPTY;
        self.told().iter().for_each(|told| all.insert_all(&told.slots));
        all
    }

    fn receipt(&mut self, key: Option<u8>) -> Receipt {
        let cause = leasehold_node_core::Cause {
            idempotency_key: key.map(|key| IdempotencyKey([key; 16])),
            ..cause()
        };
        let journal = JournalTail { seq: 0, chain: Digest([0; 32]) };
        match self.ask(Input::MakeReceipt { to: ReplyTo(0), cause, journal }) {
            Reply::Receipt(receipt) => *receipt,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_shrink_takes_the_highest_free_seats_and_the_others_as_they_become_free() {
    let mut rig = Rig::with(with(vec![row(1, 0, 5)]));
    let leases: Vec<_> = (0..4).map(|key| rig.seat(key).lease).collect();
    rig.give(shrinking(2, 5, 2));
    assert_eq!(rig.pool().seats, Some(4), "at the import");
    assert_eq!(code(&rig.checkout(wish(9))), Code::PoolExhausted);
    rig.release(leases[1]);
    assert_eq!(rig.pool().seats, Some(3), "with the release");
    assert_eq!(code(&rig.renew(leases[0])), Code::Allowed, "others go on");
    rig.wait(OVER_MS);
    rig.tick();
    assert_eq!(rig.pool().seats, Some(2), "what had run out, with the tick");
    assert_eq!(rig.told_slots(), [1, 3, 4].into_iter().collect::<SlotSet>());
    rig.restart();
    assert_eq!(rig.pool().seats, Some(2));
    assert_eq!(rig.seat(7).slots, SlotSet::range(0, 1));
}

#[test]
fn a_checkout_does_not_take_what_is_to_go_back() {
    let mut rig = Rig::with(with(vec![row(1, 0, 2)]));
    let lease = rig.seat(1).lease;
    rig.seat(2);
    rig.give(shrinking(2, 2, 1));
    rig.wait(OVER_MS - 1);
    assert_eq!(code(&rig.checkout(wish(3))), Code::PoolExhausted, "not reclaimable yet");
    rig.wait(1);
    assert_eq!(rig.seat(3).slots, SlotSet::range(0, 1), "the higher one went back first");
    assert_eq!(code(&rig.checkout(wish(4))), Code::PoolExhausted);
    assert_eq!(refused(rig.renew(lease)).code, Code::LeaseLost);
    rig.restart();
}

#[test]
fn a_lease_that_ran_out_comes_back_only_if_its_seat_is_still_here() {
    let mut rig = Rig::with(with(vec![row(1, 0, 3)]));
    let (kept, lost) = (rig.seat(1).lease, rig.seat(2).lease);
    rig.wait(OVER_MS);
    assert_eq!(surrendered(rig.ask(surrender(1, 2))), [SlotRange { first: 1, count: 2 }]);
    assert_eq!(code(&rig.renew(kept)), Code::Allowed);
    assert_eq!(refused(rig.renew(lost)).code, Code::LeaseLost);
}

#[test]
fn a_surrender_gives_all_that_was_named_or_nothing() {
    let mut rig = Rig::with(with(vec![row(1, 0, 3)]));
    rig.seat(1);
    let hash = rig.core.state_hash();
    let refusal = refused(rig.ask(surrender(1, 3)));
    assert_eq!((refusal.code, refusal.status), (Code::PoolExhausted, 409));
    assert!(refusal.detail.contains("2 are free") && refusal.extra["free"] == 2, "{refusal:?}");
    let other = PoolId([99; 16]);
    assert_eq!(refused(rig.ask(surrender_of(other, 1, false))).code, Code::NotFound);
    assert_eq!(refused(rig.ask(surrender(1, 0))).code, Code::InvalidRequest);
    assert!(surrendered(rig.ask(surrender_of(PoolId([1; 16]), 2, true))).is_empty());
    assert_eq!(rig.core.state_hash(), hash, "nothing was done");
    assert_eq!(surrendered(rig.ask(surrender(1, 2))), [SlotRange { first: 1, count: 2 }]);
    assert_eq!(rig.pool().seats, Some(1));
    rig.restart();
}

#[test]
fn a_fixed_row_gives_nothing_back() {
    let mut rig = Rig::with(with(vec![RowOffer { suspect_budget_ms: Some(0), ..row(1, 0, 3) }]));
    assert_eq!(refused(rig.ask(surrender(1, 1))).code, Code::AllocationFixed);
}

#[test]
fn a_surrender_is_done_once_for_an_idempotency_key() {
    let rows = vec![row(1, 0, 2), RowOffer::new(2, SlotSet::range(2, 2))];
    let mut rig = Rig::with(with(rows));
    let keyed = |count| {
        let cause = leasehold_node_core::Cause { idempotency_key: Some(IdempotencyKey([7; 16])), ..cause() };
        Input::Surrender { to: ReplyTo(0), cause, pool: PoolId([1; 16]), count, dry_run: false }
    };
    let first = surrendered(rig.ask(keyed(3)));
    assert_eq!(rig.pool().seats, Some(1), "of both rows");
    assert_eq!(surrendered(rig.ask(keyed(3))), first);
    assert_eq!(refused(rig.ask(keyed(2))).code, Code::IdempotencyMismatch);
    rig.restart();
    assert_eq!(surrendered(rig.ask(keyed(3))), first);
    assert_eq!((rig.pool().seats, rig.told().len()), (Some(1), 2));
}

#[test]
fn a_release_is_told_until_its_row_acknowledges_it() {
    let mut rig = Rig::with(with(vec![row(1, 0, 4)]));
    rig.ask(surrender(1, 1));
    let first = rig.told();
    assert_eq!(first[0].slots, SlotSet::range(3, 1));
    assert_eq!(rig.told(), first, "that request may be lost");
    assert_eq!(rig.receipt(None).released, first);
    // Further seats of the same version join them, under the report that tells all.
    rig.ask(surrender(1, 1));
    let both = rig.told();
    assert_eq!((both.len(), both[0].slots.clone()), (1, SlotSet::range(2, 2)));
    assert!(first[0].report_seq < both[0].report_seq);
    // The issuer knows of the first one only.
    let acked = |seq, acked, count| with(vec![RowOffer { acked_report_seq: acked, ..row(seq, 0, count) }]);
    rig.give(acked(2, first[0].report_seq, 3));
    assert_eq!((rig.pool().seats, rig.told_slots()), (Some(2), SlotSet::range(2, 1)));
    rig.give(acked(3, both[0].report_seq, 2));
    assert_eq!((rig.pool().seats, rig.told_slots()), (Some(2), SlotSet::EMPTY));
    rig.restart();
}

/// The law: what was given back is given to nobody under a row that does not acknowledge it.
#[test]
fn a_slot_that_went_back_stays_out_of_every_row_until_one_acknowledges_it() {
    let bundles = |acked| {
        let old = RowOffer { acked_report_seq: acked, ..row(2, 0, 2) };
        let other = RowOffer { acked_report_seq: acked, ..RowOffer::new(2, SlotSet::range(1, 1)) };
        [with(vec![old]), with(vec![row(3, 0, 1), other])]
    };
    for (case, pools) in bundles(0).into_iter().enumerate() {
        let mut rig = Rig::with(with(vec![row(1, 0, 2)]));
        // A bundle that was made before, and is carried slowly.
        let mut offer = rig.offer(pools);
        let bundle = rig.answer(&offer);
        rig.ask(surrender(1, 1));
        let report = rig.told()[0].report_seq;
        imported(rig.import(bundle));
        assert_eq!(rig.seat(1).slots, SlotSet::range(0, 1));
        assert_eq!(code(&rig.checkout(wish(2))), Code::PoolExhausted, "{case}");
        rig.restart();
        assert_eq!(code(&rig.checkout(wish(2))), Code::PoolExhausted, "{case}");
        let release = Checkout { count: 2, ..wish(3) };
        assert_eq!(code(&rig.checkout(release)), Code::PoolExhausted);
        // Acknowledged, and given anew.
        offer.serial = rig.offer(Vec::new()).serial;
        let again = RowOffer { acked_report_seq: report, ..row(4, 0, 1) };
        let other = RowOffer { acked_report_seq: report, seq: 2, ..RowOffer::new(2, SlotSet::range(1, 1)) };
        offer.pools = with(vec![again, other]);
        rig.take(&offer);
        assert_eq!(rig.seat(2).slots, SlotSet::range(1, 1), "{case}");
        assert!(rig.told().is_empty());
        rig.restart();
    }
}

#[test]
fn a_row_of_which_nothing_is_left_is_acknowledged_by_the_next_one() {
    let mut rig = Rig::with(with(vec![row(1, 0, 2)]));
    rig.ask(surrender(1, 2));
    let report = rig.told()[0].report_seq;
    rig.give(with(Vec::new()));
    assert_eq!(rig.told_slots().len(), 2, "no row says anything yet");
    rig.give(with(vec![RowOffer { acked_report_seq: report, ..RowOffer::new(3, SlotSet::range(0, 1)) }]));
    assert_eq!((rig.seat(1).slots, rig.told_slots()), (SlotSet::range(0, 1), SlotSet::EMPTY));
    rig.restart();
}

#[test]
fn a_row_signed_without_the_slots_does_not_acknowledge_by_that_alone() {
    let mut rig = Rig::with(with(vec![row(1, 0, 2)]));
    rig.ask(surrender(1, 1));
    rig.told();
    rig.give(with(vec![row(2, 0, 1)]));
    assert_eq!(rig.told_slots(), SlotSet::range(1, 1), "still told");
    rig.give(with(vec![row(3, 0, 2)]));
    assert_eq!(rig.pool().seats, Some(1), "and still out");
}

#[test]
fn a_receipt_names_the_bundle_in_force_and_is_made_once_for_a_key() {
    let mut rig = Rig::new();
    let journal = JournalTail { seq: 0, chain: Digest([0; 32]) };
    let early = rig.ask(Input::MakeReceipt { to: ReplyTo(0), cause: cause(), journal });
    assert_eq!(refused(early).code, Code::NodeUnprovisioned);
    rig.give(with(vec![row(1, 0, 2)]));
    let bundle = rig.request().have.bundle.unwrap();
    let receipt = rig.receipt(Some(1));
    assert_eq!((receipt.bundle, receipt.generation, receipt.released.len()), (bundle, 1, 0));
    assert_eq!(rig.receipt(Some(1)), receipt);
    rig.restart();
    assert_eq!(rig.receipt(Some(1)), receipt);
    let other = rig.receipt(Some(2));
    assert!(receipt.report_seq < other.report_seq && receipt.issue.id != other.issue.id);
    assert!(other.report_seq < rig.request().report_seq, "reports of both kinds are numbered together");
}

#[test]
fn so_many_keyed_receipts_and_surrenders_are_remembered() {
    for more in [limits::KEPT_ANSWERS - 2, limits::KEPT_ANSWERS - 1, limits::KEPT_ANSWERS] {
        let seats = u32::try_from(more).unwrap() + 2;
        let mut rig = Rig::with_seats(seats);
        let keyed = |key: usize| {
            let key = IdempotencyKey([u8::try_from(key).unwrap(); 16]);
            let cause = leasehold_node_core::Cause { idempotency_key: Some(key), ..cause() };
            Input::Surrender { to: ReplyTo(0), cause, pool: PoolId([1; 16]), count: 1, dry_run: false }
        };
        let (receipt, slots) = (rig.receipt(Some(0)), surrendered(rig.ask(keyed(0))));
        for key in 1..=more {
            rig.receipt(Some(u8::try_from(key).unwrap()));
            rig.ask(keyed(key));
        }
        let remembered = more < limits::KEPT_ANSWERS;
        assert_eq!(rig.receipt(Some(0)) == receipt, remembered, "{more}");
        assert_eq!(surrendered(rig.ask(keyed(0))) == slots, remembered, "{more}");
    }
}

#[test]
fn no_more_ranges_go_back_than_a_report_tells() {
    for ranges in [ALLOCATION_SLOT_RANGES - 1, ALLOCATION_SLOT_RANGES, ALLOCATION_SLOT_RANGES + 1] {
        let ranges = u32::try_from(ranges).unwrap();
        let mut rig = Rig::with_seats(2 * ranges);
        // Every other seat stays in use.
        let leases: Vec<_> = (0..2 * ranges).map(|key| rig.seat(u8::try_from(key).unwrap()).lease).collect();
        leases.iter().step_by(2).for_each(|lease| _ = rig.release(*lease));
        let keep = RowOffer { seq: 2, shrink_to: Some(0), ..RowOffer::new(1, SlotSet::range(0, 2 * ranges)) };
        rig.give(vec![PoolOffer { rows: vec![keep], ..PoolOffer::new(1, "cad", 2 * ranges) }]);
        let told = rig.told();
        let told = told[0].slots.ranges().len();
        assert_eq!(told, ALLOCATION_SLOT_RANGES.min(usize::try_from(ranges).unwrap()), "{ranges}");
    }
}

#[test]
fn what_goes_back_says_who_wanted_it() {
    let mut rig = Rig::with(with(vec![row(1, 0, 3)]));
    rig.ask(surrender(1, 1));
    rig.give(shrinking(2, 3, 1));
    let causes: Vec<bool> = rig
        .records()
        .filter_map(|record| match record {
            Record::SlotsReleased { cause, .. } => Some(*cause == leasehold_node_core::ReleaseCause::Shrink),
            _ => None,
        })
        .collect();
    assert_eq!(causes, [false, true]);
    seat(rig.checkout(wish(1)));
}

fn surrender_of(pool: PoolId, count: u32, dry_run: bool) -> Input {
    Input::Surrender { to: ReplyTo(0), cause: cause(), pool, count, dry_run }
}
