//! A new identity while the service runs.

use leasehold_net::{CertificateFiles, ServerFiles, ServerKey};

use crate::rig::{Authority, PATIENT, Service, ask, key};

#[tokio::test]
async fn a_reload_holds_for_new_connections_only() {
    let authority = Authority::new();
    let service = Service::start(&ServerFiles::default(), PATIENT);
    let mut before = service.connect(&service.pinned(), None).await.unwrap();
    let next = key();
    let files = ServerFiles { certificate: Some(authority.certificate("localhost")), client_ca: None };
    service.tls.reload(&next, &files).unwrap();

    ask(&mut before, "/who").await;
    assert!(service.connect(&service.pinned(), None).await.is_err(), "the key of before is gone");
    let pin = ServerKey::Pinned([next.digest()].into());
    assert!(service.connect(&pin, None).await.is_ok());
    assert!(service.connect(&ServerKey::Authority(authority.file()), None).await.is_ok());
}

#[tokio::test]
async fn a_reload_that_fails_changes_nothing() {
    let service = Service::start(&ServerFiles::default(), PATIENT);
    let absent = CertificateFiles { chain: "/nowhere/chain.pem".into(), key: "/nowhere/key.pem".into() };
    let files = ServerFiles { certificate: Some(absent), client_ca: None };
    assert!(service.tls.reload(&key(), &files).is_err());
    assert!(service.connect(&service.pinned(), None).await.is_ok());
}
