//! `PostgreSQL`: functions in plpgsql, statements prepared, `synchronous_commit = on`, one commit per operation.
//!
//! Seats are rows that are taken with `for update skip locked`, so that commits of several connections share a flush; one
//! counter per pool would have them wait for each other.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use nix::unistd::{Uid, User};

use super::{Peer, SEATS, TTL_S, hold, installed, until_it_answers};
use crate::drive::{Generator, Load, Measured, Operation, Place, Talk};
use crate::process::Server;
use crate::setup::{Dir, Medium, fresh_key};

/// Where Debian keeps what is not for everybody's path.
const ALSO: [&str; 3] =
    ["/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin"];
const SCHEMA: &str = "
create table seat (slot int primary key, lease uuid unique, key text unique, holder text, expires timestamptz);
create index free on seat (slot) where lease is null;
create function checkout(wished text, who text, ttl_s int) returns uuid language plpgsql as $$
declare given uuid; free int;
begin
  select lease into given from seat where key = wished;
  if found then return given; end if;
  select slot into free from seat where lease is null limit 1 for update skip locked;
  if not found then return null; end if;
  given := gen_random_uuid();
  update seat set lease = given, key = wished, holder = who, expires = now() + make_interval(secs => ttl_s)
    where slot = free;
  return given;
end $$;
create function release(ended uuid) returns bool language plpgsql as $$
begin
  update seat set lease = null, key = null, holder = null, expires = null where lease = ended;
  return found;
end $$;";

pub(crate) struct Postgres {
    server: Server,
    place: Place,
    _dir: Dir,
}

impl Postgres {
    /// None if it is not installed.
    pub(crate) fn start(disk: &Path) -> Result<Option<Self>> {
        let (Some(postgres), Some(initdb), Some(psql)) =
            (installed("postgres", &ALSO), installed("initdb", &ALSO), installed("psql", &ALSO))
        else {
            return Ok(None);
        };
        let dir = Dir::new(Medium::Disk, disk)?;
        let owner = owner(dir.path())?;
        let as_owner = |program: &Path| {
            let mut command = Command::new(program);
            if let Some(owner) = &owner {
                command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw());
            }
            command.current_dir(dir.path());
            command
        };
        let data = dir.join("data");
        run(as_owner(&initdb).args(["--auth", "trust", "--username", "bench", "--pgdata"]).arg(&data))?;
        let mut serve = as_owner(&postgres);
        serve.arg("-D").arg(&data).arg("-k").arg(dir.path()).args(["-c", "listen_addresses="]);
        serve.args(["-c", "synchronous_commit=on", "-c", "max_connections=300"]);
        let server = Server::start_silent(&mut serve, &dir.join("postgres.log"))?;
        let fill = format!("insert into seat select generate_series(1, {SEATS});");
        let schema = dir.join("schema.sql");
        fs::write(&schema, format!("{SCHEMA}\n{fill}\nvacuum analyze seat;"))?;
        let mut ask = as_owner(&psql);
        ask.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "bench", "-d", "postgres", "-h"])
            .arg(dir.path());
        until_it_answers(|| run(ask.args(["-c", "select 1"])))?;
        let mut define = as_owner(&psql);
        define.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "bench", "-d", "postgres", "-h"]);
        run(define.arg(dir.path()).arg("-f").arg(&schema))?;
        let place = Place::Unix(dir.join(".s.PGSQL.5432"));
        Ok(Some(Self { server, place, _dir: dir }))
    }
}

impl Peer for Postgres {
    fn round(&self, generator: &Generator, users: usize, load: Load) -> Result<Measured> {
        let talks = (0..users).map(|user| Conversation { user, state: State::New }).collect();
        hold(generator, (&self.place, self.server.family()), talks, load)
    }
}

/// It refuses to run as root: the user that Debian makes for it, and the directory given to it.
fn owner(dir: &Path) -> Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let user = User::from_name("postgres")?.context("there is no user postgres")?;
    chown(dir, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    Ok(Some(user))
}

fn run(command: &mut Command) -> Result<()> {
    let done = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// One connection, in the protocol of version 3.
struct Conversation {
    user: usize,
    state: State,
}

enum State {
    New,
    Idle,
    Holding(Vec<u8>),
}

impl Talk for Conversation {
    fn ask(&mut self, closing: bool, out: &mut Vec<u8>) -> Option<Operation> {
        match &self.state {
            State::New => {
                startup(out);
                Some(Operation::Step)
            }
            State::Holding(lease) => {
                call(out, "release", &[lease]);
                Some(Operation::Release)
            }
            State::Idle if closing => None,
            State::Idle => {
                let (key, ttl) = (format!("{:032x}", fresh_key()), TTL_S.to_string());
                let holder = format!("user{:08}@ws{:08}.plant.example.com", self.user, self.user);
                call(out, "checkout", &[key.as_bytes(), holder.as_bytes(), ttl.as_bytes()]);
                Some(Operation::Checkout)
            }
        }
    }

    fn hear(&mut self, received: &[u8]) -> Result<Option<usize>> {
        let Some(answer) = Answer::read(received)? else { return Ok(None) };
        if matches!(self.state, State::New) {
            // The greeting is over; the statements are prepared behind it.
            let Some(prepared) = Answer::read(&received[answer.bytes..])? else { return Ok(None) };
            self.state = State::Idle;
            return Ok(Some(answer.bytes + prepared.bytes));
        }
        self.state = match (&self.state, answer.value) {
            (State::Idle, Some(lease)) => State::Holding(lease.to_vec()),
            (State::Holding(_), Some(b"t")) => State::Idle,
            (_, value) => bail!("not what was asked for: {value:?}"),
        };
        Ok(Some(answer.bytes))
    }
}

/// Says who comes, and prepares the two statements.
fn startup(out: &mut Vec<u8>) {
    let begin = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&196_608_u32.to_be_bytes());
    out.extend_from_slice(b"user\0bench\0database\0postgres\0\0");
    put_length(out, begin);
    message(out, b'P', |out| out.extend_from_slice(b"checkout\0select checkout($1, $2, $3::int)\0\0\0"));
    message(out, b'P', |out| out.extend_from_slice(b"release\0select release($1::uuid)\0\0\0"));
    message(out, b'S', |_| {});
}

/// Calls a prepared statement with parameters in text form.
fn call(out: &mut Vec<u8>, statement: &str, parameters: &[&[u8]]) {
    message(out, b'B', |out| {
        out.push(0);
        out.extend_from_slice(statement.as_bytes());
        out.extend_from_slice(&[0, 0, 0]);
        out.extend_from_slice(&u16::try_from(parameters.len()).unwrap_or(0).to_be_bytes());
        for parameter in parameters {
            out.extend_from_slice(&u32::try_from(parameter.len()).unwrap_or(0).to_be_bytes());
            out.extend_from_slice(parameter);
        }
        out.extend_from_slice(&[0, 0]);
    });
    message(out, b'E', |out| out.extend_from_slice(&[0; 5]));
    message(out, b'S', |_| {});
}

fn message(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    let begin = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    put_length(out, begin);
}

/// Of everything from `begin` on, the length itself included.
fn put_length(out: &mut [u8], begin: usize) {
    let length = u32::try_from(out.len() - begin).unwrap_or(0);
    out[begin..begin + 4].copy_from_slice(&length.to_be_bytes());
}

/// Everything up to "ready for the next query".
struct Answer<'a> {
    /// The one column of the one row, unless it is null.
    value: Option<&'a [u8]>,
    bytes: usize,
}

impl<'a> Answer<'a> {
    fn read(received: &'a [u8]) -> Result<Option<Self>> {
        let (mut value, mut at) = (None, 0);
        while let Some(&[kind, a, b, c, d]) = received.get(at..).and_then(|rest| rest.first_chunk::<5>()) {
            let end = at + 1 + u32::from_be_bytes([a, b, c, d]) as usize;
            let Some(body) = received.get(at + 5..end) else { return Ok(None) };
            match kind {
                b'Z' => return Ok(Some(Self { value, bytes: end })),
                b'E' => bail!("an error: {}", String::from_utf8_lossy(body)),
                // Two bytes for the number of columns, four for the length of the first.
                b'D' if body.get(2..6) != Some(&[0xff; 4]) => value = body.get(6..),
                _ => {}
            }
            at = end;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_when_the_next_query_may_come() {
        let mut received = Vec::new();
        message(&mut received, b'2', |_| {});
        message(&mut received, b'D', |out| out.extend_from_slice(b"\0\x01\0\0\0\x03abc"));
        message(&mut received, b'C', |out| out.extend_from_slice(b"SELECT 1\0"));
        for cut in 0..=received.len() {
            assert!(Answer::read(&received[..cut]).unwrap().is_none(), "{cut}");
        }
        message(&mut received, b'Z', |out| out.push(b'I'));
        let answer = Answer::read(&received).unwrap().unwrap();
        assert_eq!((answer.value, answer.bytes), (Some(&b"abc"[..]), received.len()));
        let mut null = Vec::new();
        message(&mut null, b'D', |out| out.extend_from_slice(b"\0\x01\xff\xff\xff\xff"));
        message(&mut null, b'Z', |out| out.push(b'I'));
        assert_eq!(Answer::read(&null).unwrap().unwrap().value, None);
        let mut error = Vec::new();
        message(&mut error, b'E', |out| out.extend_from_slice(b"SFATAL\0\0"));
        assert!(Answer::read(&error).is_err());
    }
}
