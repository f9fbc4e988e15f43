//! `doctor`: looks at everything a node needs, beside a daemon or without one, and says what to do.
//!
//! It only looks: it takes no lock, writes nothing, and asks nobody but the node's own daemon.

use std::os::unix::net::UnixStream;
use std::path::Path;

use leasehold_cli::checkup::{Checkup, Finding, machine};
use leasehold_cli::{Exit, Failure, Output};
use leasehold_node_core::Ends;
use leasehold_protocol::api::{StatusAnswer, TrustState};
use leasehold_protocol::code::Code;
use leasehold_protocol::time::UnixMs;
use nix::sys::resource::{Resource, getrlimit};

use super::{next_command, pools, status, validate};
use crate::admin::Admin;
use crate::cli::{PlaceArgs, RunArgs};
use crate::config::{self, Config};
use crate::data_dir::DataDir;
use crate::listening::Places;
use crate::signing::{self, KeyName};
use crate::{journal_check, limits, ready, store};

pub(super) fn run(
    place: &PlaceArgs,
    config: Result<Config, Failure>,
    output: Output,
) -> Result<Exit, Failure> {
    let mut checkup = Checkup::default();
    let unreadable = config.as_ref().err().cloned();
    // What the file would have said is not known: the rest is looked at as without it.
    let config = config.unwrap_or_default();
    let dir = place.data_dir(&config)?;
    let failure = unreadable.or_else(|| validate::check(&dir, &config).err());
    let default = Path::new(config::DEFAULT_FILE);
    checkup.add(machine::configuration(place.config_file(), default, failure.as_ref()));
    checkup.add(machine::private_directories(&[dir.path().to_owned(), dir.journal(), dir.keys()]));
    checkup.add(keys(&dir));
    let daemon = daemon(&dir);
    checkup.add(daemon.finding(&dir));
    checkup.add(journal(&dir, &daemon));
    checkup.add(machine::disk(dir.path()));
    checkup.add(open_files(&config));
    checkup.add(socket(&dir, &config, &daemon));
    checkup.add(machine::time_service(&leasehold_clock::read()));
    match daemon.status(&dir) {
        Ok(status) => {
            checkup.add(clock(&status));
            checkup.add(trust(&dir, &status));
            checkup.add(issuer(&status));
        }
        Err(failure) => checkup.add(Finding::failure("state", &failure)),
    }
    for finding in expiry(&dir) {
        checkup.add(finding);
    }
    checkup.answer(output)
}

fn keys(dir: &DataDir) -> Finding {
    for name in [KeyName::Sign, KeyName::Tls] {
        if let Err(failure) = signing::load(dir, name) {
            return Finding::failure("keys", &failure);
        }
    }
    Finding::ok("keys", "the keys for signing and TLS can be read")
}

/// Who has the state.
enum Daemon {
    /// It answers.
    Running(Box<StatusAnswer>),
    /// Nobody.
    Down,
    /// Somebody who does not answer.
    Silent(Failure),
}

fn daemon(dir: &DataDir) -> Daemon {
    match Admin::find(dir) {
        Ok(Some(admin)) => match admin.get("/v1/status") {
            Ok(status) => Daemon::Running(status),
            Err(failure) => Daemon::Silent(failure),
        },
        Ok(None) => machine::locked_by(&dir.journal()).map_or(Daemon::Down, |process| {
            let detail = format!("process {process} has the journal open and no socket to ask it");
            Daemon::Silent(Failure::new(Code::Busy, detail, "end it, or wait for its end"))
        }),
        Err(failure) => Daemon::Silent(failure),
    }
}

impl Daemon {
    fn finding(&self, dir: &DataDir) -> Finding {
        match self {
            Self::Running(_) => Finding::ok("daemon", "it runs and answers"),
            Self::Down => Finding::warning(
                "daemon",
                "no daemon runs: nobody gets a seat",
                format!("`systemctl start leasehold-node`, or `{}`", next_command(dir, "run")),
            ),
            Self::Silent(failure) => Finding::failure("daemon", failure),
        }
    }

    fn status(&self, dir: &DataDir) -> Result<StatusAnswer, Failure> {
        match self {
            Self::Running(status) => Ok((**status).clone()),
            Self::Down | Self::Silent(_) => status::of_journal(dir),
        }
    }
}

fn journal(dir: &DataDir, daemon: &Daemon) -> Finding {
    let verified = match daemon {
        Daemon::Down => journal_check::everything(dir),
        Daemon::Running(_) | Daemon::Silent(_) => journal_check::durable_part(dir),
    };
    match verified {
        Ok(found) => {
            Finding::ok("journal", format!("{} records in {} frames verify", found.seq, found.frames))
        }
        Err(failure) => Finding::failure("journal", &failure),
    }
}

fn open_files(config: &Config) -> Finding {
    let wanted = u64::from(config.limits.connections.0 + limits::ADMIN_CONNECTIONS + limits::OTHER_FILES);
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((_, hard)) if hard < wanted => Finding::warning(
            "open files",
            format!("at most {hard} may be open here, {wanted} are wanted for all connections"),
            "raise LimitNOFILE of the service, or lower `connections` under [limits]",
        ),
        Ok((_, hard)) => Finding::ok("open files", format!("{wanted} of {hard} are wanted")),
        Err(error) => Finding::warning("open files", error.to_string(), "look at `ulimit -n`"),
    }
}

fn socket(dir: &DataDir, config: &Config, daemon: &Daemon) -> Finding {
    let path = match Places::new(dir, &RunArgs::default(), config) {
        Ok(places) => places.data,
        Err(failure) => return Finding::failure("socket", &failure),
    };
    if !matches!(daemon, Daemon::Running(_)) {
        return Finding::ok("socket", format!("applications will ask at unix:{}", path.display()));
    }
    // The daemon may have been started with another one.
    let path = ready::data_socket(dir).unwrap_or(path);
    match UnixStream::connect(&path) {
        Ok(_) => Finding::ok("socket", format!("unix:{} answers", path.display())),
        Err(error) => Finding::warning(
            "socket",
            format!("unix:{} does not answer: {error}", path.display()),
            "start the daemon again: it makes the socket",
        ),
    }
}

fn clock(status: &StatusAnswer) -> Finding {
    let clock = &status.clock;
    let detail = format!("{}, it is about {}", clock.status, clock.best);
    if let (Some(cause), Some(hint)) = (&clock.cause, &clock.hint) {
        return Finding::warning("clock", format!("{detail}: {cause}"), hint.as_str());
    }
    if let Some(time) = &clock.time_kept_aside {
        let detail = format!("{detail}: a signed time of {time} is kept aside, being far ahead");
        let hint =
            "set this machine's clock right, or, if that time is, import the bundle again with --accept-time";
        return Finding::warning("clock", detail, hint);
    }
    Finding::ok("clock", detail)
}

fn trust(dir: &DataDir, status: &StatusAnswer) -> Finding {
    let cause = status.trust_cause.as_str();
    let hint =
        format!("ask the vendor for a new bundle: `{}`", next_command(dir, "request --out request.lh"));
    match status.trust_state {
        TrustState::Fresh => revoked(status).unwrap_or_else(|| Finding::ok("trust", cause)),
        TrustState::Stale | TrustState::Grace => Finding::warning("trust", cause, hint),
        TrustState::Recover | TrustState::Forked => {
            let hint = format!(
                "when no copy of this node runs: `{}`; leave it where it is",
                next_command(dir, "recover --reason TEXT")
            );
            let code =
                if status.trust_state == TrustState::Forked { Code::NodeForked } else { Code::Recovering };
            Finding::failure("trust", &Failure::new(code, cause, hint))
        }
        TrustState::Expired => Finding::failure("trust", &Failure::new(Code::Expired, cause, hint)),
        _ => {
            let hint = status::to_be_provisioned(dir, status).unwrap_or_else(|| {
                "what the vendor allocates arrives by itself, with the daemon running".to_owned()
            });
            Finding::failure("trust", &Failure::new(Code::NodeUnprovisioned, cause, hint))
        }
    }
}

fn revoked(status: &StatusAnswer) -> Option<Finding> {
    let causes: Vec<String> = pools::taken_back(&status.pools)
        .map(|pool| format!("{}: {}", pool.product, pool.trust_cause))
        .collect();
    let hint = "the node works on; what the vendor sells instead comes with the next bundle";
    (!causes.is_empty()).then(|| Finding::warning("trust", causes.join("; "), hint))
}

fn issuer(status: &StatusAnswer) -> Finding {
    let issuer = &status.issuer;
    let heard = match &issuer.last_sync_at {
        Some(at) => format!("its last word is of {at}"),
        None => "nothing was heard of it yet".to_owned(),
    };
    let stands = status::issuer_in_words(issuer);
    if issuer.reachable != Some(false) {
        return Finding::ok("issuer", format!("{stands}; {heard}"));
    }
    let hint = match issuer.code {
        Some(Code::PeerUntrusted) => {
            "check what listens there and what stands between; if the vendor has moved, `enroll` names the new address"
        }
        Some(Code::Unreachable | Code::Timeout) | None => {
            "check the way to it: address, proxy, firewall; the log says what was tried"
        }
        Some(_) => "the log says what was tried and what came of it; tell the vendor",
    };
    Finding::warning("issuer", format!("{stands}; {heard}; seats are served on"), hint)
}

/// One finding for each thing that ends soon or has ended, or one for all.
fn expiry(dir: &DataDir) -> Vec<Finding> {
    let Ok(snapshot) = store::look(dir) else { return Vec::new() };
    let (Some(ends), Ok(now)) = (snapshot.core.ends(), leasehold_clock::wall()) else { return Vec::new() };
    let found: Vec<Finding> = named(&ends).filter_map(|(what, end)| ends_soon(&what, end, now)).collect();
    if !found.is_empty() {
        return found;
    }
    let first = named(&ends).map(|(_, end)| end).min().unwrap_or(UnixMs::MAX);
    vec![Finding::ok("expiry", format!("nothing ends before {first}"))]
}

fn named(ends: &Ends) -> impl Iterator<Item = (String, UnixMs)> {
    let certificate = ("the node's certificate".to_owned(), ends.certificate);
    let pools = ends.pools.iter().flat_map(|pool| {
        let grant = (format!("the grant of {} ({})", pool.product, pool.pool), pool.grant);
        let rows = pool.allocations.iter();
        let rows = rows.map(|&(id, end)| (format!("the allocation {id} of {}", pool.product), end));
        std::iter::once(grant).chain(rows)
    });
    std::iter::once(certificate).chain(pools)
}

fn ends_soon(what: &str, end: UnixMs, now: UnixMs) -> Option<Finding> {
    let hint = "renew with the vendor, then request and import a bundle";
    if end <= now {
        let failure = Failure::new(Code::Expired, format!("{what} ended at {end}"), hint);
        return Some(Finding::failure("expiry", &failure));
    }
    (end <= now.plus(limits::EXPIRY_NOTICE_MS))
        .then(|| Finding::warning("expiry", format!("{what} ends at {end}"), hint))
}

#[cfg(test)]
mod tests {
    use leasehold_cli::checkup::Verdict;

    use super::*;

    #[test]
    fn notice_is_given_in_time() {
        let now = UnixMs(1_800_000_000_000);
        for (in_ms, verdict) in [
            (-1, Some(Verdict::Failure)),
            (0, Some(Verdict::Failure)),
            (1, Some(Verdict::Warning)),
            (limits::EXPIRY_NOTICE_MS - 1, Some(Verdict::Warning)),
            (limits::EXPIRY_NOTICE_MS, Some(Verdict::Warning)),
            (limits::EXPIRY_NOTICE_MS + 1, None),
        ] {
            let found = ends_soon("it", now.plus(in_ms), now).map(|finding| finding.verdict());
            assert_eq!(found, verdict, "{in_ms}");
        }
    }
}
