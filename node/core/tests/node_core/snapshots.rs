//! A snapshot is the whole state: who begins with it goes on as if the journal had been replayed.

use leasehold_node_core::limits::SNAPSHOT_PART_ITEMS;
use leasehold_node_core::{Input, Reply};
use leasehold_node_core::{NodeCore, Principal, ReplyTo, RestoreError};
use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::canonical::CodecError;
use leasehold_protocol::ids::LeaseId;
use leasehold_tests::vendor::PoolOffer;
use proptest::prelude::*;

use crate::rig::{Rig, checkout_of, holder, restored, surrender, wish};

const USERS: [&str; 4] = ["ann", "bob", "cyn", "dan"];
const POOL_SEATS: u32 = 12;

/// What happens to a node.
#[derive(Clone, Debug)]
enum Step {
    Checkout { key: u8, user: usize, count: u32, elsewhere: bool, principal: u32 },
    Renew { nth: usize },
    Release { nth: usize },
    Wait { ms: i64 },
    Tick,
    Reboot { off_ms: i64 },
    Restart,
    Request,
    Give { seats: u32, both: bool },
    Surrender { count: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let checkout = (any::<u8>(), 0..USERS.len(), 1..4_u32, any::<bool>(), 1..3_u32);
    let checkout = checkout.prop_map(|(key, user, count, elsewhere, principal)| Step::Checkout {
        key,
        user,
        count,
        elsewhere,
        principal,
    });
    prop_oneof![
        8 => checkout,
        3 => (0..8_usize).prop_map(|nth| Step::Renew { nth }),
        2 => (0..8_usize).prop_map(|nth| Step::Release { nth }),
        3 => (1..900_000_i64).prop_map(|ms| Step::Wait { ms }),
        2 => Just(Step::Tick),
        1 => (0..9_000_000_i64).prop_map(|off_ms| Step::Reboot { off_ms }),
        2 => Just(Step::Restart),
        1 => Just(Step::Request),
        1 => (1..POOL_SEATS, any::<bool>()).prop_map(|(seats, both)| Step::Give { seats, both }),
        1 => (1..4_u32).prop_map(|count| Step::Surrender { count }),
    ]
}

impl Step {
    fn take(self, rig: &mut Rig, held: &mut Vec<LeaseId>) {
        let nth = |held: &[LeaseId], nth: usize| held.get(nth % held.len().max(1)).copied();
        match self {
            Self::Checkout { key, user, count, elsewhere, principal } => {
                let mut checkout = wish(key);
                checkout.key = IdempotencyKey([key; 16]);
                (checkout.holder, checkout.count) = (holder(USERS[user]), count);
                checkout.product = Some(if elsewhere { "cam" } else { "cad" }.to_owned());
                let input = match checkout_of(checkout) {
                    Input::Checkout { to, checkout, .. } => {
                        Input::Checkout { to, principal: Principal::Uid(principal), checkout }
                    }
                    other => other,
                };
                if let Reply::Seat(seat) = rig.ask(input) {
                    held.push(seat.lease);
                }
            }
            Self::Renew { nth: at } => {
                if let Some(lease) = nth(held, at) {
                    rig.ask(Input::Renew {
                        to: ReplyTo(0),
                        principal: Principal::Uid(1),
                        lease,
                        idle_ms: None,
                        shown: None,
                    });
                }
            }
            Self::Release { nth: at } => {
                if let Some(lease) = nth(held, at) {
                    rig.release(lease);
                }
            }
            Self::Wait { ms } => rig.wait(ms),
            Self::Tick => rig.tick(),
            Self::Reboot { off_ms } => rig.reboot(off_ms),
            Self::Restart => rig.restart(),
            Self::Request => drop(rig.request()),
            Self::Give { seats, both } => {
                let mut pools = vec![PoolOffer::new(1, "cad", seats)];
                pools.extend(both.then(|| PoolOffer::new(2, "cam", seats)));
                let offer = rig.offer(pools);
                let bundle = rig.answer(&offer);
                rig.import(bundle);
            }
            Self::Surrender { count } => drop(rig.ask(surrender(1, count))),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The rig compares, from each restart on, a core that was restored with one that replayed: their states, and all
    /// they answer and record.
    #[test]
    fn whatever_happened_a_restored_core_goes_on_as_one_that_replayed(steps in prop::collection::vec(step(), 1..60)) {
        let mut rig = Rig::with(vec![PoolOffer::new(1, "cad", POOL_SEATS), PoolOffer::new(2, "cam", 3)]);
        let mut held = Vec::new();
        rig.restart();
        for step in steps {
            step.take(&mut rig, &mut held);
        }
        rig.restart();
    }
}

#[test]
fn lists_end_where_they_end_however_long_they_are() {
    let count = u32::try_from(SNAPSHOT_PART_ITEMS).unwrap();
    for leases in [0, 1, count - 1, count, count + 1] {
        let mut rig = Rig::with_seats(count + 1);
        for lease in 0..leases {
            let mut checkout = wish(0);
            checkout.key = IdempotencyKey(u128::from(lease).to_be_bytes());
            checkout.holder = holder(&format!("user{lease}"));
            rig.checkout(checkout);
        }
        assert_eq!(rig.leases().len(), leases as usize);
        assert_eq!(restored(&rig.core).state_hash(), rig.core.state_hash(), "{leases}");
    }
}

#[test]
fn the_state_before_everything_has_a_snapshot_too() {
    assert_eq!(restored(&NodeCore::new()).state_hash(), NodeCore::new().state_hash());
}

#[test]
fn parts_that_are_not_whole_are_refused() {
    let mut rig = Rig::with_seats(3);
    rig.seat(1);
    let parts: Vec<Vec<u8>> = rig.core.snapshot().collect();
    let check = |parts: &[Vec<u8>], expected: RestoreError| {
        let parts = parts.iter().cloned().map(Ok::<_, RestoreError>);
        assert_eq!(NodeCore::restore(parts).map(drop), Err(expected));
    };
    for kept in 0..parts.len() {
        check(&parts[..kept], RestoreError::Cut);
    }
    let more = [&parts[..], &[Vec::new()]].concat();
    check(&more, RestoreError::Excess);
    for at in 0..parts.len() {
        let mut longer = parts.clone();
        longer[at].push(0);
        check(&longer, RestoreError::Malformed(CodecError::TrailingBytes));
    }
}

#[test]
fn no_artefact_of_a_snapshot_is_believed_unverified() {
    let rig = Rig::with_seats(3);
    let parts: Vec<Vec<u8>> = rig.core.snapshot().collect();
    let (mut refused, mut taken) = (0, 0);
    // Each one takes the verification of a whole bundle: not every byte, but of each artefact some. The last byte only
    // foresees how many leases follow.
    for at in (0..parts[0].len() - 1).step_by(5) {
        let mut changed = parts.clone();
        changed[0][at] ^= 1;
        match NodeCore::restore(changed.into_iter().map(Ok::<_, RestoreError>)) {
            Ok(other) => {
                assert_ne!(other.state_hash(), rig.core.state_hash(), "byte {at}");
                taken += 1;
            }
            Err(_) => refused += 1,
        }
    }
    // What is taken are numbers of the node's own; the hash of the file stands for these.
    assert!(refused > 8 * taken, "{refused} refused, {taken} taken");
}
