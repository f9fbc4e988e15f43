//! RECOVER: the histories of ADR 6, each with the rule that forbids its end, and once without it.

use leasehold_issuer_core::{
    Command, Issuer, Mobility, NewAllocation, NewAmendment, NewRevocation, NodeClass, RecoverCause,
    RevocationTarget, Rules, What, limits,
};
use leasehold_protocol::artefact::{
    AllocationKind, JournalTail, RecoverCause as NodeCause, Recovery, Request, Seats,
};
use leasehold_protocol::bundle::OpenedBundle;
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::Verified;
use leasehold_protocol::ids::GrantId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::request::JoinSecret;
use leasehold_protocol::slots::SlotSet;

use crate::exchange::answer;
use crate::node::TestNode;
use crate::rig::{DAY_MS, Rig, allocation, cause, grant};

/// 100 seats of CAD for ACME, whose nodes `plant` and `lab` are enrolled and have none.
struct World {
    rig: Rig,
    plant: TestNode,
    lab: TestNode,
}

impl World {
    fn new(rules: Rules) -> Self {
        let mut rig = Rig::with_rules(rules);
        rig.account("ACME");
        rig.product("CAD", &["sim"]);
        rig.act(Command::CreateGrant(grant(Seats::Value(100)))).unwrap();
        let mut world = Self { rig, plant: TestNode::new(50), lab: TestNode::new(51) };
        world.plant = world.enrolled("plant", 50);
        world.lab = world.enrolled("lab", 51);
        world
    }

    fn enrolled(&mut self, name: &str, key: u8) -> TestNode {
        self.rig.node(name, NodeClass::Online);
        let secret = JoinSecret(self.rig.issuer.node(name).unwrap().node.join.issued.nonce);
        let mut node = TestNode::new(key);
        let opened = answer(&mut self.rig, &node.request(Some(secret))).unwrap();
        node.take(&opened);
        node.presents = true;
        node
    }

    fn backup(&self) -> usize {
        self.rig.frames.len()
    }

    /// The issuer comes back from a backup, announced, an hour later.
    fn restore(&mut self, backup: usize) {
        self.rig.restore(backup);
        self.rig.pass(3_600_000);
        self.rig.act(Command::Recover { cause: RecoverCause::Restored, seen: 0 }).unwrap();
    }

    fn give(&mut self, node: &str, seats: u32) -> Result<(), Problem> {
        self.rig.allocate(node, seats).map(drop)
    }

    fn sync(&mut self, who: Who) -> Result<OpenedBundle, Problem> {
        let request = self.node(who).request(None);
        let opened = answer(&mut self.rig, &request)?;
        self.node(who).take(&opened);
        Ok(opened)
    }

    /// Contacts until the issuer knows what the node stands on and the node refuses what is older.
    fn report(&mut self, who: Who) {
        self.sync(who).unwrap();
        self.sync(who).unwrap();
    }

    fn attest(&mut self) -> Result<(), Problem> {
        let mut why = cause();
        why.reason = Some("looked at all orders since the backup".to_owned());
        self.rig.act_for(why, Command::Attest { accounts: Vec::new() }).map(drop)
    }

    fn node(&mut self, who: Who) -> &mut TestNode {
        match who {
            Who::Plant => &mut self.plant,
            Who::Lab => &mut self.lab,
        }
    }

    fn is_frozen(&self) -> bool {
        self.rig.issuer.frozen().next().is_some()
    }

    /// Whether a seat is served by two.
    fn is_oversold(&self) -> bool {
        self.plant.serves.intersects(&self.lab.serves)
    }

    /// The slots of the ledger's rows of a node.
    fn held(&self, node: &str) -> SlotSet {
        let id = self.rig.issuer.node(node).unwrap().node.id;
        self.rig.issuer.rows().filter(|row| row.row.node == id).flat_map(|row| row.row.slots.iter()).collect()
    }

    fn check(&self) {
        self.rig.check_replay();
    }
}

#[derive(Clone, Copy)]
enum Who {
    Plant,
    Lab,
}

const RECOVERY: Recovery = Recovery { cause: NodeCause::Restored, waited: false, attested: true };

/// The history has a good end, and with the rule left out a bad one.
fn needs_rule(history: impl Fn(Rules) -> bool, without: Rules) {
    assert!(!history(Rules::LAW), "a seat is sold twice although all rules hold");
    assert!(history(without), "the rule is not needed");
}

/// The issuer gave seats after the backup and does not know to whom.
#[test]
fn a_restored_issuer_gives_nothing() {
    needs_rule(
        |rules| {
            let mut world = World::new(rules);
            let backup = world.backup();
            world.give("plant", 60).unwrap();
            world.sync(Who::Plant).unwrap();
            world.restore(backup);
            let refused = world.give("lab", 60);
            if let Err(problem) = &refused {
                assert_eq!(problem.code, Code::IssuerRecovering);
                assert!(problem.detail.contains("2 of its nodes have not reported twice"), "{problem:?}");
                assert!(problem.hint.contains("recover --attest"), "{problem:?}");
                world.check();
                return false;
            }
            world.lab.presents = false;
            world.sync(Who::Lab).unwrap();
            world.is_oversold()
        },
        Rules::LAW.without_freeze(),
    );
}

/// All nodes report, an operator attests, and all is as it was.
#[test]
fn reports_and_an_attestation_thaw() {
    let mut world = World::new(Rules::LAW);
    let backup = world.backup();
    world.give("plant", 60).unwrap();
    world.sync(Who::Plant).unwrap();
    let before = world.plant.clone();
    world.restore(backup);
    world.report(Who::Plant);
    assert_eq!(world.plant.serves, before.serves, "it is answered with what it presents");
    world.report(Who::Lab);
    assert!(world.is_frozen(), "nobody attested");
    assert_eq!(world.give("lab", 40).unwrap_err().code, Code::IssuerRecovering);
    world.attest().unwrap();
    assert!(!world.is_frozen());
    assert_eq!(world.give("lab", 41).unwrap_err().code, Code::AllocationExceedsPool);
    world.give("lab", 40).unwrap();
    world.sync(Who::Lab).unwrap();
    world.sync(Who::Plant).unwrap();
    assert!(!world.is_oversold());
    assert_eq!((world.plant.serves.len(), world.lab.serves.len()), (60, 40));
    assert_eq!(world.attest().unwrap_err().code, Code::InvalidRequest, "nothing is frozen any more");
    world.check();
}

/// An attestation has a reason, and comes before or after the reports.
#[test]
fn an_attestation_says_why() {
    let mut world = World::new(Rules::LAW);
    world.restore(world.backup());
    assert_eq!(world.rig.refused(Command::Attest { accounts: Vec::new() }), Code::InvalidRequest);
    world.attest().unwrap();
    world.report(Who::Plant);
    assert!(world.is_frozen());
    world.report(Who::Lab);
    assert!(!world.is_frozen());
    assert_eq!(
        world.rig.refused(Command::Recover { cause: RecoverCause::Declared, seen: 0 }),
        Code::InvalidRequest
    );
    world.check();
}

/// A node that the backup does not know has seats: only a person can tell.
#[test]
fn who_was_forgotten_is_attested_for() {
    needs_rule(
        |rules| {
            let mut world = World::new(rules);
            let backup = world.backup();
            world.rig.node("far", NodeClass::AirGapped);
            let secret = JoinSecret(world.rig.issuer.node("far").unwrap().node.join.issued.nonce);
            let mut far = TestNode::new(52);
            world.give("far", 60).unwrap();
            let request = far.request(Some(secret));
            far.take(&answer(&mut world.rig, &request).unwrap());
            world.restore(backup);
            world.report(Who::Plant);
            world.report(Who::Lab);
            if world.give("lab", 60).is_err() {
                return false;
            }
            world.sync(Who::Lab).unwrap();
            world.lab.serves.intersects(&far.serves)
        },
        Rules::LAW.without_attestation(),
    );
}

/// ADR 6, 1: the answer to a node in RECOVER is late, and its clients bring its leases back.
#[test]
fn a_living_nodes_slots_go_to_its_own_next_generation() {
    needs_rule(
        |rules| {
            let mut world = World::new(rules);
            world.give("plant", 60).unwrap();
            world.sync(Who::Plant).unwrap();
            world.plant.recovery = Some(RECOVERY);
            let late = world.plant.request(None);
            answer(&mut world.rig, &late).unwrap();
            world.rig.pass(30 * DAY_MS);
            let given = world.rig.allocate_as(NewAllocation { node: "lab".to_owned(), ..allocation(60) });
            let slots = given.map_or(SlotSet::EMPTY, |row| row.slots);
            world.plant.serves.intersects(&slots)
        },
        Rules::LAW.without_kept_slots(),
    );
}

#[test]
fn a_new_generation_has_the_same_slots_and_forgets_reports() {
    let mut world = World::new(Rules::LAW);
    world.give("plant", 60).unwrap();
    let first = world.sync(Who::Plant).unwrap();
    world.plant.recovery = Some(RECOVERY);
    let request = world.plant.request(None);
    let second = answer(&mut world.rig, &request).unwrap();
    assert_eq!((first.bundle.generation, second.bundle.generation), (1, 2));
    let (old, new) = (&first.allocations[0], &second.allocations[0]);
    assert_eq!(
        (new.issue.id, &new.slots, new.generation, new.acked_report_seq),
        (old.issue.id, &old.slots, 2, 0)
    );
    assert!(old.seq < new.seq);
    assert_ne!(first.certificate.envelope(), second.certificate.envelope());
    assert!(world.rig.issuer.bundle_for(request.digest()).is_some(), "the same request gets the same bytes");
    // A request of the generation before is late now; one of the new is taken, whatever its number.
    world.plant.recovery = None;
    assert_eq!(world.sync(Who::Plant).unwrap_err().code, Code::ArtefactRefused);
    world.plant.take(&second);
    world.sync(Who::Plant).unwrap();
    world.check();
}

#[test]
fn somebody_attests_that_no_copy_runs() {
    let mut world = World::new(Rules::LAW);
    world.give("plant", 60).unwrap();
    world.sync(Who::Plant).unwrap();
    world.plant.recovery = Some(Recovery { attested: false, ..RECOVERY });
    let problem = world.sync(Who::Plant).unwrap_err();
    assert_eq!(problem.code, Code::RecoveryUnattested);
    assert!(problem.hint.contains("leasehold-node recover"), "{problem:?}");
    world.plant.recovery = Some(RECOVERY);
    for recovered in 0..=limits::RECOVERIES_PER_YEAR {
        let answered = world.sync(Who::Plant).map_err(|problem| problem.code).map(drop);
        let expected =
            if recovered < limits::RECOVERIES_PER_YEAR { Ok(()) } else { Err(Code::RecoveryUnattested) };
        assert_eq!(answered, expected, "{recovered}");
    }
    // The vendor's people may have found out why.
    let command = || Command::AttestNode { node: "plant".to_owned() };
    assert_eq!(world.rig.refused(command()), Code::InvalidRequest);
    let mut why = cause();
    why.reason = Some("its disk was exchanged".to_owned());
    world.rig.act_for(why, command()).unwrap();
    world.sync(Who::Plant).unwrap();
    assert_eq!(world.sync(Who::Plant).unwrap_err().code, Code::RecoveryUnattested, "it is good once");
    world.rig.pass(limits::RECOVERIES_WITHIN_MS + DAY_MS);
    world.rig.now.kernel_synced = true;
    world.rig.reboot(0);
    world.sync(Who::Plant).unwrap();
    world.check();
}

/// ADR 6, 3: the bundle with the seats is in the courier's bag when the issuer forgets it.
#[test]
fn a_report_counts_behind_the_fence() {
    needs_rule(
        |rules| {
            let mut world = World::new(rules);
            let backup = world.backup();
            world.give("plant", 60).unwrap();
            let asked = world.plant.request(None);
            let in_the_bag = answer(&mut world.rig, &asked).unwrap();
            world.restore(backup);
            world.report(Who::Lab);
            // It tells truthfully that it has nothing. The answer is lost.
            let told = world.plant.request(None);
            answer(&mut world.rig, &told).unwrap();
            world.attest().unwrap();
            if world.give("lab", 60).is_err() {
                world.report(Who::Plant);
                world.give("lab", 60).unwrap();
            }
            world.sync(Who::Lab).unwrap();
            world.plant.take_if_newer(&in_the_bag);
            world.check();
            world.is_oversold()
        },
        Rules::LAW.without_fence(),
    );
}

/// ADR 6, 4: issuer and node are both restored to before the node got seats and leased them.
#[test]
fn a_node_in_recover_reports_late() {
    needs_rule(
        |rules| {
            let mut world = World::new(rules);
            let (backup, before) = (world.backup(), world.plant.clone());
            world.give("plant", 60).unwrap();
            world.sync(Who::Plant).unwrap();
            let leased = world.plant.serves.clone();
            world.restore(backup);
            world.plant = before;
            world.plant.recovery = Some(RECOVERY);
            world.report(Who::Plant);
            world.report(Who::Lab);
            world.attest().unwrap();
            if world.give("lab", 60).is_err() {
                // What it forgot is over.
                world.plant.recovery = Some(Recovery { waited: true, ..RECOVERY });
                world.sync(Who::Plant).unwrap();
                world.give("lab", 60).unwrap();
                return false;
            }
            world.sync(Who::Lab).unwrap();
            world.lab.serves.intersects(&leased)
        },
        Rules::LAW.without_late_reports(),
    );
}

/// ADR 6, 5: a report of the generation before is on its way.
#[test]
fn report_numbers_belong_to_a_generation() {
    needs_rule(
        |rules| {
            let mut world = World::new(rules);
            world.give("plant", 60).unwrap();
            let opened = world.sync(Who::Plant).unwrap();
            let before = world.plant.clone();
            world.plant.release(&opened.allocations[0], opened.allocations[0].slots.clone());
            let on_its_way = world.plant.request(None);
            world.plant = before;
            world.plant.recovery = Some(RECOVERY);
            // A courier's files are numbered by who makes them.
            world.plant.request(None);
            world.sync(Who::Plant).unwrap();
            let taken = answer(&mut world.rig, &on_its_way);
            if let Err(problem) = &taken {
                assert_eq!(problem.code, Code::ArtefactRefused);
            }
            if world.give("lab", 60).is_ok() {
                world.sync(Who::Lab).unwrap();
            }
            world.is_oversold()
        },
        Rules::LAW.without_report_generations(),
    );
}

/// ADR 6, 6: what is given back to an issuer that does not know the row is told again after the thaw.
#[test]
fn nothing_is_acknowledged_before_the_thaw() {
    needs_rule(
        |rules| {
            let mut world = World::new(rules);
            let backup = world.backup();
            world.give("plant", 60).unwrap();
            let opened = world.sync(Who::Plant).unwrap();
            world.plant.release(&opened.allocations[0], SlotSet::range(50, 10));
            world.restore(backup);
            let first = world.sync(Who::Plant).unwrap();
            let early = first.allocations[0].acked_report_seq > 0 || world.held("plant").len() < 60;
            if !early {
                world.report(Who::Lab);
                world.sync(Who::Plant).unwrap();
                assert_eq!(world.held("plant").len(), 60);
                world.attest().unwrap();
                let after = world.sync(Who::Plant).unwrap();
                assert!(after.allocations[0].acked_report_seq > 0);
                assert_eq!(world.held("plant").len(), 50);
            }
            world.check();
            early
        },
        Rules::LAW.with_early_acknowledgement(),
    );
}

/// ADR 6, 7: an elastic row ended and its slots went to another node; both present theirs.
#[test]
fn of_two_rows_for_one_slot_the_later_wins() {
    for last in [Who::Plant, Who::Lab] {
        let history = |rules| {
            let (mut world, backup) = moved_on(rules);
            world.restore(backup);
            match last {
                Who::Plant => {
                    world.sync(Who::Lab).unwrap();
                    world.sync(Who::Plant).unwrap();
                }
                Who::Lab => {
                    world.sync(Who::Plant).unwrap();
                    world.sync(Who::Lab).unwrap();
                }
            }
            world.check();
            world.held("lab").len() != 100 || !world.held("plant").is_empty()
        };
        match last {
            Who::Plant => needs_rule(history, Rules::LAW.without_row_order()),
            Who::Lab => assert!(!history(Rules::LAW)),
        }
    }
}

/// A request that a courier carries for long presents a version of a row from before some of its slots went back.
#[test]
fn an_earlier_version_of_an_adopted_row_brings_no_slot_back() {
    let mut world = World::new(Rules::LAW);
    let backup = world.backup();
    world.give("plant", 60).unwrap();
    let opened = world.sync(Who::Plant).unwrap();
    let carried = world.plant.request(None);
    world.plant.release(&opened.allocations[0], SlotSet::range(40, 20));
    world.sync(Who::Plant).unwrap();
    world.plant.released.clear();
    world.give("lab", 60).unwrap();
    world.sync(Who::Lab).unwrap();
    assert!(!world.is_oversold());
    world.restore(backup);
    world.sync(Who::Plant).unwrap();
    let late = answer(&mut world.rig, &carried).unwrap();
    world.plant.take_if_newer(&late);
    assert!(!world.is_oversold(), "{:?} {:?}", world.plant.serves, world.lab.serves);
    assert_eq!(world.held("plant"), SlotSet::range(0, 40));
    world.check();
}

/// The same slots, but the one whose row ended presents first, and wants more.
#[test]
fn a_row_that_may_have_ended_is_not_extended() {
    needs_rule(
        |rules| {
            let (mut world, backup) = moved_on(rules);
            world.restore(backup);
            let bundle = world.sync(Who::Plant).unwrap();
            let now = world.rig.now.wall_ms;
            bundle.allocations.iter().any(|row| now < row.not_after)
        },
        Rules::LAW.with_rows_extended_late(),
    );
}

/// A row that runs is extended at its first presentation: restarts of the vendor stop no factory.
#[test]
fn a_row_that_runs_is_extended_while_frozen() {
    let mut world = World::new(Rules::LAW);
    let backup = world.backup();
    world.rig.allocate_as(elastic("plant")).unwrap();
    let before = world.sync(Who::Plant).unwrap();
    world.restore(backup);
    world.rig.pass(5 * DAY_MS);
    let after = world.sync(Who::Plant).unwrap();
    let (old, new) = (&before.allocations[0], &after.allocations[0]);
    assert_eq!((old.issue.id, old.seq + 1, &old.slots), (new.issue.id, new.seq, &new.slots));
    assert!(old.not_after < new.not_after);
    assert_eq!(new.prev, Some(old.digest()));
    world.check();
}

/// An elastic row of all seats of `plant` that has ended, and the one of `lab` that followed, both unknown to the backup.
fn moved_on(rules: Rules) -> (World, usize) {
    let mut world = World::new(rules);
    let backup = world.backup();
    world.rig.allocate_as(elastic("plant")).unwrap();
    world.sync(Who::Plant).unwrap();
    world.rig.pass(9 * DAY_MS);
    world.rig.allocate_as(NewAllocation { seats: Seats::Value(100), ..allocation_of("lab") }).unwrap();
    world.sync(Who::Lab).unwrap();
    (world, backup)
}

fn allocation_of(node: &str) -> NewAllocation {
    NewAllocation { node: node.to_owned(), ..allocation(100) }
}

fn elastic(node: &str) -> NewAllocation {
    let mobility = Some(Mobility::Movable);
    NewAllocation { kind: AllocationKind::Elastic, mobility, ..allocation_of(node) }
}

/// ADR 6, 7: whatever was numbered before is below whatever is numbered after.
#[test]
fn no_number_comes_back() {
    needs_rule(
        |rules| {
            let mut world = World::new(rules);
            let backup = world.backup();
            world.give("plant", 60).unwrap();
            let lost = world.sync(Who::Plant).unwrap();
            world.restore(backup);
            let next = world.sync(Who::Lab).unwrap();
            next.head.version <= lost.head.version || next.bundle.issue.serial <= lost.bundle.issue.serial
        },
        Rules::LAW.without_new_generation(),
    );
}

/// A backup that is restored once more, by a clock that was set back meanwhile, does not know of the first RECOVER.
#[test]
fn a_generation_that_the_backup_does_not_know_of_is_not_used_again() {
    let mut world = World::new(Rules::LAW);
    let backup = world.backup();
    world.rig.act(Command::Recover { cause: RecoverCause::Restored, seen: 0 }).unwrap();
    let first = world.rig.issuer.recovery().unwrap().entered.generation;
    world.rig.restore(backup);
    world.rig.act(Command::Recover { cause: RecoverCause::Restored, seen: first }).unwrap();
    assert_eq!(world.rig.issuer.recovery().unwrap().entered.generation, first + 1);
    world.check();
}

#[test]
fn generations_are_minutes_and_never_fall() {
    let mut world = World::new(Rules::LAW);
    world.restore(world.backup());
    let first = world.rig.issuer.recovery().unwrap().entered.generation;
    let minutes = world.rig.now.wall_ms.0 - 1_704_067_200_000;
    assert_eq!(i64::from(first), minutes / 60_000);
    world.rig.act(Command::Recover { cause: RecoverCause::Restored, seen: 0 }).unwrap();
    assert_eq!(world.rig.issuer.recovery().unwrap().entered.generation, first + 1);
}

/// Nobody said that the journal was set back: the first artefact that it lacks does.
#[test]
fn an_unannounced_restore_is_noticed_by_what_is_presented() {
    let mut world = World::new(Rules::LAW);
    let backup = world.backup();
    world.give("plant", 60).unwrap();
    world.sync(Who::Plant).unwrap();
    world.rig.restore(backup);
    assert!(!world.is_frozen());
    world.plant.presents = false;
    assert_eq!(
        world.sync(Who::Plant).unwrap_err().code,
        Code::ArtefactsNeeded,
        "it claims more than is known"
    );
    world.plant.presents = true;
    world.sync(Who::Plant).unwrap();
    let recovery = world.rig.issuer.recovery().unwrap();
    assert_eq!(recovery.entered.cause, RecoverCause::Presented);
    assert!(world.is_frozen());
    assert_eq!(world.held("plant").len(), 60);
    assert_eq!(world.give("lab", 60).unwrap_err().code, Code::IssuerRecovering);
    world.check();
}

/// Accounts, grants, pools and nodes that the backup never heard of come back with the first request.
#[test]
fn what_was_made_after_the_backup_is_adopted() {
    let mut rig = Rig::new();
    let backup = rig.frames.len();
    rig.account("ACME");
    rig.product("CAD", &["sim"]);
    rig.act(Command::CreateGrant(grant(Seats::Value(100)))).unwrap();
    let mut world = World { rig, plant: TestNode::new(50), lab: TestNode::new(51) };
    world.plant = world.enrolled("plant", 50);
    world.give("plant", 60).unwrap();
    world.sync(Who::Plant).unwrap();
    let (sold, served) =
        (world.rig.issuer.grants().next().unwrap().grant.clone(), world.plant.serves.clone());
    world.restore(backup);
    assert!(world.rig.issuer.accounts().next().is_none());
    world.sync(Who::Plant).unwrap();
    assert_eq!(world.plant.serves, served);
    let issuer = &world.rig.issuer;
    assert_eq!(issuer.grants().next().unwrap().grant, &sold);
    assert_eq!(issuer.account(&sold.account.to_string()).unwrap().name, sold.account.to_string());
    assert_eq!(issuer.product("cad").unwrap().features, sold.features);
    assert_eq!(issuer.node("plant").unwrap().enrolment.unwrap().generation, 1);
    assert_eq!(issuer.pool("CAD").unwrap().free, Some(40));
    assert!(world.is_frozen());
    world.sync(Who::Plant).unwrap();
    world.attest().unwrap();
    world.give("plant", 40).unwrap();
    world.check();
}

/// A grant that grew after the backup is served as it is now.
#[test]
fn a_newer_version_of_a_known_grant_is_adopted() {
    let mut world = World::new(Rules::LAW);
    world.give("plant", 100).unwrap();
    world.sync(Who::Plant).unwrap();
    let backup = world.backup();
    let sold = world.rig.issuer.grants().next().unwrap().grant.issue.id;
    world.rig.act(Command::AmendGrant(more_seats(sold, 150))).unwrap();
    world.sync(Who::Plant).unwrap();
    assert_eq!(world.plant.serves.len(), 150);
    world.restore(backup);
    let grow = Command::AmendGrant(more_seats(sold, 120));
    assert_eq!(world.rig.refused(grow), Code::IssuerRecovering);
    world.sync(Who::Plant).unwrap();
    assert_eq!((world.plant.serves.len(), world.held("plant").len()), (150, 150));
    assert_eq!(world.rig.issuer.pool("CAD").unwrap().pool.seats, Seats::Value(150));
    world.check();
}

fn more_seats(grant: GrantId, seats: u32) -> NewAmendment {
    NewAmendment {
        grant,
        if_version: None,
        seats: Some(Seats::Value(seats)),
        add_features: Vec::new(),
        remove_features: Vec::new(),
        not_after: None,
        grace_ms: None,
        edition: None,
    }
}

/// What only takes away is possible at any time.
#[test]
fn revocation_does_not_wait_for_the_thaw() {
    let mut world = World::new(Rules::LAW);
    world.restore(world.backup());
    let grant = world.rig.issuer.grants().next().unwrap().grant.issue.id;
    let mut why = cause();
    why.reason = Some("not paid".to_owned());
    let target = RevocationTarget::Grant(grant);
    world.rig.act_for(why, Command::RevokeGrant(NewRevocation { target, effective_at: None })).unwrap();
    let opened = world.sync(Who::Plant).unwrap();
    assert_eq!(opened.head.revoked.len(), 1);
}

#[test]
fn nobody_enrols_while_the_code_may_have_been_used() {
    let mut world = World::new(Rules::LAW);
    world.rig.node("new", NodeClass::Online);
    world.restore(world.backup());
    let secret = JoinSecret(world.rig.issuer.node("new").unwrap().node.join.issued.nonce);
    let request = TestNode::new(53).request(Some(secret));
    assert_eq!(answer(&mut world.rig, &request).unwrap_err().code, Code::IssuerRecovering);
    let missing = world.rig.issuer.frozen().next().unwrap();
    assert_eq!((missing.nodes.len(), missing.not_enrolled.len()), (2, 1));
}

/// A stranger cannot freeze a vendor: what is presented is proven, and so is who presents it.
#[test]
fn what_is_not_ours_is_not_adopted() {
    let mut world = World::new(Rules::LAW);
    let backup = world.backup();
    world.give("plant", 60).unwrap();
    world.sync(Who::Plant).unwrap();
    world.rig.restore(backup);
    // The lab presents what is of the plant.
    let mut thief = world.plant.clone();
    thief.known_as = world.lab.known_as;
    assert_eq!(answer(&mut world.rig, &thief.request(None)).unwrap_err().code, Code::ArtefactRefused);
    let mut stranger = world.plant.with_key(77);
    assert_eq!(answer(&mut world.rig, &stranger.request(None)).unwrap_err().code, Code::ArtefactRefused);
    assert!(world.rig.issuer.recovery().is_none());
}

/// An account that was thawed freezes again when something turns up that nobody knew of.
#[test]
fn a_wrong_attestation_is_found_out() {
    let mut world = World::new(Rules::LAW);
    let backup = world.backup();
    world.rig.node("far", NodeClass::AirGapped);
    let secret = JoinSecret(world.rig.issuer.node("far").unwrap().node.join.issued.nonce);
    let mut far = TestNode::new(52);
    world.give("far", 60).unwrap();
    let request = far.request(Some(secret));
    far.take(&answer(&mut world.rig, &request).unwrap());
    world.restore(backup);
    world.report(Who::Plant);
    world.report(Who::Lab);
    world.attest().unwrap();
    assert!(!world.is_frozen());
    let generation = world.rig.issuer.recovery().unwrap().entered.generation;
    far.presents = true;
    let request = far.request(None);
    far.take(&answer(&mut world.rig, &request).unwrap());
    assert!(world.is_frozen());
    assert_eq!(
        world.rig.issuer.recovery().unwrap().entered.generation,
        generation,
        "numbers are above all lost ones"
    );
    assert_eq!(far.serves.len(), 60);
    world.check();
}

fn forks(world: &mut World, request: &Verified<Request>) -> bool {
    match answer(&mut world.rig, request) {
        Ok(_) => false,
        Err(problem) => {
            assert_eq!(problem.code, Code::NodeForked);
            let highest = problem.extra["report_seq"].as_u64().unwrap();
            assert!(highest > 0);
            true
        }
    }
}

#[test]
fn a_copy_that_contradicts_the_node_is_noticed() {
    let mut world = World::new(Rules::LAW);
    world.give("plant", 60).unwrap();
    world.sync(Who::Plant).unwrap();
    let mut copy = world.plant.clone();
    world.sync(Who::Plant).unwrap();
    copy.journal.chain = Digest([1; 32]);
    let told = copy.request(None);
    assert!(forks(&mut world, &told), "the same number, another report");
    let recorded = world.rig.frames.iter().flat_map(|(_, facts)| facts).last().unwrap();
    let What::NodeForked(forked) = &recorded.what else { panic!("a fork is recorded") };
    assert_eq!(forked.refused, told.digest());
    assert!(world.rig.issuer.node("plant").unwrap().forked.is_some());
    // Nothing is signed for either; what runs goes on.
    let request = world.plant.request(None);
    assert!(forks(&mut world, &request));
    assert_eq!(world.held("plant").len(), 60);
    // One of them is ended, and the other recovers.
    world.plant.recovery = Some(RECOVERY);
    world.sync(Who::Plant).unwrap();
    world.plant.recovery = None;
    world.sync(Who::Plant).unwrap();
    assert!(world.rig.issuer.node("plant").unwrap().forked.is_none());
    world.check();
}

/// Couriers are overtaken: an earlier report that comes later fits between those that were taken.
#[test]
fn a_report_that_comes_late_is_no_fork() {
    let mut world = World::new(Rules::LAW);
    world.sync(Who::Plant).unwrap();
    let late = world.plant.request(None);
    world.plant.journal.seq += 1;
    world.sync(Who::Plant).unwrap();
    assert!(!forks(&mut world, &late));
    // The same number once more is the same report, or a fork.
    assert!(world.rig.issuer.bundle_for(late.digest()).is_some());
    let mut restored = world.plant.clone();
    restored.journal = JournalTail { seq: 1, ..restored.journal };
    assert!(forks(&mut world, &restored.request(None)), "a later number of a shorter journal");
    world.check();
}

/// A copy that was never provisioned would serve every seat, and needs no other bundle.
#[test]
fn who_was_provisioned_says_which_node_it_is() {
    let mut world = World::new(Rules::LAW);
    world.give("plant", 60).unwrap();
    world.sync(Who::Plant).unwrap();
    world.plant.recovery = Some(RECOVERY);
    world.sync(Who::Plant).unwrap();
    world.plant.recovery = None;
    // What its earlier generation told is compared with nothing any more.
    let request = TestNode::new(50).request(None);
    assert_eq!(answer(&mut world.rig, &request).unwrap_err().code, Code::NodeForked);
    world.sync(Who::Plant).unwrap();
    world.check();
}

/// What a report can be compared with is forgotten some day. One from before that may be of a copy.
#[test]
fn a_report_that_nothing_can_be_compared_with_is_not_taken() {
    let mut world = World::new(Rules::LAW);
    world.give("plant", 60).unwrap();
    world.sync(Who::Plant).unwrap();
    let mut copy = world.plant.clone();
    copy.journal.chain = Digest([1; 32]);
    for _ in 0..=limits::KEPT_REPORTS {
        world.sync(Who::Plant).unwrap();
    }
    let request = copy.request(None);
    assert_eq!(answer(&mut world.rig, &request).unwrap_err().code, Code::NodeForked);
    assert!(world.rig.issuer.node("plant").unwrap().forked.is_none(), "a courier may be as late");
    world.sync(Who::Plant).unwrap();
    world.check();
}

#[test]
fn a_forked_nodes_releases_are_not_taken() {
    let mut world = World::new(Rules::LAW);
    world.give("plant", 60).unwrap();
    let opened = world.sync(Who::Plant).unwrap();
    let mut copy = world.plant.clone();
    world.sync(Who::Plant).unwrap();
    copy.release(&opened.allocations[0], SlotSet::range(0, 60));
    let issuer: Issuer = world.rig.issuer.clone();
    let receipt = copy.receipt(|receipt| issuer.sign_key_of(receipt));
    assert_eq!(world.rig.refused(Command::TakeReceipt { receipt: Box::new(receipt) }), Code::NodeForked);
    assert_eq!(world.held("plant").len(), 60);
}
