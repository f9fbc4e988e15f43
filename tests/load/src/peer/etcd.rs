//! etcd, through its JSON gateway: a checkout is a lease and a transaction, two calls; a release revokes the lease.
//!
//! A transaction of etcd cannot count, so the pool's seats are keys and the client says which one it takes.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::{Peer, TTL_S, hold, installed, until_it_answers};
use crate::drive::http::{self, text_after};
use crate::drive::{Generator, Load, Measured, Operation, Place, Talk};
use crate::process::Server;
use crate::setup::{Dir, Medium};

pub(crate) struct Etcd {
    server: Server,
    place: Place,
    _dir: Dir,
}

impl Etcd {
    /// None if it is not installed.
    pub(crate) fn start(generator: &Generator, disk: &Path) -> Result<Option<Self>> {
        let Some(etcd) = installed("etcd", &[]) else { return Ok(None) };
        let dir = Dir::new(Medium::Disk, disk)?;
        // It takes no socket that is open already, nor tells which port it took: two that were free a moment ago.
        let free = [TcpListener::bind(("127.0.0.1", 0))?, TcpListener::bind(("127.0.0.1", 0))?];
        let [client, peer] = free.map(|listener| listener.local_addr());
        let (client, peer) = (client?, peer?);
        let (client_url, peer_url) = (format!("http://{client}"), format!("http://{peer}"));
        let mut serve = Command::new(etcd);
        serve.arg("--data-dir").arg(dir.join("data"));
        serve.args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url]);
        serve.args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url]);
        serve.args(["--initial-cluster", &format!("default={peer_url}"), "--log-level", "error"]);
        let server = Server::start_silent(&mut serve, &dir.join("etcd.log"))?;
        let place = Place::Tcp(client);
        until_it_answers(|| generator.get(&place, "/health").map(drop))
            .with_context(|| server.complaints())?;
        Ok(Some(Self { server, place, _dir: dir }))
    }
}

impl Peer for Etcd {
    fn round(&self, generator: &Generator, users: usize, load: Load) -> Result<Measured> {
        let talks = (0..users).map(|user| Conversation { user, state: State::Idle }).collect();
        hold(generator, (&self.place, self.server.process()), talks, load)
    }
}

/// One connection.
struct Conversation {
    user: usize,
    state: State,
}

enum State {
    Idle,
    /// A lease that nothing is attached to yet.
    Granted(Vec<u8>),
    Holding(Vec<u8>),
}

impl Talk for Conversation {
    fn ask(&mut self, closing: bool, out: &mut Vec<u8>) -> Option<Operation> {
        match &self.state {
            State::Idle if closing => None,
            State::Idle => {
                post(out, "/v3/lease/grant", &format!(r#"{{"TTL":{TTL_S}}}"#));
                Some(Operation::Step)
            }
            State::Granted(lease) => {
                let key = base64(format!("seat-{:012}", self.user).as_bytes());
                let holder = base64(format!("user{0:08}@ws{0:08}.plant.example.com", self.user).as_bytes());
                let lease = String::from_utf8_lossy(lease);
                let body = format!(
                    r#"{{"compare":[{{"key":"{key}","target":"CREATE","create_revision":"0"}}],"success":[{{"request_put":{{"key":"{key}","value":"{holder}","lease":"{lease}"}}}}]}}"#
                );
                post(out, "/v3/kv/txn", &body);
                Some(Operation::Checkout)
            }
            State::Holding(lease) => {
                post(out, "/v3/lease/revoke", &format!(r#"{{"ID":"{}"}}"#, String::from_utf8_lossy(lease)));
                Some(Operation::Release)
            }
        }
    }

    fn hear(&mut self, received: &[u8]) -> Result<Option<usize>> {
        let Some(answer) = http::Answer::read(received)? else { return Ok(None) };
        let body = answer.ok()?;
        self.state = match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => State::Granted(text_after(body, br#""ID":""#).context("no lease")?.to_vec()),
            State::Granted(lease) if http::find(body, br#""succeeded":true"#).is_some() => {
                State::Holding(lease)
            }
            State::Granted(_) => bail!("no seat: {}", String::from_utf8_lossy(body)),
            State::Holding(_) => State::Idle,
        };
        Ok(Some(answer.bytes))
    }
}

fn post(out: &mut Vec<u8>, path: &str, body: &str) {
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body.as_bytes());
}

fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}
