//! Accounts, products and grants: what can be sold, and what is refused.

use leasehold_issuer_core::{Command, ExternalId, NewAccount, NewAllocation, NewGrant, NodeClass, What};
use leasehold_protocol::artefact::{AllocationKind, Artefact as _, Seats};
use leasehold_protocol::code::Code;

use crate::rig::{DAY_MS, Rig, START, account, allocation, grant, product};

#[test]
fn nothing_is_sold_before_the_issuer_is_initialised() {
    let mut rig = Rig::empty();
    assert_eq!(rig.refused(Command::CreateAccount(account("ACME"))), Code::NotInitialised);
}

#[test]
fn an_issuer_is_initialised_once_and_with_a_root_that_verifies() {
    let mut rig = Rig::empty();
    let root = rig.root_envelope();
    let mut broken = root.clone();
    *broken.last_mut().unwrap() ^= 1;
    assert!(rig.act(Command::Initialise { root: broken }).is_err());
    rig.act(Command::Initialise { root: root.clone() }).unwrap();
    assert_eq!(rig.refused(Command::Initialise { root }), Code::AlreadyExists);
}

#[test]
fn every_fact_says_who_when_and_why_and_time_never_stands_still() {
    let mut rig = Rig::new();
    let mut cause = crate::rig::cause();
    cause.reason = Some("order 4711".to_owned());
    let first = rig.act_for(cause, Command::CreateAccount(account("A"))).unwrap();
    let second = rig.act(Command::CreateAccount(account("B"))).unwrap();
    let (first, second) = (&rig.fact(first).meta, &rig.fact(second).meta);
    assert_eq!((first.actor.as_str(), first.reason.as_deref()), ("jane", Some("order 4711")));
    assert_eq!(second.recorded_at.since(first.recorded_at), 1);
    assert_ne!(first.correlation, second.correlation);
}

#[test]
fn a_grant_and_its_pool_are_artefacts_that_verifiers_accept() {
    let mut rig = Rig::with_pool(Seats::Value(100), 5, NodeClass::Online);
    let new = NewGrant { features: vec!["sim".to_owned()], ..grant(Seats::Value(3)) };
    let seq = rig.act(Command::CreateGrant(new)).unwrap();
    let What::GrantCreated(sold) = &rig.fact(seq).what else { panic!("a grant is made") };
    assert_eq!((sold.grant.check(), sold.pool.check()), (Ok(()), Ok(())));
    assert_eq!(sold.grant.features, ["sim"]);
    assert_eq!(sold.pool.grant, sold.grant.issue.id);
    assert_eq!(sold.grant.issue.serial & 0xFF, 2, "serials are dense within the account");
}

#[test]
fn features_that_the_product_lacks_are_refused_by_name() {
    let mut rig = Rig::with_pool(Seats::Value(1), 0, NodeClass::Online);
    let features = vec!["sim".to_owned(), "vr".to_owned()];
    let refusal = rig.act(Command::CreateGrant(NewGrant { features, ..grant(Seats::Value(1)) })).unwrap_err();
    assert_eq!((refusal.code, &refusal.extra["feature"]), (Code::NotFound, &"vr".into()));
}

#[test]
fn two_spellings_of_a_sku_are_one_product() {
    let mut rig = Rig::with_pool(Seats::Value(1), 0, NodeClass::Online);
    rig.product("Analytics-Pro", &[]);
    for sku in ["analytics_pro", "ANALYTICS PRO", "analytics.pro"] {
        assert_eq!(rig.refused(Command::CreateProduct(product(sku, &[]))), Code::AlreadyExists);
        let new = NewGrant { product: sku.to_owned(), ..grant(Seats::Value(1)) };
        rig.act(Command::CreateGrant(new)).unwrap();
    }
}

#[test]
fn ids_of_other_systems_belong_to_one_account() {
    let external = vec![ExternalId { system: "crm".to_owned(), id: "4711".to_owned() }];
    let mut rig = Rig::new();
    rig.act(Command::CreateAccount(NewAccount { external: external.clone(), ..account("A") })).unwrap();
    assert_eq!(
        rig.refused(Command::CreateAccount(NewAccount { external, ..account("B") })),
        Code::AlreadyExists
    );
}

#[test]
fn a_grant_may_lie_in_the_past_and_is_allocated_all_the_same() {
    let mut rig = Rig::with_pool(Seats::Value(5), 0, NodeClass::Online);
    rig.product("OLD", &[]);
    let (not_before, not_after) = (START.plus(-90 * DAY_MS), START.plus(-60 * DAY_MS));
    let new = NewGrant {
        product: "OLD".to_owned(),
        not_before,
        not_after,
        grace_ms: DAY_MS,
        ..grant(Seats::Value(5))
    };
    rig.act(Command::CreateGrant(new)).unwrap();
    let row = rig.allocate_as(NewAllocation { pool: "OLD".to_owned(), ..allocation(5) }).unwrap();
    assert_eq!(row.not_after, not_after.plus(2 * DAY_MS), "the grant's end, its grace and a day");
}

#[test]
fn the_end_of_an_allocation_is_cut_to_what_the_grant_allows() {
    let mut rig = Rig::with_pool(Seats::Value(50), 0, NodeClass::Online);
    let cap = START.plus(366 * DAY_MS);
    let end = |rig: &mut Rig, kind, until_days: Option<i64>| {
        let until = until_days.map(|days| START.plus(days * DAY_MS));
        rig.allocate_as(NewAllocation { kind, until, ..allocation(1) }).unwrap().not_after
    };
    assert_eq!(end(&mut rig, AllocationKind::Base, None), cap);
    assert_eq!(end(&mut rig, AllocationKind::Base, Some(5000)), cap);
    assert_eq!(end(&mut rig, AllocationKind::Base, Some(30)), START.plus(30 * DAY_MS));
    assert_eq!(end(&mut rig, AllocationKind::Elastic, Some(3)), START.plus(3 * DAY_MS));
    assert!(end(&mut rig, AllocationKind::Elastic, Some(30)) < START.plus(8 * DAY_MS));
    let ended = NewAllocation { until: Some(START), ..allocation(1) };
    assert_eq!(rig.allocate_as(ended).unwrap_err().code, Code::InvalidRequest);
}

#[test]
fn seats_are_allocated_to_nodes_of_their_account_only() {
    let mut rig = Rig::with_pool(Seats::Value(5), 0, NodeClass::Online);
    rig.account("OTHER");
    let issued = rig.issued_join();
    let node = leasehold_issuer_core::NewNode {
        account: "OTHER".to_owned(),
        name: "foreign".to_owned(),
        site: None,
        class: NodeClass::Online,
    };
    let seq = rig.act(Command::RegisterNode { node, issued }).unwrap();
    let What::NodeRegistered(node) = &rig.fact(seq).what else { panic!("a node is made") };
    let id = node.id.to_string();
    assert_eq!(rig.allocate(&id, 1).unwrap_err().code, Code::InvalidRequest);
    assert_eq!(rig.allocate("foreign", 1).unwrap_err().code, Code::NotFound);
}
