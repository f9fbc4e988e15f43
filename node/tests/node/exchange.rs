//! Contact with the issuer: it brings what is new, and takes nothing away when it is down, slow or lying.

use std::io::{BufRead as _, BufReader, PipeReader};
use std::process::Stdio;

use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde_json::{Value, json};

use crate::issuer::{Manner, TestIssuer};
use crate::rig::{Daemon, Rig, ask, post};
use crate::vendor::{Vendor, Word};

const FIRST: Manner = Manner::Honest { version: 1, seats: 2 };

#[test]
fn a_node_enrols_and_follows_what_changes() {
    let (issuer, rig) = enrolled(FIRST);
    let (daemon, mut log) = run(&rig);
    wait_for(&mut log, "issuer.reached", None);
    assert_eq!(seats(&rig), 2);
    assert_eq!(issuer.asked().1, 1, "nothing was new");
    issuer.be(Manner::Honest { version: 2, seats: 5 });
    wait_for(&mut log, "bundle.applied", None);
    assert_eq!(seats(&rig), 5);
    let status = rig.json(&["status"]);
    assert_eq!(
        (&status["issuer"]["url"], &status["issuer"]["reachable"]),
        (&json!(issuer.url), &json!(true))
    );
    drop(daemon);
}

#[test]
fn an_issuer_that_wants_to_see_is_shown_what_the_node_stands_on_at_once() {
    let (issuer, rig) = enrolled(FIRST);
    let (daemon, mut log) = run(&rig);
    wait_for(&mut log, "issuer.reached", None);
    issuer.be(Manner::Curious { version: 2, seats: 5 });
    wait_for(&mut log, "bundle.applied", None);
    assert_eq!(seats(&rig), 5);
    let sent = issuer.sent();
    let presented: Vec<usize> = sent[sent.len() - 2..]
        .iter()
        .map(|request| rig.vendor.opened(request).presented.map_or(0, |shown| shown.len()))
        .collect();
    assert_eq!(presented, [0, 4], "certificate, grant, pool and row");
    drop(daemon);
}

#[test]
fn an_issuer_that_contradicts_begins_a_fork_or_recover() {
    let forked = |report_seq: u64| {
        let problem =
            Problem::new(Code::NodeForked, "something else", "recover").with("report_seq", report_seq);
        Manner::Refusing { version: 2, problem }
    };
    for (report_seq, event, state) in [(1, "node.forked", "FORKED"), (99, "recover.entered", "RECOVER")] {
        let (issuer, rig) = enrolled(FIRST);
        let (daemon, mut log) = run(&rig);
        wait_for(&mut log, "issuer.reached", None);
        issuer.be(forked(report_seq));
        wait_for(&mut log, event, None);
        let status = rig.json(&["status"]);
        assert_eq!(status["trust_state"], state);
        assert!(status["trust_cause"].as_str().unwrap().contains("recover --reason"), "{status}");
        let body = json!({"product": "cad", "count": 1, "features": [], "key": "1".repeat(32),
            "holder": {"user": "ann", "host": "pc"}});
        let decided = daemon.post("/v1/leases", &body.to_string()).json();
        assert_eq!(decided["decision"] == "allow", state == "FORKED", "{decided}");
        drop(daemon);
    }
}

#[test]
fn nothing_is_sent_to_an_issuer_with_another_key() {
    let rig = Rig::initialised();
    let issuer = TestIssuer::start(&rig.vendor, FIRST);
    let mut join: leasehold_protocol::join_code::JoinCode = issuer.join.parse().unwrap();
    join.issuer_key.0[0] ^= 1;
    let done = rig.node(&["enroll", "--issuer", &issuer.url, "--join", &join.to_string()]);
    assert_eq!(done.exit, 6, "{done:?}");
    assert_eq!(issuer.asked(), (0, 0));
    let done = rig.node(&["enroll", "--issuer", &issuer.url, "--join", &issuer.join]);
    assert_eq!(done.exit, 0, "the same node enrols afterwards: {done:?}");
}

#[test]
fn an_address_that_is_none_and_an_issuer_that_is_not_there_are_told_apart() {
    let rig = Rig::initialised();
    let issuer = TestIssuer::start(&rig.vendor, FIRST);
    for (url, exit) in [("http://127.0.0.1:1", 64), ("unix:/run/x", 64), ("https://127.0.0.1:1", 5)] {
        let done = rig.node(&["enroll", "--issuer", url, "--join", &issuer.join]);
        assert_eq!(done.exit, exit, "{url}: {done:?}");
    }
}

#[test]
fn a_liar_changes_nothing_and_each_lie_has_its_code() {
    let (issuer, rig) = enrolled(Manner::Honest { version: 5, seats: 2 });
    let (daemon, mut log) = run(&rig);
    wait_for(&mut log, "issuer.reached", None);
    let lies = [
        (Manner::Head(rig.vendor.signed_head(Word::of_now(4))), "BUNDLE_ROLLBACK"),
        (Manner::Head(b"garbage".to_vec()), "MALFORMED"),
        (Manner::Head(Vendor::of_another_realm().signed_head(Word::of_now(9))), "BAD_SIGNATURE"),
        (Manner::Status(500), "UNREACHABLE"),
    ];
    let before = rig.json(&["pools"]);
    for (lie, code) in lies {
        issuer.be(lie);
        wait_for(&mut log, "issuer.failed", Some(code));
        assert_eq!(rig.json(&["pools"])["pools"][0]["seats"], before["pools"][0]["seats"], "{code}");
    }
    // Enrolment, and one question whether there is a new root with the key that nobody knew.
    assert_eq!(issuer.asked().1, 2);
    assert_eq!(rig.json(&["status"])["issuer"]["reachable"], false);
    let body = json!({"product": "cad", "count": 1, "features": [], "key": "0".repeat(32),
        "holder": {"user": "ann", "host": "pc"}});
    assert_eq!(daemon.post("/v1/leases", &body.to_string()).json()["decision"], "allow");
    issuer.be(Manner::Honest { version: 6, seats: 3 });
    wait_for(&mut log, "bundle.applied", None);
    assert_eq!(seats(&rig), 3);
}

#[test]
fn a_head_that_is_older_than_the_nodes_own_is_no_news_unless_it_is_truly_old() {
    let (issuer, rig) = enrolled(Manner::Apart { polled: 4, seats: 2 });
    let (daemon, mut log) = run(&rig);
    wait_for(&mut log, "issuer.reached", None);
    issuer.be(Manner::Apart { polled: 6, seats: 3 });
    wait_for(&mut log, "bundle.applied", None);
    assert_eq!(rig.json(&["status"])["issuer"]["reachable"], true);
    assert_eq!(issuer.asked().1, 2, "an older head asks for no exchange");
    issuer.be(Manner::Head(rig.vendor.signed_head(Word { version: 6, hours_old: 12, fresh_hours: 6 })));
    wait_for(&mut log, "issuer.failed", Some("BUNDLE_ROLLBACK"));
    assert_eq!(seats(&rig), 3);
    drop(daemon);
}

#[test]
fn a_request_without_an_answer_is_sent_again_as_it_is() {
    let (issuer, rig) = enrolled(FIRST);
    issuer.be(Manner::Failing { version: 2 });
    let (daemon, mut log) = run(&rig);
    wait_for(&mut log, "issuer.failed", Some("UNREACHABLE"));
    while issuer.asked().1 < 3 {
        rig.json(&["status"]);
    }
    let sent = issuer.sent();
    assert_eq!(sent[1], sent[2]);
    issuer.be(Manner::Honest { version: 2, seats: 5 });
    wait_for(&mut log, "bundle.applied", None);
    issuer.be(Manner::Honest { version: 3, seats: 6 });
    wait_for(&mut log, "bundle.applied", None);
    assert_ne!(issuer.sent().last(), sent.last(), "the next one is another");
    drop(daemon);
}

#[test]
fn no_request_is_made_for_an_issuer_that_is_not_there() {
    let (issuer, rig) = enrolled(FIRST);
    let pool = rig.json(&["pools"])["pools"][0]["pool_id"].as_str().unwrap().to_owned();
    let out = rig.path("back.txt");
    rig.json(&["surrender", "--pool", &pool, "--seats", "1", "--out", out.to_str().unwrap()]);
    let written = |rig: &Rig| rig.json(&["status"])["journal"]["seq"].as_u64().unwrap();
    let before = written(&rig);
    drop(issuer);
    let (daemon, mut log) = run(&rig);
    wait_for(&mut log, "issuer.failed", Some("UNREACHABLE"));
    assert_eq!(written(&rig), before + 1, "on which machine it runs, and nothing else");
    drop(daemon);
}

#[test]
fn a_silent_issuer_holds_up_neither_seats_nor_the_end() {
    let (issuer, rig) = enrolled(FIRST);
    issuer.be(Manner::Silent);
    let (daemon, _log) = run(&rig);
    let body = json!({"product": "cad", "count": 1, "features": [], "key": "1".repeat(32),
        "holder": {"user": "ann", "host": "pc"}});
    assert_eq!(daemon.post("/v1/leases", &body.to_string()).json()["decision"], "allow");
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(daemon.wait(), Some(0));
}

#[test]
fn people_see_where_the_issuer_is_and_who_answers_there() {
    let (issuer, rig) = enrolled(FIRST);
    let issuer_line = || {
        let shown = rig.node(&["status"]).stdout;
        shown.lines().find(|line| line.starts_with("issuer ")).unwrap_or_default().to_owned()
    };
    let doctor_line = || {
        let shown = rig.node(&["doctor"]).stdout;
        shown.lines().find(|line| line.contains("] issuer: ")).unwrap_or_default().to_owned()
    };
    assert!(issuer_line().contains(&format!("{}, not asked yet", issuer.url)), "{}", issuer_line());
    assert!(doctor_line().contains("not asked yet"), "{}", doctor_line());
    let stranger = TestIssuer::start_with(&rig.vendor, FIRST, 78);
    let (daemon, mut log) = run(&rig);
    wait_for(&mut log, "issuer.reached", None);
    assert!(issuer_line().ends_with(&format!("{} answers", issuer.url)), "{}", issuer_line());
    let key = issuer.join.parse::<leasehold_protocol::join_code::JoinCode>().unwrap().issuer_key;
    let moved = json!({"url": stranger.url, "key": key}).to_string();
    assert_eq!(ask(&daemon.admin, post("/v1/issuer", &moved).as_bytes()).status, 200);
    issuer.be(Manner::Honest { version: 2, seats: 2 });
    wait_for(&mut log, "issuer.failed", Some("PEER_UNTRUSTED"));
    assert!(doctor_line().starts_with("[warning] issuer: "), "{}", doctor_line());
    assert!(doctor_line().contains("answered by somebody else"), "{}", doctor_line());
    assert_eq!(rig.json(&["status"])["issuer"]["code"], "PEER_UNTRUSTED");
}

fn enrolled(manner: Manner) -> (TestIssuer, Rig) {
    let rig = Rig::initialised();
    let issuer = TestIssuer::start(&rig.vendor, manner);
    let answer = rig.json(&["enroll", "--issuer", &issuer.url, "--join", &issuer.join]);
    assert_eq!(answer["issuer"], json!(issuer.url));
    (issuer, rig)
}

/// A daemon that logs JSON, and its log.
fn run(rig: &Rig) -> (Daemon, BufReader<PipeReader>) {
    std::fs::write(rig.path("node.toml"), "[log]\nformat = \"json\"\n").unwrap();
    let (log, writer) = std::io::pipe().unwrap();
    let daemon = rig.run_prepared(&[], |command| {
        command.stderr(Stdio::from(std::os::fd::OwnedFd::from(writer)));
    });
    (daemon, BufReader::new(log))
}

/// Reads the log up to a line of this event, and this code if one is named.
fn wait_for(log: &mut BufReader<PipeReader>, event: &str, code: Option<&str>) {
    let mut line = String::new();
    while log.read_line(&mut line).unwrap() > 0 {
        let entry: Value = serde_json::from_str(&line).unwrap_or_default();
        let fields = &entry["fields"];
        let of = |name: &str| {
            entry[name].as_str().or_else(|| fields[name].as_str()).unwrap_or_default().to_owned()
        };
        if of("event_id") == event && code.is_none_or(|code| of("code") == code) {
            return;
        }
        line.clear();
    }
    panic!("the log ended without {event} {code:?}");
}

fn seats(rig: &Rig) -> u64 {
    rig.json(&["pools"])["pools"][0]["seats"].as_u64().unwrap()
}
