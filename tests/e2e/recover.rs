//! Journals that are older than what was promised: restored with a word or without, and put right by what holders have.
//! At no time are more seats in use than were sold, but for what an unannounced restore gave before anybody could know.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::api::{ask, checkout, post};
use crate::programs::Done;
use crate::site::Site;
use crate::vendor::{PRODUCT, Vendor};

const SOLD: usize = 3;

#[test]
fn a_backup_that_is_restored_announces_itself_and_holders_go_on() {
    let site = Vendor::new().site_with("plant", 3);
    let daemon = site.run();
    let kept = seat(&site);
    let made = site.json(&["backup", &site.text("backup")]);
    assert_eq!(made["seq"], site.seq());
    let lost = seat(&site);
    let busy = site.node(&["restore", &site.text("backup")]);
    assert_eq!(busy.exit, 75, "beside a daemon: {busy:?}");
    daemon.stop();

    let would = site.json(&["restore", &site.text("backup"), "--dry-run"]);
    assert_eq!(would["result"], "would_restore");
    let before = site.seq();
    let restored = site.json(&["restore", &site.text("backup"), "--reason", "disk replaced"]);
    assert_eq!(restored["seq"], made["seq"]);
    let replaced = Path::new(restored["replaced"].as_str().unwrap()).join("journal");
    assert!(replaced.exists(), "nothing is deleted");
    assert!(site.seq() <= before);

    let daemon = site.run();
    check_recovering(&site);
    for held in [&kept, &lost] {
        let id = held["lease_id"].as_str().unwrap();
        let unknown = renew(&site, held, None);
        assert_eq!((unknown.0, unknown.1["code"].as_str()), (404, Some("TICKET_NEEDED")), "{id}");
        let adopted = renew(&site, held, Some(true));
        let same = ["lease_id", "epoch", "slot"].map(|field| (&adopted.1[field], &held[field]));
        assert!(adopted.0 == 200 && same.iter().all(|(now, then)| now == then), "{adopted:?}");
        assert_eq!(site.app(&["renew", id]).done()["decision"], "allow", "by its id from then on");
    }
    let status = site.json(&["pools"])["pools"][0].clone();
    assert_eq!((&status["in_use"], &status["quarantined"]), (&json!(SOLD), &json!(1)));
    attest(&site);
    // It is in the journal, not in memory.
    daemon.kill();
    let daemon = site.run();
    check_recovering(&site);
    assert_eq!(active(&site), 2);
    let again = site.json(&["recover", "--reason", "once more"]);
    assert_eq!(again["attested"], true);
    daemon.stop();
    assert_eq!(site.json(&["journal", "verify"])["verified"], true);
}

#[test]
fn a_journal_behind_its_mark_recovers_by_itself() {
    let site = Vendor::new().site_with("plant", 3);
    let daemon = site.run();
    seat(&site);
    daemon.kill();
    let backup = site.path("segments");
    copy(&site.data("journal"), &backup, |name| {
        Path::new(name).extension().is_some_and(|kind| kind == "seg")
    });
    let daemon = site.run();
    let lost = seat(&site);
    daemon.kill();
    copy(&backup, &site.data("journal"), |_| true);

    for args in [&["status"][..], &["request", "--out", &site.text("r.lh")]] {
        let refused = site.node(args);
        assert_eq!((refused.exit, refused.code().as_str()), (4, "JOURNAL_DAMAGED"), "{args:?}");
        assert!(refused.stderr.contains("run"), "the way out: {refused:?}");
    }
    let daemon = site.run();
    check_recovering(&site);
    assert_eq!(renew(&site, &lost, Some(true)).1["slot"], lost["slot"]);
    assert_eq!(active(&site), 1);
    daemon.stop();
    assert_eq!(site.json(&["journal", "verify"])["verified"], true, "it is whole again");
    site.run().stop();
    assert_eq!(site.json(&["status"])["trust_state"], "RECOVER");
}

#[test]
fn a_journal_that_was_set_back_with_its_mark_is_found_out_by_the_first_lost_ticket() {
    let site = Vendor::new().site_with("plant", 3);
    let daemon = site.run();
    seat(&site);
    daemon.kill();
    copy(&site.data("journal"), &site.path("copy"), |_| true);
    let daemon = site.run();
    let lost = seat(&site);
    daemon.kill();
    fs::remove_dir_all(site.data("journal")).unwrap();
    copy(&site.path("copy"), &site.data("journal"), |_| true);

    let daemon = site.run();
    assert_eq!(site.json(&["status"])["trust_state"], "FRESH", "nobody can know");
    let excess: Vec<Value> = (0..2).map(|_| seat(&site)).collect();
    let twice = excess.iter().filter(|seat| seat["slot"] == lost["slot"]).count();
    println!("used twice before the first lost ticket: {twice} of {SOLD} seats");
    let shown = renew(&site, &lost, Some(true));
    assert_eq!(shown.0, 200, "{shown:?}");
    check_recovering(&site);
    daemon.kill();
    let _daemon = site.run();
    check_recovering(&site);
    println!("full service at the earliest: {}", site.json(&["status"])["next_transition_at"]);
}

#[test]
fn a_node_whose_journal_is_gone_says_so() {
    let site = Vendor::new().site_with("plant", 3);
    fs::remove_dir_all(site.data("journal")).unwrap();
    for args in [&["run"][..], &["recover", "--reason", "it is gone"]] {
        let refused = site.node(args);
        assert_eq!((refused.exit, refused.code().as_str()), (4, "JOURNAL_DAMAGED"), "{args:?}");
        assert!(refused.stderr.contains("backup"), "{refused:?}");
    }
}

#[test]
fn a_spoilt_backup_changes_nothing() {
    let site = Vendor::new().site_with("plant", 3);
    site.json(&["backup", &site.text("backup")]);
    let mut bytes = fs::read(site.path("backup")).unwrap();
    // In the first file, behind its header.
    bytes[520] ^= 1;
    fs::write(site.path("spoilt"), bytes).unwrap();
    let before = site.seq();
    assert_ne!(site.node(&["restore", &site.text("spoilt")]).exit, 0);
    assert_eq!((site.seq(), site.json(&["status"])["trust_state"].as_str()), (before, Some("FRESH")));
    let twice = site.node(&["backup", &site.text("backup")]);
    assert_eq!(twice.exit, 73, "{twice:?}");
}

fn seat(site: &Site) -> Value {
    site.app(&["checkout", "--product", PRODUCT]).done()
}

/// No seat is given, and everybody is told why and until when.
#[track_caller]
fn check_recovering(site: &Site) {
    let status = site.json(&["status"]);
    assert_eq!(status["trust_state"], "RECOVER");
    let until = status["next_transition_at"].as_str().unwrap();
    let denied: Done = site.app(&["checkout", "--product", PRODUCT]);
    assert_eq!((denied.exit, denied.json()["code"].as_str()), (4, Some("RECOVERING")), "{denied:?}");
    assert!(denied.json()["retry_after_ms"].as_i64().is_some_and(|wait| wait > 0), "{denied:?}");
    assert!(status["trust_cause"].as_str().unwrap().contains(until), "{status}");
    let answer = ask(&site.socket(), &checkout("ann", 77)).unwrap();
    assert_eq!(answer.json().unwrap()["code"], "RECOVERING");
    let doctor = site.node(&["doctor"]);
    assert!(doctor.exit != 0 && format!("{doctor:?}").contains("recover --reason"), "{doctor:?}");
}

fn attest(site: &Site) {
    let without = site.node(&["recover"]);
    assert_eq!(without.exit, 64, "{without:?}");
    let would = site.json(&["recover", "--reason", "I looked", "--dry-run"]);
    assert_eq!((&would["result"], &would["attested"]), (&json!("would_recover"), &json!(false)));
    let attested = site.json(&["recover", "--reason", "I looked"]);
    assert_eq!((&attested["result"], &attested["attested"]), (&json!("recovering"), &json!(true)));
}

/// Leases whose holders are known.
fn active(site: &Site) -> usize {
    site.leases().iter().filter(|lease| lease["state"] == "ACTIVE").count()
}

/// A renewal without the ticket, or with it.
fn renew(site: &Site, seat: &Value, held: Option<bool>) -> (u16, Value) {
    let path = format!("/v1/leases/{}/renew", seat["lease_id"].as_str().unwrap());
    let body = held.map_or_else(|| json!({}), |held| json!({"ticket": seat["ticket"], "held": held}));
    let answer = ask(&site.socket(), &post(&path, body.to_string().as_bytes())).unwrap();
    let body = answer.json().unwrap();
    (answer.status, body)
}

fn copy(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if wanted(entry.file_name().to_str().unwrap()) {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
