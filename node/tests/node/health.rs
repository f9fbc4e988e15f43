//! What load balancers and people are told of a node's health.

use std::io::{Read as _, Write as _};

use nix::sys::signal::Signal;

use crate::rig::{Rig, connect, get, read_answer};

#[test]
fn every_check_is_named_with_its_reason() {
    let rig = Rig::initialised();
    let daemon = rig.run(&[]);
    let unready = daemon.ask(&get("/readyz?verbose"));
    assert_eq!(unready.status, 503);
    let lines: Vec<&str> = unready.body.lines().collect();
    let reason = "[-] provisioned: NODE_UNPROVISIONED: the node has no bundle yet; import a bundle: `leasehold-node import FILE`";
    assert_eq!(
        lines,
        ["[+] serving: ok", "[+] writer: ok", reason, "[+] recovered: ok", "[+] journal: ok", "not ready"]
    );
}

#[test]
fn a_node_with_a_bundle_is_ready() {
    let rig = Rig::provisioned(1);
    let daemon = rig.run(&[]);
    let ready = daemon.ask(&get("/readyz?verbose"));
    let all =
        "[+] serving: ok\n[+] writer: ok\n[+] provisioned: ok\n[+] recovered: ok\n[+] journal: ok\nready\n";
    assert_eq!((ready.status, ready.body.as_str()), (200, all));
    let brief = daemon.ask(&get("/readyz"));
    assert_eq!((brief.status, brief.body.as_str()), (200, "{\"ready\":true}"));
}

#[test]
fn a_draining_node_is_alive_and_not_ready() {
    let rig = Rig::provisioned(1);
    let daemon = rig.run(&[]);
    // A request that is under way keeps its connection, and with it the daemon, alive.
    let mut under_way = connect(&daemon.admin);
    let head =
        "POST /v1/request HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    write!(under_way, "{head}content-length: 2\r\nexpect: 100-continue\r\n\r\n").unwrap();
    under_way.read_exact(&mut [0; 25]).unwrap();
    let mut asker = connect(&daemon.socket);
    asker.write_all(b"GET /readyz?verbose HTTP/1.1\r\nhost: x\r\n").unwrap();
    // Whoever comes later has been answered: by now the half head was read, and is a request under way, too.
    for _ in 0..3 {
        assert_eq!(daemon.ask(&get("/livez")).status, 200);
    }
    daemon.signal(Signal::SIGTERM);
    while std::os::unix::net::UnixStream::connect(&daemon.socket).is_ok() {}
    asker.write_all(b"\r\n").unwrap();
    let answer = read_answer(asker);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.starts_with("[-] serving: SHUTTING_DOWN: "), "{answer:?}");
    under_way.write_all(b"{}").unwrap();
    assert_eq!(read_answer(under_way).status, 200);
    assert_eq!(daemon.wait(), Some(0));
}
