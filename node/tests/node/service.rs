//! What a service manager sees of a daemon: its notifications, its log, its reload.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::rig::{Daemon, Rig, get};

/// Longer than any notification may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_service_manager_is_told_of_each_turn_and_that_the_writer_turns() {
    let rig = Rig::provisioned(1);
    let socket = UnixDatagram::bind(rig.path("notify.sock")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let daemon = rig.run_prepared(&[], |command| {
        command.env("NOTIFY_SOCKET", rig.path("notify.sock")).env("WATCHDOG_USEC", "10000000");
    });
    let mut seen = Vec::new();
    let mut wait_for = |wanted: &[&str]| {
        for wanted in wanted {
            while !seen.last().is_some_and(|last: &String| last.lines().any(|line| line == *wanted)) {
                let mut message = [0; 4096];
                let bytes = socket.recv(&mut message).unwrap_or_else(|error| panic!("{wanted}: {error}"));
                seen.push(String::from_utf8(message[..bytes].to_vec()).unwrap());
            }
            seen.clear();
        }
    };
    wait_for(&["WATCHDOG=1"]);
    // The first turn of the writer may come before or after the daemon is ready.
    daemon.signal(Signal::SIGHUP);
    wait_for(&["RELOADING=1", "READY=1"]);
    daemon.signal(Signal::SIGTERM);
    wait_for(&["STOPPING=1"]);
    assert_eq!(daemon.wait(), Some(0));
}

#[test]
fn it_is_ready_for_the_service_manager_when_it_answers() {
    let rig = Rig::provisioned(1);
    let socket = UnixDatagram::bind(rig.path("notify.sock")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let daemon = rig.run_prepared(&[], |command| {
        command.env("NOTIFY_SOCKET", rig.path("notify.sock")).env_remove("WATCHDOG_USEC");
    });
    let mut message = [0; 4096];
    let bytes = socket.recv(&mut message).unwrap();
    assert_eq!(std::str::from_utf8(&message[..bytes]).unwrap().trim_end(), "READY=1");
    assert_eq!(daemon.ask(&get("/livez")).status, 200);
}

#[test]
fn a_hang_up_takes_over_the_log_level_and_refuses_nonsense() {
    let rig = Rig::initialised();
    let config = |text: &str| fs::write(rig.path("node.toml"), text).unwrap();
    config("[log]\nlevel = \"error\"\n");
    let (daemon, mut log) = run_logging(&rig);
    config("[log]\nlevel = \"info\"\n");
    daemon.signal(Signal::SIGHUP);
    log.wait_for("config.reloaded");
    config("[log]\nlevle = \"debug\"\n");
    daemon.signal(Signal::SIGHUP);
    let refused = log.wait_for("config.refused");
    assert_eq!((&refused["level"], &refused["hint"]), (&"WARN".into(), &"did you mean `level`?".into()));
    assert_eq!(daemon.ask(&get("/livez")).status, 200);
    end(daemon);
    // Before the first reload nothing below an error was logged.
    assert_eq!(ids(&log.all()), ["config.reloaded", "config.refused", "daemon.draining", "snapshot.made"]);
}

#[test]
fn the_log_is_one_json_object_a_line_with_an_id_and_without_names() {
    let rig = Rig::provisioned(1);
    let (daemon, log) = run_logging(&rig);
    let holder = r#"{"user": "marigold", "host": "cad1"}"#;
    for key in 1..=2 {
        let body = format!(r#"{{"product": "cad", "count": 1, "holder": {holder}, "key": "{key:032x}"}}"#);
        assert_eq!(daemon.post("/v1/leases", &body).status, 200);
    }
    end(daemon);
    let lines = log.all();
    for line in &lines {
        for field in ["timestamp", "level", "message", "event_id"] {
            assert!(parsed(line)[field].is_string(), "{field}: {line}");
        }
        assert!(!line.contains("marigold"), "{line}");
    }
    assert_eq!(ids(&lines), ["daemon.ready", "daemon.draining", "snapshot.made"]);
}

#[test]
fn people_get_text_when_they_ask_for_it() {
    let rig = Rig::initialised();
    fs::write(rig.path("node.toml"), "[log]\nformat = \"text\"\n").unwrap();
    let (daemon, log) = run_logging(&rig);
    end(daemon);
    let first = &log.all()[0];
    assert!(first.contains("INFO ready event_id=daemon.ready"), "{first}");
}

fn run_logging(rig: &Rig) -> (Daemon, Log) {
    let mut log = None;
    let daemon = rig.run_prepared(&[], |command| log = Some(Log::catch(command)));
    (daemon, log.expect("a daemon that runs was prepared"))
}

fn end(daemon: Daemon) {
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(), Some(0));
}

/// A daemon's log, line by line as it is written.
struct Log {
    coming: Receiver<String>,
    seen: Vec<String>,
}

impl Log {
    /// The log of the daemon that `command` will start.
    fn catch(command: &mut Command) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        command.stderr(writer);
        let (line_read, coming) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines() {
                let _ = line_read.send(line.unwrap());
            }
        });
        Self { coming, seen: Vec::new() }
    }

    fn wait_for(&mut self, id: &str) -> Value {
        loop {
            let line =
                self.coming.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {id}: {:?}", self.seen));
            self.seen.push(line.clone());
            let line = parsed(&line);
            if line["event_id"] == id {
                return line;
            }
        }
    }

    /// Everything, once the daemon has ended.
    fn all(mut self) -> Vec<String> {
        while let Ok(line) = self.coming.recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
        self.seen
    }
}

fn ids(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| parsed(line)["event_id"].as_str().unwrap().to_owned()).collect()
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))
}
