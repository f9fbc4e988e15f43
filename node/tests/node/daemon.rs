//! The life of a daemon.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::rig::{Rig, connect, get, read_answer};

/// Requests that are answered one after the other: time enough for what must not happen.
const ROUNDS: u32 = 50;

#[test]
fn a_daemon_says_where_it_listens() {
    let rig = Rig::initialised();
    let daemon = rig.run(&[]);
    let socket = rig.data("node.sock");
    let (https, unix) = (daemon.https[0].to_string(), format!("unix:{}", socket.display()));
    assert_eq!(daemon.ready, format!("ready {https} {unix} node=unprovisioned\n"));
    let ready: Value = serde_json::from_slice(&fs::read(rig.data("ready.json")).unwrap()).unwrap();
    assert_eq!(ready, json!({"listen": [https, unix], "node_id": null}));
    for (path, mode) in [(&socket, 0o666), (&daemon.admin, 0o600)] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
    }
    assert_eq!(daemon.ask(&get("/livez")).status, 200);
    let unready = daemon.ask(&get("/readyz"));
    assert_eq!((unready.status, unready.code().as_str()), (503, "NODE_UNPROVISIONED"));
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(), Some(0));
    assert!(!rig.data("ready.json").exists() && !socket.exists());
}

#[test]
fn commands_go_through_the_daemon_and_say_the_same() {
    let rig = Rig::initialised();
    let mut offline = rig.json(&["status"]);
    let daemon = rig.run(&[]);
    let mut online = rig.json(&["status"]);
    assert_eq!((offline["running"].take(), online["running"].take()), (json!(false), json!(true)));
    for status in [&mut offline, &mut online] {
        status["clock"].take();
    }
    // The daemon writes a frame without records at its start, which moves the head and not the seq.
    offline["journal"]["head"].take();
    online["journal"]["head"].take();
    assert_eq!(offline, online);
    rig.json(&["request", "--out", &rig.text("request.lh")]);
    assert_eq!(rig.json(&["journal", "verify"])["seq"], 2);
    assert_eq!(rig.json(&["leases"]), json!({"leases": []}));
    drop(daemon);
    assert_eq!(rig.json(&["status"])["journal"]["seq"], 2, "what was answered is there after kill -9");
}

#[test]
fn a_directory_has_one_daemon_and_stale_sockets_are_replaced() {
    let rig = Rig::initialised();
    let daemon = rig.run(&[]);
    let second = rig.node(&["run", "--socket", &rig.text("other.sock")]);
    assert_eq!(second.exit, 75, "{second:?}");
    assert_eq!(daemon.ask(&get("/livez")).status, 200);
    daemon.signal(Signal::SIGKILL);
    assert_eq!(daemon.wait(), None);
    assert!(rig.data("node.sock").exists(), "a killed daemon leaves its socket");
    let next = rig.run(&[]);
    assert_eq!(next.ask(&get("/livez")).status, 200);
}

#[test]
fn a_hang_up_is_no_end() {
    let rig = Rig::initialised();
    let daemon = rig.run(&[]);
    daemon.signal(Signal::SIGHUP);
    for _ in 0..ROUNDS {
        assert_eq!(daemon.ask(&get("/livez")).status, 200);
    }
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(), Some(0));
}

#[test]
fn a_request_under_way_is_answered_before_the_end() {
    let rig = Rig::initialised();
    let daemon = rig.run(&[]);
    let mut stream = connect(&daemon.admin);
    let head =
        "POST /v1/request HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    write!(stream, "{head}content-length: 2\r\nexpect: 100-continue\r\n\r\n").unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n", "the handler waits for the body");
    daemon.signal(Signal::SIGTERM);
    let refused = std::iter::repeat_with(|| UnixStream::connect(&daemon.socket)).find(Result::is_err);
    assert!(refused.is_some(), "no new connections");
    stream.write_all(b"{}").unwrap();
    let answer = read_answer(stream);
    assert!(answer.status == 200 && answer.body.contains("lh1_request_"), "{answer:?}");
    assert_eq!(daemon.wait(), Some(0));
}

#[test]
fn connections_over_the_cap_wait_for_one_to_end() {
    let rig = Rig::initialised();
    fs::write(rig.path("node.toml"), "[limits]\nconnections = 1\n").unwrap();
    let daemon = rig.run(&[]);
    let mut first = connect(&daemon.socket);
    let mut second = connect(&daemon.socket);
    second.write_all(get("/livez").as_bytes()).unwrap();
    for _ in 0..ROUNDS {
        first.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut line = String::new();
        BufReader::new(&first).read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 200 OK\r\n");
        second.set_nonblocking(true).unwrap();
        let early = second.read(&mut [0; 1]).map_err(|error| error.kind());
        assert_eq!(early, Err(ErrorKind::WouldBlock));
        second.set_nonblocking(false).unwrap();
    }
    drop(first);
    assert_eq!(read_answer(second).status, 200);
}
