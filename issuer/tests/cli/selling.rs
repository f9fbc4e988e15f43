//! Accounts, grants and allocations, and how they are refused.

use std::process::Command;

use serde_json::json;

use crate::rig::{Issuer, text};

#[test]
fn refusals_have_the_exit_codes_of_the_table() {
    let issuer = Issuer::sold(40);
    issuer.json(&["account", "create", "--name", "TWIN"]);
    issuer.json(&["account", "create", "--name", "TWIN"]);
    let grant = |account: &'static str, rest: &[&'static str]| {
        let mut args = vec!["grant", "create", "--account", account, "--product", "CAD"];
        args.extend(rest);
        args
    };
    let year = ["--from", "2026-06-01T00:00:00Z", "--to", "2027-06-01T00:00:00Z"];
    let seats = |count: &'static str| [&["--seats", count][..], &year].concat();
    let table: Vec<(Vec<&str>, i32, &str)> = vec![
        (
            vec!["allocation", "create", "--pool", "CAD", "--node", "plant", "--seats", "61"],
            3,
            "ALLOCATION_EXCEEDS_POOL",
        ),
        (vec!["allocation", "create", "--pool", "CAD", "--node", "nowhere", "--seats", "1"], 66, "NOT_FOUND"),
        (vec!["product", "create", "--sku", "cad"], 73, "ALREADY_EXISTS"),
        (grant("TWIN", &seats("1")), 64, "AMBIGUOUS"),
        (grant("nobody", &seats("1")), 66, "NOT_FOUND"),
        (grant("ACME", &seats("0")), 64, "USAGE"),
        (grant("ACME", &seats("-5")), 64, "USAGE"),
        (grant("ACME", &seats("99999999999999")), 64, "USAGE"),
        (grant("ACME", &[&seats("1")[..], &["--feature", "vr"]].concat()), 66, "NOT_FOUND"),
        (
            grant("ACME", &["--seats", "1", "--from", "2026-06-01", "--to", "2027-06-01T00:00:00Z"]),
            64,
            "USAGE",
        ),
        (grant("ACME", &["--seats", "1", "--from", year[3], "--to", year[1]]), 65, "INVALID_REQUEST"),
        (
            grant("ACME", &["--seats", "1", "--from", "2001-01-01T00:00:00Z", "--to", year[3]]),
            65,
            "INVALID_REQUEST",
        ),
        (vec!["account", "create", "--name", ""], 65, "INVALID_REQUEST"),
        (vec!["account", "create", "--name", "A", "--idempotency-key", "12"], 64, "USAGE"),
        (
            vec!["account", "create", "--name", "A", "--accept-time", "2001-01-01T00:00:00Z"],
            4,
            "CLOCK_IMPLAUSIBLE",
        ),
        (vec!["node", "register", "--account", "ACME", "--name", "plant"], 73, "ALREADY_EXISTS"),
        (vec!["audit", "query", "--kind", "bogus"], 65, "INVALID_REQUEST"),
        (vec!["api-key", "create", "--name", "K", "--role", "king"], 64, "USAGE"),
        (vec!["account", "sing"], 64, "USAGE"),
        (vec!["init", "--kdf-cost", "99"], 64, "USAGE"),
        (vec!["inspect", "/nonexistent"], 66, "NOT_FOUND"),
    ];
    for (args, exit, code) in table {
        issuer.refused(&args, exit, code);
    }
    let records = issuer.json(&["audit", "verify"])["records"].as_u64().unwrap();
    assert_eq!(records, 8, "a refusal records nothing");
}

#[test]
fn too_many_seats_are_refused_with_how_many_are_free() {
    let issuer = Issuer::sold(40);
    let args = ["allocation", "create", "--pool", "CAD", "--node", "plant", "--seats", "61"];
    assert_eq!(issuer.refused(&args, 3, "ALLOCATION_EXCEEDS_POOL")["free"], 60);
}

#[test]
fn a_dry_run_changes_nothing() {
    let issuer = Issuer::sold(40);
    let (request, out) = (issuer.request(50), issuer.path("out.lh"));
    for command in [
        vec!["account", "create", "--name", "B"],
        vec!["node", "register", "--account", "ACME", "--name", "lab"],
        vec!["allocation", "create", "--pool", "CAD", "--node", "plant", "--seats", "1"],
        vec!["bundle", "create", "--request", text(&request), "--out", text(&out)],
    ] {
        let answer = issuer.json(&[command.as_slice(), &["--dry-run"]].concat());
        assert_eq!(answer["dry_run"], true, "{answer}");
    }
    assert!(!out.exists());
    assert_eq!(issuer.json(&["audit", "verify"])["records"], 6);
    let place = Issuer::place();
    place.json(&["init", "--dry-run"]);
    assert!(!place.data().exists());
}

#[test]
fn the_same_key_registers_a_node_once_and_shows_its_code_again() {
    let issuer = Issuer::sold(40);
    let key = ["--idempotency-key", "000102030405060708090a0b0c0d0e0f"];
    let register = [&["node", "register", "--account", "ACME", "--name", "lab"], &key[..]].concat();
    let first = issuer.json(&register);
    assert_eq!(issuer.json(&register), first);
    let other = [&["node", "register", "--account", "ACME", "--name", "den"], &key[..]].concat();
    issuer.refused(&other, 75, "IDEMPOTENCY_MISMATCH");
}

#[test]
fn dates_are_meant_where_the_account_is() {
    let issuer = Issuer::sold(1);
    issuer.json(&["account", "create", "--name", "Tokyo", "--timezone", "Asia/Tokyo"]);
    let dates = ["--product", "CAD", "--seats", "unlimited", "--from", "2026-06-01", "--to", "2027-06-01"];
    let grant = issuer.json(&[&["grant", "create", "--account", "Tokyo"], &dates[..]].concat());
    assert_eq!(grant["effective_from"], "2026-05-31T15:00:00.000Z");
    assert_eq!(grant["seats"], json!({"unlimited": true}));
    assert_eq!(grant["version"], 1);
    let zone = ["--timezone", "Europe/Berlin"];
    let grant = issuer.json(&[&["grant", "create", "--account", "Tokyo"], &dates[..], &zone[..]].concat());
    assert_eq!(grant["effective_to"], "2027-05-31T22:00:00.000Z");
    let id = grant["grant_id"].as_str().unwrap();
    assert_eq!(issuer.json(&["grant", "show", id])["pool_id"], grant["pool_id"]);
    let listed = issuer.json(&["grant", "list", "--account", "Tokyo"]);
    assert_eq!(listed["grants"].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_allocation_ends_on_a_date_where_it_is_meant() {
    let issuer = Issuer::sold(1);
    let until = ["allocation", "create", "--pool", "CAD", "--node", "plant", "--seats", "1", "--until"];
    let zone = ["2027-06-01", "--timezone", "Asia/Tokyo", "--movable"];
    let row = issuer.json(&[&until[..], &zone].concat());
    assert_eq!(row["not_after"], "2027-05-31T15:00:00.000Z");
    issuer.refused(&[&until[..], &["2027-06-01"]].concat(), 64, "USAGE");
}

#[test]
fn a_shrink_that_waits_is_seen_in_the_list() {
    let issuer = Issuer::sold(40);
    let waits = ["allocation", "create", "--pool", "CAD", "--node", "plant", "--seats", "20", "--movable"];
    let row = issuer.json(&waits);
    issuer.bundle(&issuer.request(50));
    let id = row["allocation_id"].as_str().unwrap();
    issuer.json(&["allocation", "shrink", id, "--seats", "5"]);
    let list = issuer.words(&["allocation", "list"]);
    assert!(list.contains("carried") && list.contains("shrinking to 5"), "{list}");
}

#[test]
fn the_next_step_is_the_one_of_the_nodes_class() {
    let issuer = Issuer::sold(1);
    let register = |name: &str, class: &str| {
        issuer.words(&["node", "register", "--account", "ACME", "--name", name, "--class", class])
    };
    let allocate =
        |node: &str| issuer.words(&["allocation", "create", "--pool", "CAD", "--node", node, "--seats", "1"]);
    for (name, class, next, then) in [
        (
            "lab",
            "online",
            "next: leasehold-node enroll --issuer https://HOST:PORT --join LH",
            "enroll --issuer",
        ),
        ("den", "air-gapped", "next: leasehold-node request --join LH", "bundle create --request"),
    ] {
        let registered = register(name, class);
        assert!(registered.to_uppercase().contains(&next.to_uppercase()), "{registered}");
        let allocated = allocate(name);
        assert!(allocated.contains(then), "{allocated}");
    }
}

#[test]
fn the_roles_are_named_in_the_help() {
    let help = Issuer::place().words(&["api-key", "create", "--help"]);
    for role in ["owner", "catalog_admin", "sales_ops", "support_agent", "customer_viewer"] {
        assert!(help.contains(role), "{role}: {help}");
    }
}

#[test]
fn people_read_sentences_and_the_next_step() {
    let issuer = Issuer::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_leasehold-issuer"));
    let output =
        command.arg("--data").arg(issuer.data()).args(["account", "create", "--name", "ACME"]).output();
    let shown = String::from_utf8(output.unwrap().stdout).unwrap();
    let (first, next) = shown.split_once('\n').unwrap();
    assert!(first.starts_with("made account acc_") && first.ends_with("(ACME)"), "{shown}");
    assert!(next.starts_with("next: leasehold-issuer grant create --account acc_"), "{shown}");
    let id = first.split(' ').nth(2).unwrap();
    assert!(next.contains(id), "the next step has its ids filled in: {shown}");
}
