//! What a node says of its own health: to people who look for a fault, and to monitoring systems.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::rig::Rig;

#[test]
fn a_sound_node_is_found_sound_with_and_without_its_daemon() {
    let rig = Rig::provisioned(1);
    let down = Findings::of(&rig, 0);
    for check in ["configuration", "directories", "keys", "journal", "disk", "socket", "trust", "issuer"] {
        assert_eq!(down.verdict(check), "ok", "{down:?}");
    }
    assert_eq!(down.verdict("daemon"), "warning", "nobody serves: {down:?}");
    let daemon = rig.run(&[]);
    let up = Findings::of(&rig, 0);
    for check in ["daemon", "journal", "socket", "trust"] {
        assert_eq!(up.verdict(check), "ok", "{up:?}");
    }
    let people = rig.node(&["doctor"]);
    assert!(people.stdout.contains("[ok] daemon: it runs and answers\n"), "{people:?}");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(), Some(0));
}

#[test]
fn what_is_wrong_is_named_with_what_to_do() {
    let rig = Rig::initialised();
    let unprovisioned = Findings::of(&rig, 4);
    assert_eq!(unprovisioned.code("trust"), "NODE_UNPROVISIONED");
    for way in ["enroll --issuer URL --join CODE", "request --out request.lh --join CODE"] {
        assert!(unprovisioned.hint("trust").contains(way), "{unprovisioned:?}");
        assert!(rig.node(&["status"]).stdout.contains(way));
    }

    fs::write(rig.path("node.toml"), "sokcet = \"/s\"").unwrap();
    let misconfigured = Findings::of(&rig, 78);
    assert_eq!(misconfigured.hint("configuration"), "did you mean `socket`?");
    assert_eq!(misconfigured.verdict("journal"), "ok", "one fault does not hide the rest");
    fs::write(rig.path("node.toml"), "").unwrap();

    fs::set_permissions(rig.data(""), fs::Permissions::from_mode(0o750)).unwrap();
    let open = Findings::of(&rig, 4);
    assert_eq!(open.verdict("directories"), "warning");
    assert!(open.hint("directories").starts_with("chmod 700 "), "{open:?}");
    fs::set_permissions(rig.data(""), fs::Permissions::from_mode(0o700)).unwrap();

    fs::set_permissions(rig.data("keys/tls.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = Findings::of(&rig, 78);
    assert!(exposed.hint("keys").starts_with("chmod 600 "), "{exposed:?}");
}

#[test]
fn the_socket_that_the_daemon_was_started_with_is_looked_at() {
    let rig = Rig::provisioned(1);
    let socket = rig.text("elsewhere.sock");
    let daemon = rig.run(&["--socket", &socket]);
    let found = Findings::of(&rig, 0);
    assert_eq!((found.verdict("socket"), daemon.socket.to_str()), ("ok", Some(socket.as_str())), "{found:?}");
    assert!(found.detail("socket").contains(&socket), "{found:?}");
}

#[test]
fn damage_of_the_journal_is_found() {
    let rig = Rig::provisioned(1);
    let segments = fs::read_dir(rig.data("journal")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segments.filter(|path| path.extension().is_some_and(|e| e == "seg")).min().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[130] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let damaged = Findings::of(&rig, 6);
    assert_eq!(damaged.code("journal"), "JOURNAL_UNVERIFIED");
    assert!(damaged.detail("journal").contains("record "), "{damaged:?}");
}

#[test]
fn a_daemon_without_its_socket_is_found_by_its_lock() {
    let rig = Rig::provisioned(1);
    let daemon = rig.run(&[]);
    fs::remove_file(&daemon.admin).unwrap();
    let silent = Findings::of(&rig, 75);
    assert_eq!(silent.code("daemon"), "BUSY");
    assert!(silent.detail("daemon").contains(&format!("process {}", daemon.id())), "{silent:?}");
    assert_eq!(silent.verdict("journal"), "ok", "what is durable for certain is looked at all the same");
}

#[test]
fn a_directory_without_a_node_is_no_reason_to_fall() {
    let rig = Rig::new();
    let nothing = Findings::of(&rig, 66);
    assert_eq!(nothing.verdict("directories"), "failure");
    assert!(!rig.data("").exists());
}

#[test]
fn monitoring_plugins_get_their_codes() {
    let rig = Rig::initialised();
    let (exit, line) = health(&rig);
    assert_eq!((exit, line.starts_with("LEASEHOLD CRITICAL: no daemon runs on ")), (2, true), "{line}");
    let daemon = rig.run(&[]);
    assert_eq!(health(&rig), (2, "LEASEHOLD CRITICAL: the node has no bundle yet\n".to_owned()));
    fs::write(rig.path("bundle.lh"), rig.new_bundle(1, 3)).unwrap();
    rig.json(&["import", &rig.text("bundle.lh")]);
    let pool = rig.json(&["pools"])["pools"][0]["pool_id"].as_str().unwrap().to_owned();
    let holder = r#"{"user": "ann", "host": "cad1"}"#;
    let body = format!(r#"{{"product": "cad", "count": 1, "holder": {holder}, "key": "{:032x}"}}"#, 1);
    assert_eq!(daemon.post("/v1/leases", &body).status, 200);
    assert_eq!(health(&rig), (0, format!("LEASEHOLD OK: 1 of 3 seats of cad in use | '{pool}'=1;;;0;3\n")));
    let document = rig.json(&["healthcheck"]);
    assert_eq!((&document["state"], &document["pools"][0]["in_use"]), (&"OK".into(), &1.into()));
    fs::write(rig.path("node.toml"), "bad = 1").unwrap();
    let (exit, line) = health(&rig);
    assert_eq!((exit, line.starts_with("LEASEHOLD UNKNOWN: ")), (3, true), "{line}");
}

#[test]
fn a_configuration_is_validated_before_it_is_used() {
    let rig = Rig::new();
    fs::write(rig.path("node.toml"), "socket = \"/run/x.sock\"\n").unwrap();
    let valid = rig.json(&["validate"]);
    assert_eq!((&valid["valid"], &valid["socket"]), (&true.into(), &"/run/x.sock".into()));
    let people = rig.node(&["validate"]);
    assert!(people.stdout.contains("unix:/run/x.sock"), "{people:?}");
    fs::write(rig.path("node.toml"), "listen = \"127.0.0.1:0\"\n").unwrap();
    assert_eq!(rig.json(&["validate"])["listen"], serde_json::json!(["127.0.0.1:0"]));
    assert!(rig.node(&["validate"]).stdout.contains("https://127.0.0.1:0"));
    let no_ca = "[tls]\nclient_ca = \"/nope.pem\"".to_owned();
    let no_certificate = "[tls]\ncertificate = \"/nope.pem\"\nkey = \"/nope.pem\"".to_owned();
    for text in [no_ca, no_certificate] {
        fs::write(rig.path("node.toml"), text).unwrap();
        let done = rig.node(&["validate"]);
        assert!(done.exit == 78 && done.stderr.contains("/nope.pem"), "{done:?}");
    }
    let long = format!("socket = \"/{}\"", "s".repeat(107));
    for (text, hint) in [("sokcet = \"/s\"", "did you mean `socket`?"), (&long, "choose a shorter")] {
        fs::write(rig.path("node.toml"), text).unwrap();
        let done = rig.node(&["validate"]);
        assert!(done.exit == 78 && done.stderr.contains(hint), "{done:?}");
    }
    assert!(!rig.data("").exists());
}

#[test]
fn an_open_address_is_held_against_the_keys_of_the_state() {
    let rig = Rig::new();
    fs::write(rig.path("node.toml"), "listen = [\"0.0.0.0:0\"]\n").unwrap();
    assert_eq!(rig.json(&["validate"])["needs_key"], "0.0.0.0:0");
    assert!(rig.node(&["validate"]).stdout.contains("only once it has a key"));
    assert_eq!(rig.node(&["init", "--trust", &rig.text("trust-root.lh")]).exit, 0);
    assert_eq!(rig.node(&["validate"]).exit, 78);
    assert_eq!(Findings::of(&rig, 78).code("configuration"), "CONFIG_INVALID");
    rig.json(&["key", "add", "--name", "ann"]);
    assert_eq!(rig.json(&["validate"])["needs_key"], serde_json::json!(null));
}

fn health(rig: &Rig) -> (i32, String) {
    let done = rig.node(&["healthcheck"]);
    (done.exit, done.stdout)
}

#[derive(Debug)]
struct Findings(Value);

impl Findings {
    fn of(rig: &Rig, exit: i32) -> Self {
        let done = rig.node(&["doctor", "--json"]);
        assert_eq!(done.exit, exit, "{done:?}");
        let findings = Self(serde_json::from_str(&done.stdout).unwrap());
        for check in findings.0["checks"].as_array().unwrap() {
            assert_eq!(check["hint"].is_string(), check["verdict"] != "ok", "a fault has a way out: {check}");
        }
        findings
    }

    fn find(&self, check: &str) -> &Value {
        let checks = self.0["checks"].as_array().unwrap();
        checks.iter().find(|found| found["check"] == check).unwrap_or_else(|| panic!("{check}: {self:?}"))
    }

    fn verdict(&self, check: &str) -> &str {
        self.find(check)["verdict"].as_str().unwrap()
    }

    fn code(&self, check: &str) -> &str {
        self.find(check)["code"].as_str().unwrap_or_default()
    }

    fn detail(&self, check: &str) -> &str {
        self.find(check)["detail"].as_str().unwrap()
    }

    fn hint(&self, check: &str) -> &str {
        self.find(check)["hint"].as_str().unwrap()
    }
}
