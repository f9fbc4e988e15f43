//! RECOVER: a journal that may be older than what was promised gives no seat until what it may have forgotten is over,
//! and is put right by what holders show. Each history here is one in which a seat would be used by two without the rule.

use leasehold_node_core::{
    Cause, Event, Input, Machine, Principal, Record, Reply, ReplyTo, SeatReply, Shown, Way,
};
use leasehold_protocol::api::{LeaseState, LeaseStatus, RecoverAnswer, TrustState};
use leasehold_protocol::artefact::{JournalTail, RecoverCause, Recovery, Request};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::{BootId, UnixMs};
use leasehold_tests::vendor::{Offer, PoolOffer, RowOffer};

use crate::rig::{ANN, Rig, cause, code, denied, imported, refused, released, seat, surrender, wish};

/// Life of a lease and the server's grace after it: W + G of these pools.
const WAIT_MS: i64 = 990_000;

fn movable(number: u8, slots: SlotSet) -> RowOffer {
    RowOffer::new(number, slots)
}

fn fixed(number: u8, slots: SlotSet) -> RowOffer {
    RowOffer { suspect_budget_ms: Some(3_600_000), ..RowOffer::new(number, slots) }
}

fn with(rows: Vec<RowOffer>) -> Vec<PoolOffer> {
    vec![PoolOffer { rows, ..PoolOffer::new(1, "cad", 10) }]
}

fn seats(count: u32) -> Vec<PoolOffer> {
    with(vec![movable(1, SlotSet::range(0, count))])
}

impl Rig {
    /// The journal is set back to `backup`, which its MARK tells, with the generation.
    fn fall_back(&mut self, backup: usize, generation: Option<u32>) {
        self.set_back(backup);
        self.regress(RecoverCause::Behind, generation);
    }

    fn regress(&mut self, cause: RecoverCause, newest_generation: Option<u32>) {
        let by = Cause::of_the_node();
        self.frame([Input::Regressed { cause, by, newest_generation }]);
    }

    fn recover(&mut self) -> RecoverAnswer {
        let cause = Cause { reason: Some("looked at the machines".to_owned()), ..cause() };
        match self.ask(Input::Recover { to: ReplyTo(0), cause, dry_run: false }) {
            Reply::Recovering(answer) => *answer,
            other => panic!("{other:?}"),
        }
    }

    fn contradict(&mut self, report_seq: u64) {
        assert!(matches!(self.ask(Input::Contradicted { to: ReplyTo(0), report_seq }), Reply::Noted));
    }

    /// Its holder shows the ticket of a seat.
    fn show(&mut self, seat: &SeatReply, held: bool) -> Reply {
        let ticket = (*seat.ticket).clone();
        let recorded = self.granted_by(ticket.serial);
        let shown = Some(Box::new(Shown { ticket, held, recorded }));
        self.ask(Input::Renew { to: ReplyTo(0), principal: ANN, lease: seat.lease, idle_ms: None, shown })
    }

    fn adopt(&mut self, held: &SeatReply) -> SeatReply {
        seat(self.show(held, true))
    }

    fn request_by_network(&mut self, present: bool) -> Request {
        let journal = JournalTail { seq: 0, chain: Digest([0; 32]) };
        let (to, way) = (ReplyTo(0), Way::Network);
        match self.ask(Input::MakeRequest { to, cause: cause(), way, present, join: None, journal }) {
            Reply::Request(request) => *request,
            other => panic!("{other:?}"),
        }
    }

    /// Rows of a generation, in answer to a request of this moment.
    fn give_generation(&mut self, generation: u32, pools: Vec<PoolOffer>) {
        let offer = Offer { generation, ..self.offer(pools) };
        self.take(&offer);
    }

    fn is_recovering(&self) -> bool {
        self.status().trust_state == TrustState::Recover
    }

    fn lease_of(&self, lease: LeaseId) -> LeaseStatus {
        self.leases().into_iter().find(|known| known.lease_id == lease).expect("the lease is known")
    }
}

#[test]
fn no_seat_is_given_before_the_wait_is_over_and_the_vendor_has_answered() {
    let mut rig = Rig::with(seats(2));
    let backup = rig.back_up();
    // Forgotten, and its holder never shows it.
    rig.seat(1);
    rig.fall_back(backup, Some(1));
    let denial = denied(rig.checkout(wish(2)));
    assert_eq!((denial.code, denial.retry_after_ms), (Code::Recovering, Some(WAIT_MS)));
    assert!(denial.detail.contains("recover --reason"), "{}", denial.detail);
    rig.recover();
    rig.give_generation(2, with(vec![movable(2, SlotSet::range(0, 2))]));
    rig.restart();
    rig.wait(WAIT_MS - 1);
    assert_eq!(denied(rig.checkout(wish(2))).retry_after_ms, Some(1), "answered, not waited");
    rig.wait(1);
    assert_eq!(rig.seat(2).slots, SlotSet::range(0, 1));
    assert!(!rig.is_recovering());
    rig.restart();

    let mut rig = Rig::with(seats(2));
    let backup = rig.back_up();
    rig.fall_back(backup, Some(1));
    rig.wait(100 * WAIT_MS);
    assert_eq!(code(&rig.checkout(wish(2))), Code::Recovering, "waited, not answered");
    rig.recover();
    rig.give_generation(2, with(vec![movable(2, SlotSet::range(0, 2))]));
    rig.seat(2);
}

#[test]
fn only_rows_of_a_later_generation_that_answer_a_request_of_this_recover_end_it() {
    let mut rig = Rig::with(seats(2));
    let earlier = rig.request();
    let backup = rig.back_up();
    rig.fall_back(backup, Some(1));
    rig.recover();
    // An answer to a request that an earlier RECOVER made may be on its way: what it gives may be given back.
    let late = Offer { generation: 2, ..rig.offer(seats(2)) };
    let late = rig.vendor.answer(&earlier, &late);
    assert_eq!(refused(rig.import(late)).code, Code::BundleWrongNode);
    // Rows of the generation of before say nothing new; the vendor's word does.
    let heard = rig.status().issuer.last_sync_at;
    let word = Offer { issued_at: UnixMs(rig.now.wall_ms.0 + 1), ..rig.offer(with(vec![])) };
    let word = rig.answer(&word);
    imported(rig.import(word));
    assert_ne!(rig.status().issuer.last_sync_at, heard);
    rig.wait(WAIT_MS);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Recovering);
    assert_eq!(rig.pool().seats, Some(2), "its rows stand");
    rig.restart();
    rig.give_generation(2, with(vec![movable(2, SlotSet::range(0, 2))]));
    rig.seat(1);
}

#[test]
fn a_longer_life_that_the_answer_brings_is_waited_for() {
    let mut rig = Rig::with(seats(2));
    let backup = rig.back_up();
    rig.fall_back(backup, Some(1));
    rig.recover();
    let mut pools = with(vec![movable(2, SlotSet::range(0, 2))]);
    pools[0].ttl.max_ms *= 4;
    rig.give_generation(2, pools);
    rig.wait(4 * WAIT_MS - 1);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Recovering);
    rig.wait(1);
    rig.seat(1);
}

#[test]
fn a_forgotten_lease_goes_on_by_its_ticket_and_its_seat_is_nobody_elses() {
    let mut rig = Rig::with(seats(2));
    let backup = rig.back_up();
    let lost = rig.seat(1);
    rig.fall_back(backup, Some(1));
    assert_eq!(refused(rig.renew(lost.lease)).code, Code::TicketNeeded);
    let adopted = rig.adopt(&lost);
    assert_eq!((adopted.lease, adopted.epoch, &adopted.slots), (lost.lease, lost.epoch, &lost.slots));
    assert_eq!((adopted.ttl_ms, adopted.age_ms), (lost.ttl_ms, 0));
    rig.restart();
    rig.wait(600_000);
    assert_eq!(code(&rig.renew(lost.lease)), Code::Allowed, "by its id alone from then on");
    rig.recover();
    rig.give_generation(2, with(vec![movable(2, SlotSet::range(0, 2))]));
    rig.wait(WAIT_MS - 600_000);
    assert_eq!(rig.seat(2).slots, SlotSet::range(1, 1), "the other seat");
    assert_eq!(code(&rig.checkout(wish(3))), Code::PoolExhausted);
    assert_eq!(code(&rig.renew(lost.lease)), Code::Allowed, "under the rows of the new generation");
    assert!(released(&rig.release(lost.lease)));
    rig.restart();
}

#[test]
fn what_a_restored_journal_says_to_be_held_may_be_somebody_elses() {
    let mut rig = Rig::with(seats(1));
    let first = rig.seat(1);
    let backup = rig.back_up();
    rig.release(first.lease);
    let second = rig.seat(2);
    rig.fall_back(backup, Some(1));
    assert_eq!(rig.lease_of(first.lease).state, LeaseState::Quarantine);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Recovering, "not even the same answer again");
    assert_eq!(refused(rig.renew(first.lease)).code, Code::TicketNeeded);
    rig.adopt(&second);
    assert_eq!(refused(rig.show(&first, true)).code, Code::LeaseLost, "the later one is shown");
    assert_eq!(rig.leases().len(), 1);
    rig.restart();
}

#[test]
fn only_what_is_held_is_adopted_and_only_while_it_can_be() {
    let mut rig = Rig::with(seats(2));
    let backup = rig.back_up();
    let lost = rig.seat(1);
    rig.fall_back(backup, Some(1));
    assert_eq!(code(&rig.show(&lost, false)), Code::Recovering, "its holder has stopped");
    assert!(rig.leases().is_empty());
    // The certain time is past all that it can have promised.
    rig.wait(WAIT_MS + 60_000);
    assert_eq!(refused(rig.show(&lost, true)).code, Code::LeaseLost);
    // Under a row that the journal never had.
    let mut rig = Rig::with(seats(2));
    let backup = rig.back_up();
    rig.give(with(vec![RowOffer { seq: 2, ..movable(1, SlotSet::range(0, 3)) }]));
    let lost = rig.seat(1);
    rig.fall_back(backup, Some(1));
    assert_eq!(code(&rig.show(&lost, true)), Code::Recovering);
}

#[test]
fn of_two_tickets_for_one_seat_the_later_wins_and_the_seat_is_counted_for_both() {
    let (mut rig, first, second) = two_forgotten(1);
    // Who has given it back lies, or has not heard that it did.
    rig.adopt(&first);
    rig.recover();
    rig.give_generation(2, with(vec![movable(2, SlotSet::range(0, 1))]));
    rig.wait(600_000);
    rig.adopt(&second);
    assert_eq!(refused(rig.renew(first.lease)).code, Code::LeaseLost);
    rig.restart();
    released(&rig.release(second.lease));
    assert_eq!((rig.pool().in_use, rig.pool().quarantined), (1, 1));
    rig.wait(WAIT_MS - 600_000 - 1);
    assert_eq!(code(&rig.checkout(wish(3))), Code::Recovering);
    rig.wait(1);
    rig.seat(3);

    // In the other order the earlier one comes too late.
    let (mut rig, first, second) = two_forgotten(1);
    rig.adopt(&second);
    assert_eq!(refused(rig.show(&first, true)).code, Code::LeaseLost);
    assert_eq!(code(&rig.renew(second.lease)), Code::Allowed);

    // Adopted late, it is counted longer than RECOVER lasts.
    let mut rig = two_adopted_late(1);
    assert_eq!(code(&rig.checkout(wish(3))), Code::PoolExhausted, "RECOVER is over, the promise is not");
    assert_eq!(rig.pool().quarantined, 1);
    rig.restart();
    rig.wait(700_000);
    rig.seat(3);
}

#[test]
fn no_lease_moves_to_a_seat_that_is_counted_for_a_holder_who_lost() {
    let mut rig = two_adopted_late(3);
    let keeps = rig.seat(3);
    let ousted = rig.seat(4);
    assert_eq!((keeps.slots, ousted.slots), (SlotSet::range(1, 1), SlotSet::range(2, 1)));
    let row = RowOffer { seq: 2, ..movable(2, SlotSet::range(0, 2)) };
    rig.give_generation(2, with(vec![row]));
    assert_eq!(code(&rig.renew(ousted.lease)), Code::Draining, "the first holder may use the other seat");
    rig.restart();
    rig.wait(700_000);
    assert_eq!(seat(rig.renew(ousted.lease)).slots, SlotSet::range(0, 1));
}

#[test]
fn what_an_operator_took_back_does_not_come_back_by_its_ticket() {
    let mut rig = Rig::with(seats(2));
    let taken = rig.seat(1);
    let cause = Cause { reason: Some("the machine is gone".to_owned()), ..cause() };
    rig.ask(Input::ForceRelease { to: ReplyTo(0), cause, lease: taken.lease, dry_run: false });
    rig.regress(RecoverCause::Behind, Some(1));
    assert_eq!(code(&rig.show(&taken, true)), Code::Draining);
}

#[test]
fn what_was_given_back_does_not_come_back_for_somebody_elses_sake() {
    let mut rig = Rig::with(seats(2));
    let given_back = rig.seat(1);
    rig.release(given_back.lease);
    let held = rig.seat(2);
    assert_eq!(held.slots, given_back.slots);
    rig.regress(RecoverCause::Behind, Some(1));
    let shown = Shown { ticket: (*given_back.ticket).clone(), held: true, recorded: Some(given_back.lease) };
    let (lease, shown) = (given_back.lease, Some(Box::new(shown)));
    let principal = Principal::Uid(2);
    let answer = rig.ask(Input::Renew { to: ReplyTo(0), principal, lease, idle_ms: None, shown });
    assert_eq!(refused(answer).code, Code::LeaseUnknown);
    assert_eq!(code(&rig.show(&held, true)), Code::Allowed);
}

#[test]
fn a_pool_counts_all_its_seats_as_long_as_any_may_be_in_use() {
    let mut rig = Rig::with(seats(3));
    let backup = rig.back_up();
    let lost = rig.seat(1);
    rig.fall_back(backup, Some(1));
    assert_eq!((rig.pool().in_use, rig.pool().quarantined), (3, 3));
    rig.adopt(&lost);
    assert_eq!((rig.pool().in_use, rig.pool().quarantined), (3, 2));
    let status = rig.status();
    assert_eq!((status.trust_state, rig.pool().trust_state), (TrustState::Recover, TrustState::Recover));
    let at = rig.now.wall_ms.plus(WAIT_MS).to_string();
    assert_eq!(status.next_transition_at, Some(at.clone()));
    assert!(status.trust_cause.contains(&at), "{}", status.trust_cause);
}

#[test]
fn no_epoch_of_a_forgotten_lease_comes_again() {
    let mut rig = Rig::with(seats(3));
    let backup = rig.back_up();
    let lost: Vec<u64> = (1..=2).map(|key| rig.seat(key).epoch).collect();
    // Also where the clock went back with the journal.
    rig.now.wall_ms = rig.now.wall_ms.plus(-30 * 86_400_000);
    rig.fall_back(backup, Some(1));
    rig.recover();
    rig.give_generation(2, with(vec![movable(2, SlotSet::range(0, 3))]));
    rig.wait(WAIT_MS);
    rig.now.wall_ms = rig.now.wall_ms.plus(30 * 86_400_000);
    let new = rig.seat(9).epoch;
    assert!(lost.iter().all(|&epoch| epoch >> 40 < new >> 40), "{lost:?} {new}");
}

#[test]
fn nothing_goes_back_in_recover() {
    let mut rig = Rig::with(seats(3));
    let backup = rig.back_up();
    rig.seat(1);
    rig.fall_back(backup, Some(1));
    assert_eq!(code(&rig.ask(surrender(1, 1))), Code::Recovering);
    rig.tick();
    let sign = |record: &&Record| matches!(record, Record::SlotsReleased { .. });
    rig.give(with(vec![RowOffer { shrink_to: Some(1), seq: 2, ..movable(1, SlotSet::range(0, 3)) }]));
    rig.tick();
    assert_eq!(rig.records().filter(sign).count(), 0);

    // Nor is told what a journal gave back that may have regressed since.
    let mut rig = Rig::with(seats(3));
    rig.ask(surrender(1, 1));
    assert_eq!(rig.request_by_network(false).released.len(), 1);
    rig.regress(RecoverCause::Snapshot, None);
    assert!(rig.request_by_network(false).released.is_empty());
    assert_eq!(rig.pool().seats, Some(2), "and it stays out");
    rig.recover();
    rig.give_generation(2, with(vec![movable(2, SlotSet::range(0, 3))]));
    assert_eq!(rig.pool().seats, Some(3), "until the vendor gives it again");
    assert!(rig.request_by_network(false).released.is_empty());
}

#[test]
fn the_wait_alone_brings_fixed_rows_back_and_no_others() {
    let both = || with(vec![fixed(1, SlotSet::range(0, 1)), movable(2, SlotSet::range(1, 1))]);
    let mut rig = Rig::with(both());
    let backup = rig.back_up();
    rig.fall_back(backup, Some(1));
    rig.wait(WAIT_MS - 1);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Recovering);
    rig.wait(1);
    assert_eq!(rig.seat(1).slots, SlotSet::range(0, 1));
    // The other one may have been given back, and be somebody else's.
    assert_eq!(code(&rig.checkout(wish(2))), Code::PoolExhausted);
    assert_eq!(rig.pool().in_use, 2);
    assert!(rig.request().recovery.is_some_and(|recovery| recovery.waited), "the vendor still has to answer");
    rig.restart();

    // All of them: nothing is left to be waited for.
    let mut rig = Rig::with(with(vec![fixed(1, SlotSet::range(0, 2))]));
    let backup = rig.back_up();
    rig.fall_back(backup, Some(1));
    rig.wait(WAIT_MS);
    assert_eq!(rig.status().trust_state, TrustState::Fresh);
    assert_eq!(rig.core.not_serving(&rig.now), None);
    let lease = rig.seat(1).lease;
    assert_eq!(code(&rig.renew(lease)), Code::Allowed);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Allowed, "the same again");
}

#[test]
fn the_wait_alone_does_not_help_where_a_later_generation_was_in_force() {
    let pools = || with(vec![fixed(1, SlotSet::range(0, 2))]);
    // The MARK names it, whatever anybody says.
    let mut rig = Rig::with(pools());
    let backup = rig.back_up();
    rig.fall_back(backup, Some(2));
    rig.wait(WAIT_MS);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Recovering);
    rig.recover();
    assert_eq!(code(&rig.checkout(wish(1))), Code::Recovering);

    // Nothing names one, and nobody says that there was none.
    let mut rig = Rig::with(pools());
    rig.regress(RecoverCause::Ticket, None);
    rig.wait(WAIT_MS);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Recovering);
    rig.recover();
    rig.seat(1);

    // A ticket refutes whoever says so.
    let mut rig = Rig::with(pools());
    let mut lost = rig.seat(1);
    let ticket = leasehold_protocol::artefact::LeaseTicket { generation: 2, ..(*lost.ticket).clone() };
    lost.ticket = ticket.into();
    rig.regress(RecoverCause::Ticket, None);
    rig.recover();
    rig.show(&lost, false);
    rig.wait(WAIT_MS);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Recovering);
    rig.restart();
    // Nor does he say so anew in the next RECOVER.
    rig.regress(RecoverCause::Snapshot, None);
    rig.recover();
    rig.wait(WAIT_MS);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Recovering);
    rig.restart();
}

#[test]
fn a_second_answer_to_requests_of_one_recover_begins_no_other() {
    let mut rig = Rig::with(seats(2));
    rig.regress(RecoverCause::Behind, Some(1));
    rig.recover();
    let carried = rig.request();
    rig.give_generation(2, with(vec![movable(2, SlotSet::range(0, 2))]));
    rig.wait(WAIT_MS);
    rig.tick();
    assert!(!rig.is_recovering());
    let offer = Offer { generation: 3, ..rig.offer(with(vec![movable(3, SlotSet::range(0, 2))])) };
    let late = rig.vendor.answer(&carried, &offer);
    imported(rig.import(late));
    assert!(!rig.is_recovering());
    rig.seat(1);
    rig.restart();
}

#[test]
fn a_ticket_that_the_journal_lacks_begins_recover_once() {
    let mut rig = Rig::with(seats(3));
    let kept = rig.seat(1);
    let backup = rig.back_up();
    let lost = rig.seat(2);
    // Set back with its MARK: nobody sees it, and another one gets the seat.
    rig.set_back(backup);
    let other = rig.seat(3);
    assert_eq!(other.slots, lost.slots, "the excess before it is noticed");
    assert_eq!(code(&rig.renew(kept.lease)), Code::Allowed);
    assert_eq!(refused(rig.renew(lost.lease)).code, Code::TicketNeeded);
    assert_eq!(code(&rig.show(&lost, true)), Code::Allowed, "it began, and the holder goes on");
    assert!(rig.is_recovering());
    assert_eq!(code(&rig.checkout(wish(4))), Code::Recovering, "nothing is granted after it");
    assert_eq!(rig.request().recovery.map(|recovery| recovery.cause), Some(RecoverCause::Ticket));
    rig.restart();
    rig.recover();
    rig.give_generation(2, with(vec![movable(2, SlotSet::range(0, 3))]));
    rig.wait(WAIT_MS);
    rig.tick();
    assert!(!rig.is_recovering());
    // Once more, by whoever comes late: that was waited for.
    rig.release(lost.lease);
    let (late, news) = (lost, other);
    assert_eq!(refused(rig.show(&late, true)).code, Code::LeaseEnded);
    rig.show(&news, true);
    assert!(!rig.is_recovering());
}

#[test]
fn a_ticket_that_the_journal_has_begins_nothing() {
    let mut rig = Rig::with(seats(2));
    let ended = rig.seat(1);
    let held = rig.seat(2);
    rig.release(ended.lease);
    assert_eq!(refused(rig.show(&ended, true)).code, Code::LeaseEnded);
    assert_eq!(code(&rig.show(&held, true)), Code::Allowed);
    assert!(!rig.is_recovering());
}

#[test]
fn a_vendor_who_knows_of_more_begins_recover_and_one_who_knows_of_something_else_a_fork() {
    let mut rig = Rig::with(seats(1));
    let made = rig.request().report_seq;
    rig.contradict(made + 1);
    assert!(rig.is_recovering());
    assert_eq!(code(&rig.checkout(wish(1))), Code::Recovering);

    let mut rig = Rig::with(seats(2));
    let made = rig.request().report_seq;
    rig.contradict(made);
    assert_eq!(rig.status().trust_state, TrustState::Forked);
    let lease = rig.seat(1).lease;
    assert_eq!(code(&rig.renew(lease)), Code::Allowed, "no factory stops");
    let longer = rig.offer(seats(2));
    let longer = rig.answer(&longer);
    assert_eq!(refused(rig.import(longer)).code, Code::NodeForked, "its rows are not extended");
    rig.restart();
    assert_eq!(rig.status().trust_state, TrustState::Forked);
    assert!(rig.recover().attested);
    assert!(rig.is_recovering());
    rig.give_generation(2, with(vec![movable(2, SlotSet::range(0, 2))]));
    rig.wait(WAIT_MS);
    rig.seat(2);
}

#[test]
fn rows_that_acknowledge_what_was_never_told_begin_recover() {
    let mut rig = Rig::with(seats(3));
    let told = rig.request().report_seq;
    let acked = |seq, acked_report_seq| {
        with(vec![RowOffer { seq, acked_report_seq, ..movable(1, SlotSet::range(0, 3)) }])
    };
    rig.give(acked(2, told));
    assert!(!rig.is_recovering());
    let forgotten = rig.offer(acked(3, told + 100));
    let forgotten = rig.answer(&forgotten);
    assert_eq!(refused(rig.import(forgotten)).code, Code::Recovering);
    assert!(rig.is_recovering());
    assert_eq!(rig.request().recovery.map(|recovery| recovery.cause), Some(RecoverCause::Issuer));

    // So do rows of a generation that it never asked for.
    let mut rig = Rig::with(seats(3));
    let later = Offer { generation: 2, ..rig.offer(seats(3)) };
    let later = rig.answer(&later);
    assert_eq!(refused(rig.import(later)).code, Code::Recovering);
    assert!(rig.is_recovering());
    rig.restart();
}

#[test]
fn a_machine_that_was_set_back_begins_recover_and_another_one_is_told_of() {
    let host = Machine {
        boot_id: BootId([1; 16]),
        machine_id: Some([2; 16]),
        hardware: Some([3; 16]),
        vm_generation: Some([4; 16]),
    };
    let set_back = Machine { vm_generation: Some([5; 16]), ..host };
    let moved = Machine { boot_id: BootId([9; 16]), hardware: Some([9; 16]), ..set_back };
    let rebooted = Machine { boot_id: BootId([8; 16]), ..host };
    for (next, recovers, moves) in [
        (host, false, false),
        (set_back, true, false),
        (Machine { boot_id: BootId([8; 16]), ..set_back }, true, false),
        (Machine { hardware: None, ..set_back }, true, false),
        (rebooted, false, false),
        (moved, false, true),
        (Machine { vm_generation: None, ..host }, false, false),
    ] {
        let mut rig = Rig::with(seats(1));
        rig.frame([Input::MachineSeen(host)]);
        rig.restart();
        rig.frame([Input::MachineSeen(next)]);
        assert_eq!(rig.is_recovering(), recovers, "{next:?}");
        assert_eq!(rig.events().contains(&Event::Moved), moves, "{next:?}");
        rig.restart();
    }
    let mut rig = Rig::with(seats(1));
    rig.now.vm_generation_event = true;
    rig.tick();
    rig.now.vm_generation_event = false;
    assert!(rig.is_recovering());
}

#[test]
fn a_request_tells_how_recover_stands_and_what_the_node_stands_on() {
    let mut rig = Rig::with(seats(2));
    let serving = rig.request_by_network(false);
    assert_eq!((serving.recovery, serving.presented), (None, None));
    let (shown, carried) =
        (rig.request_by_network(true).presented.unwrap(), rig.request().presented.unwrap());
    assert_eq!(shown, carried);
    assert_eq!(shown.len(), 4, "certificate, grant, pool, row");
    // A row of before, under which something still runs.
    rig.seat(1);
    rig.give(with(vec![RowOffer { seq: 2, ..movable(1, SlotSet::range(0, 2)) }]));
    assert_eq!(rig.request().presented.unwrap().len(), 5);
    rig.regress(RecoverCause::Restored, Some(1));
    let told = |rig: &mut Rig| rig.request_by_network(false).recovery.unwrap();
    let began = Recovery { cause: RecoverCause::Restored, waited: false, attested: false };
    assert_eq!(told(&mut rig), began);
    assert!(rig.request_by_network(false).presented.is_some(), "in RECOVER always");
    rig.recover();
    assert_eq!(told(&mut rig), Recovery { attested: true, ..began });
    rig.wait(WAIT_MS - 1);
    rig.give_generation(2, with(vec![movable(2, SlotSet::range(0, 2))]));
    assert_eq!(told(&mut rig), began, "an attestation gets one generation");
    rig.wait(1);
    assert_eq!(rig.request_by_network(false).recovery, None);

    let mut rig = Rig::with(seats(2));
    rig.regress(RecoverCause::Restored, Some(1));
    rig.recover();
    rig.wait(WAIT_MS);
    assert_eq!(told(&mut rig), Recovery { attested: true, waited: true, ..began });
}

#[test]
fn an_operator_says_why_and_may_ask_first() {
    let mut rig = Rig::with(seats(1));
    let before = rig.core.next_seq();
    let ask = |dry_run, reason: Option<&str>| {
        let cause = Cause { reason: reason.map(str::to_owned), ..cause() };
        Input::Recover { to: ReplyTo(0), cause, dry_run }
    };
    assert_eq!(refused(rig.ask(ask(false, None))).code, Code::InvalidRequest);
    assert!(matches!(rig.ask(ask(true, Some("why"))), Reply::Recovering(_)));
    assert_eq!(rig.core.next_seq(), before);
    assert!(!rig.is_recovering());
    rig.ask(ask(false, Some("why")));
    assert_eq!(rig.request().recovery.map(|recovery| recovery.attested), Some(true));
    let after = rig.core.next_seq();
    rig.ask(ask(false, Some("once more")));
    assert_eq!(rig.core.next_seq(), after, "it is known");
    let mut unprovisioned = Rig::new();
    assert_eq!(refused(unprovisioned.ask(ask(false, Some("why")))).code, Code::NodeUnprovisioned);
}

#[test]
fn recover_within_recover_begins_anew() {
    let mut rig = Rig::with(seats(2));
    rig.regress(RecoverCause::Behind, Some(1));
    rig.recover();
    let request = rig.request();
    let backup = rig.back_up();
    rig.give_generation(2, with(vec![movable(2, SlotSet::range(0, 2))]));
    rig.wait(WAIT_MS);
    let lost = rig.seat(1);
    rig.fall_back(backup, Some(2));
    let recovery = rig.request().recovery.unwrap();
    assert_eq!((recovery.waited, recovery.attested), (false, false));
    let late = Offer { generation: 2, ..rig.offer(seats(2)) };
    let late = rig.vendor.answer(&request, &late);
    assert_eq!(refused(rig.import(late)).code, Code::BundleWrongNode);
    assert_eq!(code(&rig.show(&lost, true)), Code::Recovering, "of rows that this journal never had");
    rig.recover();
    rig.give_generation(3, with(vec![movable(3, SlotSet::range(0, 2))]));
    rig.wait(WAIT_MS);
    assert!(rig.seat(2).epoch >> 40 > lost.epoch >> 40);
}

/// A node of so many seats that has forgotten two leases of its first seat, which followed each other.
fn two_forgotten(count: u32) -> (Rig, SeatReply, SeatReply) {
    let mut rig = Rig::with(seats(count));
    let backup = rig.back_up();
    let first = rig.seat(1);
    rig.release(first.lease);
    let second = rig.seat(2);
    rig.fall_back(backup, Some(1));
    (rig, first, second)
}

/// Both show their tickets late, the later one gives its seat back, and RECOVER ends: the seat is counted still.
fn two_adopted_late(count: u32) -> Rig {
    let (mut rig, first, second) = two_forgotten(count);
    rig.recover();
    rig.give_generation(2, with(vec![movable(2, SlotSet::range(0, count))]));
    rig.wait(700_000);
    rig.adopt(&first);
    rig.adopt(&second);
    rig.release(second.lease);
    rig.wait(WAIT_MS - 700_000);
    rig
}
