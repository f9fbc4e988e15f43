//! Redis: a script in Lua for each operation, append-only file with `appendfsync always`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::{Peer, SEATS, TTL_S, hold, installed, until_it_answers};
use crate::drive::{Generator, Load, Measured, Operation, Place, Talk};
use crate::process::Server;
use crate::setup::{Dir, Medium, fresh_key};

/// `KEYS`: the pool, the lease. `ARGV`: seats, when it ends, who has it.
const CHECKOUT: &str = "\
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], KEYS[2])
redis.call('SET', KEYS[2], ARGV[3])
return 1";
const RELEASE: &str = "redis.call('DEL', KEYS[2]) return redis.call('ZREM', KEYS[1], KEYS[2])";

pub(crate) struct Redis {
    server: Server,
    place: Place,
    _dir: Dir,
}

impl Redis {
    /// None if it is not installed.
    pub(crate) fn start(generator: &Generator, disk: &Path) -> Result<Option<Self>> {
        let Some(redis) = installed("redis-server", &[]) else { return Ok(None) };
        let dir = Dir::new(Medium::Disk, disk)?;
        let socket = dir.join("redis.sock");
        let mut serve = Command::new(redis);
        serve.args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
        serve.arg("--unixsocket").arg(&socket).arg("--dir").arg(dir.path());
        let server = Server::start_silent(&mut serve, &dir.join("redis.log"))?;
        let place = Place::Unix(socket);
        until_it_answers(|| generator.runtime().block_on(place.connect()).map(drop))
            .with_context(|| server.complaints())?;
        Ok(Some(Self { server, place, _dir: dir }))
    }
}

impl Peer for Redis {
    fn round(&self, generator: &Generator, users: usize, load: Load) -> Result<Measured> {
        let ends = leasehold_clock::wall()?.plus(i64::from(TTL_S) * 1000).0.to_string();
        let talk = |user| Conversation { user, ends: ends.clone(), scripts: None, held: None };
        hold(generator, (&self.place, self.server.process()), (0..users).map(talk).collect(), load)
    }
}

/// One connection.
struct Conversation {
    user: usize,
    ends: String,
    /// Digests of the two scripts, once they are loaded.
    scripts: Option<[Vec<u8>; 2]>,
    held: Option<String>,
}

impl Talk for Conversation {
    fn ask(&mut self, closing: bool, out: &mut Vec<u8>) -> Option<Operation> {
        let Some([checkout, release]) = &self.scripts else {
            for script in [CHECKOUT, RELEASE] {
                command(out, &[b"SCRIPT", b"LOAD", script.as_bytes()]);
            }
            return Some(Operation::Step);
        };
        if let Some(lease) = self.held.take() {
            command(out, &[b"EVALSHA", release, b"2", b"pool", lease.as_bytes()]);
            return Some(Operation::Release);
        }
        if closing {
            return None;
        }
        let lease = format!("lease:{:032x}", fresh_key());
        let (seats, user) = (SEATS.to_string(), self.user);
        let holder = format!("user{user:08}@ws{user:08}.plant.example.com");
        let arguments = [seats.as_bytes(), self.ends.as_bytes(), holder.as_bytes()];
        command(
            out,
            &[&[&b"EVALSHA"[..], checkout, b"2", b"pool", lease.as_bytes()], &arguments[..]].concat(),
        );
        self.held = Some(lease);
        Some(Operation::Checkout)
    }

    fn hear(&mut self, received: &[u8]) -> Result<Option<usize>> {
        if self.scripts.is_none() {
            let Some((checkout, at)) = bulk(received)? else { return Ok(None) };
            let Some((release, more)) = bulk(&received[at..])? else { return Ok(None) };
            self.scripts = Some([checkout.to_vec(), release.to_vec()]);
            return Ok(Some(at + more));
        }
        if !received.ends_with(b"\r\n") {
            return Ok(None);
        }
        ensure!(received == b":1\r\n", "not what was asked for: {}", String::from_utf8_lossy(received));
        Ok(Some(received.len()))
    }
}

fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// A string that says its length, and how many bytes it takes with that.
fn bulk(received: &[u8]) -> Result<Option<(&[u8], usize)>> {
    let Some(line) = received.windows(2).position(|end| end == b"\r\n") else { return Ok(None) };
    let length =
        received[..line].strip_prefix(b"$").and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let Some(length): Option<usize> = length else {
        bail!("no string: {}", String::from_utf8_lossy(received));
    };
    let begin = line + 2;
    let whole = received.len() >= begin + length + 2;
    Ok(whole.then(|| (&received[begin..begin + length], begin + length + 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sent_and_read_with_their_lengths() {
        let mut out = Vec::new();
        command(&mut out, &[b"GET", b"ab"]);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$2\r\nab\r\n");
        assert_eq!(bulk(b"$2\r\nab\r\nmore").unwrap(), Some((&b"ab"[..], 8)));
        for cut in 0..8 {
            assert_eq!(bulk(&b"$2\r\nab\r\n"[..cut]).unwrap(), None, "{cut}");
        }
        assert!(bulk(b"-ERR no\r\n").is_err());
    }
}
