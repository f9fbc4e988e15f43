//! Keys of the service: who holds one, for which accounts, and when it opens nothing any more.

use leasehold_issuer_core::{ApiKeyState, Command, IssuedSecret, NewApiKey, Role, limits};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;

use crate::rig::Rig;

fn secret(number: usize) -> IssuedSecret {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&(number as u64).to_be_bytes());
    IssuedSecret { nonce: [7; 16], digest: Digest(digest) }
}

fn create(name: &str, role: Role, account: Option<&str>, number: usize) -> Command {
    let key = NewApiKey { name: name.to_owned(), role, account: account.map(str::to_owned) };
    Command::CreateApiKey { key, secret: secret(number) }
}

#[test]
fn a_key_opens_with_its_last_secret_until_it_is_disabled() {
    let mut rig = Rig::new();
    rig.act(create("ops", Role::Owner, None, 1)).unwrap();
    let opens = |rig: &Rig, number| rig.issuer.api_key_of(secret(number).digest).is_some();
    assert!(opens(&rig, 1));
    let rotate = |version, number| {
        let key = "ops".to_owned();
        Command::RotateApiKey { key, version, secret: secret(number) }
    };
    rig.act(rotate(Some(1), 2)).unwrap();
    assert!(!opens(&rig, 1) && opens(&rig, 2));
    assert_eq!(rig.act(rotate(Some(1), 3)).unwrap_err().code, Code::PreconditionFailed);
    rig.act(rotate(None, 3)).unwrap();
    rig.act(Command::DisableApiKey { key: "ops".to_owned(), version: Some(3) }).unwrap();
    assert!(!opens(&rig, 3));
    let key = rig.issuer.api_key("ops").unwrap();
    assert_eq!((key.version, key.state), (4, ApiKeyState::Disabled));
    assert_eq!(rig.act(rotate(None, 4)).unwrap_err().code, Code::Conflict);
    rig.check_replay();
}

#[test]
fn customers_and_resellers_have_an_account_and_others_have_none() {
    let mut rig = Rig::new();
    rig.account("ACME");
    for (number, role) in Role::ALL.into_iter().enumerate() {
        for account in [None, Some("ACME")] {
            let fits = account.is_some() == role.is_of_account();
            let number = 2 * number + usize::from(account.is_some());
            let made = rig.act(create(role.name(), role, account, number));
            assert_eq!(made.is_ok(), fits, "{role:?} {account:?}");
        }
    }
    let nowhere = create("x", Role::Reseller, Some("nobody"), 100);
    assert_eq!(rig.act(nowhere).unwrap_err().code, Code::NotFound);
}

#[test]
fn two_keys_never_share_a_secret() {
    let mut rig = Rig::new();
    rig.act(create("a", Role::Owner, None, 1)).unwrap();
    assert_eq!(rig.act(create("b", Role::Owner, None, 1)).unwrap_err().code, Code::Internal);
    assert_eq!(rig.issuer.api_keys().count(), 1);
    rig.check_replay();
}

#[test]
fn there_are_so_many_keys() {
    let mut rig = Rig::new();
    for number in 1..=limits::API_KEYS + 1 {
        let made = rig.act(create("k", Role::Owner, None, number)).map_err(|problem| problem.code);
        assert_eq!(made.err(), (number > limits::API_KEYS).then_some(Code::LimitExceeded), "{number}");
    }
}
