//! Names are accepted wherever ids are, unless they fit several things.

use leasehold_issuer_core::{Command, ExternalId, NewAccount, NewGrant, NewNode, NodeClass};
use leasehold_protocol::artefact::Seats;
use leasehold_protocol::code::Code;

use crate::rig::{Rig, account, grant};

#[test]
fn an_id_and_a_name_stand_for_the_same_account() {
    let mut rig = Rig::new();
    let id = rig.account("ACME");
    rig.product("CAD", &[]);
    for account in [id.as_str(), "ACME"] {
        let new = NewGrant { account: account.to_owned(), ..grant(Seats::Value(1)) };
        rig.act(Command::CreateGrant(new)).unwrap();
    }
    assert_eq!(rig.issuer.account("ACME").unwrap().id.to_string(), id);
}

#[test]
fn what_another_system_calls_an_account_stands_for_it() {
    let mut rig = Rig::new();
    let external = |system: &str, id: &str| ExternalId { system: system.to_owned(), id: id.to_owned() };
    for (name, ids) in [
        ("ACME", [external("erp", "4821"), external("crm", "77")]),
        ("EMCA", [external("erp", "77"), external("crm", "EMCA")]),
    ] {
        let new = NewAccount { external: ids.to_vec(), ..account(name) };
        rig.act(Command::CreateAccount(new)).unwrap();
    }
    for (text, name) in
        [("erp:4821", "ACME"), ("4821", "ACME"), ("crm:77", "ACME"), ("erp:77", "EMCA"), ("EMCA", "EMCA")]
    {
        assert_eq!(rig.issuer.account(text).unwrap().name, name, "{text}");
    }
    for (text, code) in [("77", Code::Ambiguous), ("erp:78", Code::NotFound), ("crm:4821", Code::NotFound)] {
        assert_eq!(rig.issuer.account(text).unwrap_err().code, code, "{text}");
    }
}

#[test]
fn a_node_has_a_name_of_its_own_within_its_account() {
    let mut rig = Rig::with_pool(Seats::Value(5), 0, NodeClass::Online);
    rig.account("EMCA");
    let mut register = |account: &str, name: &str| {
        let issued = rig.issued_join();
        let (account, name) = (account.to_owned(), name.to_owned());
        let node = NewNode { account, name, site: None, class: NodeClass::Online };
        rig.act(Command::RegisterNode { node, issued }).map_err(|problem| problem.code)
    };
    assert_eq!(register("ACME", "plant"), Err(Code::AlreadyExists));
    assert!(register("ACME", "Plant").is_ok() && register("EMCA", "plant").is_ok());
}

#[test]
fn an_ambiguous_name_is_refused_with_the_candidates() {
    let mut rig = Rig::new();
    let ids = [rig.account("ACME"), rig.account("ACME")];
    rig.product("CAD", &[]);
    let refusal = rig.act(Command::CreateGrant(grant(Seats::Value(1)))).unwrap_err();
    assert_eq!(refusal.code, Code::Ambiguous);
    assert_eq!(refusal.extra["candidates"].as_array().unwrap().as_slice(), ids);
    let new = NewGrant { account: ids[1].clone(), ..grant(Seats::Value(1)) };
    rig.act(Command::CreateGrant(new)).unwrap();
}

#[test]
fn a_pool_goes_by_the_sku_of_its_product_while_there_is_one() {
    let mut rig = Rig::with_pool(Seats::Value(5), 0, NodeClass::Online);
    rig.allocate("plant", 1).unwrap();
    rig.act(Command::CreateGrant(grant(Seats::Value(5)))).unwrap();
    assert_eq!(rig.allocate("plant", 1).unwrap_err().code, Code::Ambiguous);
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut rig = Rig::with_pool(Seats::Value(5), 0, NodeClass::Online);
    assert_eq!(rig.allocate("nowhere", 1).unwrap_err().code, Code::NotFound);
    let unknown = "acc_00000000000000000000000001";
    let new = NewGrant { account: unknown.to_owned(), ..grant(Seats::Value(1)) };
    assert_eq!(rig.refused(Command::CreateGrant(new)), Code::NotFound);
    let mut child = account("CHILD");
    child.parent = Some("nobody".to_owned());
    assert_eq!(rig.refused(Command::CreateAccount(child)), Code::NotFound);
}
