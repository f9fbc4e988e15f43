//! Whatever happens, the journal alone gives the same state, and no seat is in two rows.

use leasehold_issuer_core::{
    Cause, Command, Idempotency, Mobility, NewAllocation, NewGrant, NewNode, NodeClass,
};
use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::artefact::{AllocationKind, Seats};
use leasehold_protocol::slots::SlotSet;

use crate::rig::{DAY_MS, Rig, account, allocation, cause, grant, product};

/// Random numbers (`SplitMix64`): a seed is a run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn small(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(bound.into())).unwrap()
    }
}

#[test]
fn any_history_replays_to_the_same_state_and_never_oversells() {
    for seed in 0..200 {
        let mut chance = Chance(seed);
        let mut rig = Rig::new();
        for _ in 0..60 {
            pass(&mut rig, &mut chance);
            let cause = random_cause(&mut chance);
            let command = command(&mut rig, &mut chance);
            // Many are refused, for their names, seats, keys or the clock; that is part of the history.
            let _ = rig.act_for(cause, command);
            check_seats(&rig, seed);
        }
        assert_eq!(rig.replayed().state_hash(), rig.issuer.state_hash(), "seed {seed}");
    }
}

fn pass(rig: &mut Rig, chance: &mut Chance) {
    let span_ms = i64::try_from(chance.below(20 * 86_400_000)).unwrap();
    match chance.below(8) {
        0 => rig.reboot(span_ms),
        1 => rig.now.wall_ms = rig.now.wall_ms.plus(span_ms),
        2 => rig.now.wall_ms = rig.now.wall_ms.plus(-span_ms),
        3 => rig.now.kernel_synced = !rig.now.kernel_synced,
        4 => rig.run(span_ms),
        _ => rig.pass(span_ms),
    }
}

fn random_cause(chance: &mut Chance) -> Cause {
    let key = u8::try_from(chance.below(20)).unwrap();
    let params = [u8::try_from(chance.below(2)).unwrap(); 16];
    let idempotency = (key < 10).then_some(Idempotency { key: IdempotencyKey([key; 16]), params });
    Cause { idempotency, ..cause() }
}

fn command(rig: &mut Rig, chance: &mut Chance) -> Command {
    let account_name = ["ACME", "OTHER"][usize::from(chance.below(4) == 0)].to_owned();
    let sku = ["CAD", "SIM"][usize::from(chance.below(2) == 0)].to_owned();
    let node = ["plant", "lab"][usize::from(chance.below(2) == 0)].to_owned();
    match chance.below(8) {
        0 => Command::CreateAccount(account(&account_name)),
        1 => Command::CreateProduct(product(&sku, &["sim"])),
        2 => {
            let seats = if chance.below(5) == 0 { Seats::Unlimited } else { Seats::Value(chance.small(30)) };
            let not_before = rig.now.wall_ms;
            let not_after = not_before.plus(DAY_MS * i64::from(chance.small(100)));
            let overdraft = chance.small(3);
            let new = grant(seats);
            Command::CreateGrant(NewGrant {
                account: account_name,
                product: sku,
                overdraft,
                not_before,
                not_after,
                ..new
            })
        }
        3 => {
            let class = if chance.below(2) == 0 { NodeClass::AirGapped } else { NodeClass::Online };
            let node = NewNode { account: account_name, name: node, site: None, class };
            Command::RegisterNode { node, issued: rig.issued_join() }
        }
        _ => {
            let kind = if chance.below(2) == 0 { AllocationKind::Base } else { AllocationKind::Elastic };
            let mobility = [None, Some(Mobility::Movable), Some(Mobility::Fixed)];
            let mobility = mobility[usize::try_from(chance.below(3)).unwrap()];
            let pools: Vec<String> = rig.issuer.pools().map(|view| view.pool.issue.id.to_string()).collect();
            let at = chance.below(u64::try_from(pools.len()).unwrap().max(1));
            let pool = pools.get(usize::try_from(at).unwrap()).cloned().unwrap_or(sku);
            let node = rig.issuer.nodes().last().map_or(node, |view| view.node.id.to_string());
            let new = allocation(chance.small(12));
            Command::CreateAllocation(NewAllocation { pool, node, kind, mobility, ..new })
        }
    }
}

/// Counted from the rows alone, apart from what the core keeps.
fn check_seats(rig: &Rig, seed: u64) {
    for view in rig.issuer.pools() {
        let Some(count) = view.pool.slot_count() else { continue };
        let mut seen = SlotSet::EMPTY;
        for row in rig.issuer.rows().filter(|row| row.row.pool == view.pool.issue.id) {
            assert!(!seen.intersects(&row.row.slots), "seed {seed}: a seat is in two rows");
            seen.insert_all(&row.row.slots);
        }
        assert!(SlotSet::range(0, count).contains_all(&seen), "seed {seed}: a seat that was not sold");
        assert_eq!(seen.len(), view.allocated, "seed {seed}");
    }
}
