//! Grants are taken back, and whoever looks sees it.

use serde_json::json;

use crate::rig::Issuer;

/// An issuer whose node `plant` was given 40 seats of a grant.
fn served() -> (Issuer, String) {
    let issuer = Issuer::sold(40);
    issuer.bundle(&issuer.request(50));
    let grant = issuer.json(&["grant", "list"])["grants"][0]["grant_id"].as_str().unwrap().to_owned();
    (issuer, grant)
}

#[test]
fn people_see_that_a_grant_is_or_will_be_revoked() {
    let (issuer, grant) = served();
    let show = ["grant", "show", &grant];
    assert!(issuer.words(&show).contains("active") && issuer.words(&["grant", "list"]).contains("STATE"));
    let scheduled =
        ["grant", "revoke", &grant, "--reason", "unpaid", "--effective-at", "2098-01-01T00:00:00Z"];
    issuer.json(&scheduled);
    for words in [issuer.words(&show), issuer.words(&["grant", "list"])] {
        assert!(words.contains("active, revoked from 2098-01-01T00:00:00Z"), "{words}");
    }
    issuer.json(&["grant", "revoke", &grant, "--reason", "fraud"]);
    for words in [issuer.words(&show), issuer.words(&["grant", "list"])] {
        assert!(words.contains("revoked") && !words.contains("active"), "{words}");
    }
}

#[test]
fn a_trial_says_who_would_be_affected() {
    let (issuer, grant) = served();
    let revoke = ["grant", "revoke", &grant, "--reason", "unpaid"];
    let tried = issuer.json(&[&revoke[..], &["--dry-run"]].concat());
    let done = issuer.json(&revoke);
    assert_eq!((&tried["dry_run"], &done["dry_run"]), (&json!(true), &json!(null)));
    assert_eq!(tried["exposure"], done["exposure"], "{tried}");
    let exposure = &done["exposure"][0];
    assert_eq!((&exposure["name"], &exposure["seats_at_risk"]), (&json!("plant"), &json!(40)));
}

#[test]
fn whoever_revokes_again_is_told_that_nothing_was_done() {
    let (issuer, grant) = served();
    let key = ["--idempotency-key", "000102030405060708090a0b0c0d0e0f"];
    let revoke = ["grant", "revoke", &grant, "--reason", "unpaid"];
    let first = issuer.json(&[&revoke[..], &key].concat());
    assert_eq!(first["already"], json!(null));
    assert_eq!(issuer.json(&[&revoke[..], &key].concat()), first, "the same request has the same answer");
    let again = ["grant", "revoke", &grant, "--reason", "fraud", "--effective-at", "2098-01-01T00:00:00Z"];
    let second = issuer.json(&again);
    assert_eq!((&second["already"], &second["revocation_id"]), (&json!(true), &first["revocation_id"]));
    let tried = issuer.json(&[&again[..], &["--dry-run"]].concat());
    assert_eq!((&tried["already"], &tried["dry_run"]), (&json!(true), &json!(true)));
    assert!(issuer.words(&again).starts_with("nothing to do, it is revoked already: grt_"));
}
