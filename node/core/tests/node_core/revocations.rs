//! What the vendor takes away: at once, in advance, by generation; and that nobody gives it back by mistake.

use leasehold_node_core::limits;
use leasehold_protocol::api::{LeaseState, TrustState};
use leasehold_protocol::artefact::{Kind, RevokedSerials, ScheduledRevocation};
use leasehold_protocol::code::Code;
use leasehold_tests::vendor::{DAY_MS, NOW, PoolOffer};

use crate::rig::{Rig, code, denied, refused, seat, wish};

/// Life of a lease, and the server's grace after it.
const TTL_MS: i64 = 900_000;
const G_MS: i64 = 90_000;

fn cad() -> PoolOffer {
    PoolOffer::new(1, "cad", 2)
}

fn bim() -> PoolOffer {
    PoolOffer::new(2, "bim", 1)
}

impl Rig {
    /// The grant of `cad` is revoked now.
    fn revoke_cad(&mut self) {
        let mut offer = self.offer(vec![bim()]).revoking([cad().serial]);
        offer.issued_at = self.now.wall_ms;
        self.take(&offer);
    }
}

#[test]
fn a_revoked_grant_gives_no_seat_and_says_since_when() {
    let mut rig = Rig::with(vec![cad(), bim()]);
    rig.wait(60_000);
    rig.revoke_cad();
    rig.wait(60_000);
    let denial = denied(rig.checkout(wish(1)));
    assert_eq!(denial.code, Code::Revoked);
    assert!(denial.detail.contains(&NOW.plus(60_000).to_string()), "{}", denial.detail);
    let bim = leasehold_node_core::Checkout { product: Some("bim".to_owned()), ..wish(2) };
    assert_eq!(code(&rig.checkout(bim)), Code::Allowed);
    rig.restart();
    assert_eq!(code(&rig.checkout(wish(1))), Code::Revoked);
}

#[test]
fn a_good_pool_of_the_product_serves_on() {
    let other = PoolOffer { sku: "cad".to_owned(), ..bim() };
    let mut rig = Rig::with(vec![cad(), other.clone()]);
    let offer = rig.offer(vec![other.clone()]).revoking([cad().serial]);
    rig.take(&offer);
    assert_eq!(rig.seat(1).pool, other.id());
    let full = rig.checkout(wish(2));
    assert_eq!(code(&full), Code::PoolExhausted, "what is full may become free");
}

#[test]
fn a_feature_that_only_a_revoked_grant_had_is_revoked() {
    let render = PoolOffer { features: vec!["render".to_owned()], ..cad() };
    let plain = PoolOffer { sku: "cad".to_owned(), ..bim() };
    let mut rig = Rig::with(vec![render, plain.clone()]);
    let offer = rig.offer(vec![plain]).revoking([cad().serial]);
    rig.take(&offer);
    let ask = |feature: &str| leasehold_node_core::Checkout { features: vec![feature.to_owned()], ..wish(1) };
    assert_eq!(code(&rig.checkout(ask("render"))), Code::Revoked);
    assert_eq!(code(&rig.checkout(ask("fly"))), Code::FeatureNotInPlan);
}

#[test]
fn running_leases_drain_to_their_promise_and_count_until_then() {
    let mut rig = Rig::with(vec![cad(), bim()]);
    let first = rig.seat(1);
    rig.wait(60_000);
    rig.revoke_cad();
    assert_eq!(denied(rig.renew(first.lease)).code, Code::Revoked);
    assert_eq!(rig.leases()[0].state, LeaseState::Drain);
    let pool = rig.pool();
    assert_eq!((pool.pool_id, pool.trust_state, pool.in_use), (cad().id(), TrustState::Revoked, 1));
    assert_eq!(pool.next_transition_at, Some(NOW.plus(TTL_MS).to_string()));
    // The answer that was lost: the same ticket, as old as it is.
    let again = seat(rig.checkout(wish(1)));
    assert_eq!((again.ticket, again.ttl_ms, again.age_ms), (first.ticket, TTL_MS, 60_001));
    rig.wait(TTL_MS + G_MS - 60_001);
    rig.tick();
    assert_eq!(rig.leases()[0].state, LeaseState::Drain, "not before its promise and the server's grace");
    rig.wait(1);
    rig.tick();
    assert_eq!((rig.leases().len(), rig.pool().in_use), (0, 0));
    assert_eq!(refused(rig.renew(first.lease)).code, Code::LeaseLost);
    assert_eq!(rig.pool().next_transition_at, None);
    rig.restart();
}

#[test]
fn an_idle_tick_ends_so_many_drained_leases_and_no_more() {
    for count in [limits::DRAINED_ENDS - 1, limits::DRAINED_ENDS, limits::DRAINED_ENDS + 1] {
        let seats = u32::try_from(count).unwrap();
        let mut rig = Rig::with(vec![PoolOffer::new(1, "cad", seats)]);
        for number in 0..count {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&number.to_le_bytes());
            seat(rig.checkout(leasehold_node_core::Checkout {
                key: leasehold_protocol::api::IdempotencyKey(key),
                ..wish(0)
            }));
        }
        rig.revoke_cad();
        rig.wait(TTL_MS + G_MS);
        rig.tick();
        assert_eq!(rig.leases().len(), count.saturating_sub(limits::DRAINED_ENDS), "{count}");
    }
}

#[test]
fn a_re_answer_ends_with_its_row_also_under_a_revoked_grant() {
    let mut pool = cad();
    pool.rows[0].not_after = NOW.plus(30 * 60_000);
    let mut rig = Rig::with(vec![pool, bim()]);
    rig.seat(1);
    rig.revoke_cad();
    // Running time stands still while the machine is off, true time does not.
    rig.reboot(20 * 60_000);
    assert_eq!(code(&rig.checkout(wish(1))), Code::AllocationEnded);
}

#[test]
fn a_revocation_told_in_advance_binds_at_its_instant() {
    let at = NOW.plus(3_600_000);
    let mut rig = Rig::new();
    let mut offer = rig.offer(vec![cad()]);
    offer.scheduled =
        vec![ScheduledRevocation { subject: (Kind::Grant.number(), cad().serial), effective_at: at }];
    rig.take(&offer);
    assert_eq!(
        (rig.pool().trust_state, rig.pool().next_transition_at),
        (TrustState::Fresh, Some(at.to_string()))
    );
    assert!(rig.pool().trust_cause.contains("revokes"), "{}", rig.pool().trust_cause);
    rig.wait(3_599_999);
    let lease = rig.seat(1).lease;
    rig.wait(1);
    assert_eq!(code(&rig.renew(lease)), Code::Revoked);
    let denial = denied(rig.checkout(wish(2)));
    assert!(denial.code == Code::Revoked && denial.detail.contains(&at.to_string()), "{denial:?}");
    assert_eq!(rig.pool().trust_state, TrustState::Revoked);
    // It is not forgotten with the head that told it first.
    let mut lacking = rig.offer(vec![cad()]);
    lacking.issued_at = at;
    let bundle = rig.answer(&lacking);
    assert_eq!(refused(rig.import(bundle)).code, Code::RevocationRollback);
    let mut offer = rig.offer(Vec::new()).revoking([cad().serial]);
    offer.issued_at = at.plus(60_000);
    rig.take(&offer);
    assert!(denied(rig.checkout(wish(2))).detail.contains(&at.to_string()));
    rig.restart();
}

#[test]
fn a_head_that_lacks_a_known_revocation_is_refused_while_the_grant_could_live() {
    let ends = NOW.plus(10 * DAY_MS);
    let short = PoolOffer { not_after: ends, grace_ms: DAY_MS, ..cad() };
    let mut rig = Rig::with(vec![short.clone(), bim()]);
    rig.revoke_cad();
    for (late_ms, refusal) in [(0, true), (11 * DAY_MS - 1, true), (11 * DAY_MS, false)] {
        for pools in [vec![bim()], vec![short.clone(), bim()]] {
            let mut offer = rig.offer(pools);
            offer.issued_at = NOW.plus(late_ms);
            let bundle = rig.answer(&offer);
            if refusal {
                let hash = rig.core.state_hash();
                assert_eq!(refused(rig.import(bundle)).code, Code::RevocationRollback, "{late_ms}");
                assert_eq!(rig.core.state_hash(), hash, "nothing changed");
            }
        }
    }
    let mut offer = rig.offer(vec![bim()]);
    offer.issued_at = NOW.plus(11 * DAY_MS);
    rig.take(&offer);
    rig.wait(11 * DAY_MS);
    assert_eq!(code(&rig.checkout(wish(1))), Code::NoGrant, "it would have ended by itself");
    rig.restart();
}

#[test]
fn the_pools_own_serial_revokes_too() {
    let mut rig = Rig::with(vec![cad(), bim()]);
    let mut offer = rig.offer(vec![bim()]);
    offer.revoked = vec![RevokedSerials::new(Kind::Pool, [cad().serial])];
    rig.take(&offer);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Revoked);
    let offer = rig.offer(vec![bim()]);
    let bundle = rig.answer(&offer);
    assert_eq!(refused(rig.import(bundle)).code, Code::RevocationRollback);
}

#[test]
fn a_grant_below_the_least_generation_is_revoked_and_the_least_generation_never_falls() {
    let mut rig = Rig::with(vec![cad()]);
    let mut offer = rig.offer(Vec::new());
    offer.min_grant_generation = 2;
    rig.take(&offer);
    assert_eq!(code(&rig.checkout(wish(1))), Code::Revoked);
    let mut offer = rig.offer(vec![bim()]);
    offer.min_grant_generation = 1;
    let bundle = rig.answer(&offer);
    assert_eq!(refused(rig.import(bundle)).code, Code::RevocationRollback);
    let mut rig = Rig::new();
    let mut offer = rig.offer(vec![cad()]);
    offer.min_grant_generation = 1;
    rig.take(&offer);
    let lower = rig.offer(vec![cad()]);
    let bundle = rig.answer(&lower);
    assert_eq!(refused(rig.import(bundle)).code, Code::RevocationRollback, "though nothing here is below it");
}

#[test]
fn a_grant_that_merely_left_is_not_revoked() {
    let mut rig = Rig::with(vec![cad(), bim()]);
    let lease = rig.seat(1).lease;
    rig.give(vec![bim()]);
    assert_eq!(code(&rig.checkout(wish(2))), Code::NoGrant);
    assert_eq!(code(&rig.renew(lease)), Code::Draining);
    assert_eq!(rig.leases()[0].state, LeaseState::Drain);
    let pools = rig.status().pools;
    let gone =
        pools.iter().find(|pool| pool.product == "cad").expect("a pool is shown as long as leases of it run");
    assert_eq!((gone.seats, gone.in_use, gone.draining), (Some(0), 1, 1));
    assert_eq!(gone.trust_state, TrustState::Unprovisioned);
    rig.give(vec![cad(), bim()]);
    assert_eq!(code(&rig.renew(lease)), Code::Allowed);
}
