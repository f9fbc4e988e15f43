//! `status`: how the node stands. Exit 0 whenever it could be read.

use leasehold_cli::{Failure, Output, People};
use leasehold_protocol::api::{ClockStatus, IssuerContact, StatusAnswer, TrustState};
use leasehold_protocol::code::Code;

use super::{next_command, pools, recover};
use crate::admin::Admin;
use crate::data_dir::DataDir;
use crate::store;

pub(super) fn run(dir: &DataDir, output: Output) -> Result<(), Failure> {
    let status = read(dir)?;
    let people = for_people(&status);
    let people = match to_be_done(dir, &status) {
        Some(next) => people.next(next),
        None => people,
    };
    output.answer(&status, &people)
}

/// What this side has to do for the node to give seats.
fn to_be_done(dir: &DataDir, status: &StatusAnswer) -> Option<String> {
    let recover = || {
        let command = next_command(dir, "recover --reason TEXT");
        format!("when no copy of this node runs: {command}; then {}", recover::next(dir))
    };
    match status.trust_state {
        TrustState::Recover | TrustState::Forked => Some(recover()),
        _ => to_be_provisioned(dir, status),
    }
}

/// What leads to the first allocation, if it is for this side to do.
pub(super) fn to_be_provisioned(dir: &DataDir, status: &StatusAnswer) -> Option<String> {
    match (status.trust_state, status.node_id, &status.issuer.url) {
        (TrustState::Unprovisioned, None, _) => Some(first_contact(dir)),
        (TrustState::Unprovisioned, Some(_), None) => Some(next_command(dir, "request --out request.lh")),
        _ => None,
    }
}

/// How a new node comes to the vendor.
pub(super) fn first_contact(dir: &DataDir) -> String {
    let enroll = next_command(dir, "enroll --issuer URL --join CODE");
    format!("{enroll}; where no network leads to the vendor: request --out request.lh --join CODE")
}

/// How the node stands with its issuer, in a few words.
pub(super) fn issuer_in_words(issuer: &IssuerContact) -> String {
    match (&issuer.url, issuer.reachable, issuer.code) {
        (None, ..) => "files are carried to it".to_owned(),
        (Some(url), None, _) => format!("{url}, not asked yet: the daemon does that"),
        (Some(url), Some(true), _) => format!("{url} answers"),
        (Some(url), Some(false), Some(Code::PeerUntrusted)) => {
            format!("{url} is answered by somebody else: not with the issuer's key")
        }
        (Some(url), Some(false), Some(Code::Unreachable | Code::Timeout) | None) => {
            format!("{url} does not answer")
        }
        (Some(url), Some(false), Some(code)) => format!("{url} answers, but not as it should: {code}"),
    }
}

/// The running daemon's word, or what the journal says.
pub(super) fn read(dir: &DataDir) -> Result<StatusAnswer, Failure> {
    if let Some(admin) = Admin::find(dir)? {
        return admin.get("/v1/status");
    }
    of_journal(dir)
}

/// What the journal says.
pub(super) fn of_journal(dir: &DataDir) -> Result<StatusAnswer, Failure> {
    let snapshot = store::look(dir)?;
    let now =
        leasehold_clock::read().map_err(|error| super::fatal_failure(&crate::commit::Fatal::Clock(error)))?;
    Ok(snapshot.core.status(&now, snapshot.journal, false))
}

fn clock_in_words(clock: &ClockStatus) -> String {
    let cause = clock.cause.iter().map(|cause| format!(": {cause}"));
    let aside = clock.time_kept_aside.iter().map(|time| format!("; a signed time of {time} is kept aside"));
    let trouble: String = cause.chain(aside).collect();
    format!("{}, {}{trouble}", clock.status, clock.best)
}

/// How much a start replays.
fn newest_snapshot(status: &StatusAnswer) -> String {
    let Some(newest) = &status.journal.snapshot else { return "none yet".to_owned() };
    let since = status.journal.seq.saturating_sub(newest.seq);
    format!("of record {}, {since} records ago, made {}", newest.seq, newest.made_at)
}

fn for_people(status: &StatusAnswer) -> People {
    let unknown = || "unknown".to_owned();
    let clock = &status.clock;
    let facts = [
        ("name", status.name.clone()),
        ("node", status.node_id.map_or_else(|| "none yet".to_owned(), |id| id.to_string())),
        ("trust", format!("{} ({})", pools::trust_word(status.trust_state), status.trust_cause)),
        ("changes", status.next_transition_at.clone().unwrap_or_else(|| "not by itself".to_owned())),
        ("clock", clock_in_words(clock)),
        ("clock floor", clock.floor.clone().unwrap_or_else(unknown)),
        ("clock bound", clock.hi.clone().unwrap_or_else(unknown)),
        ("issuer", issuer_in_words(&status.issuer)),
        ("last bundle", status.issuer.last_sync_at.clone().unwrap_or_else(|| "none".to_owned())),
        ("journal", format!("{} records, head {}", status.journal.seq, status.journal.head)),
        ("snapshot", newest_snapshot(status)),
        ("daemon", if status.running { "running" } else { "not running" }.to_owned()),
    ];
    People::facts(facts).and(pools::table(&status.pools))
}
