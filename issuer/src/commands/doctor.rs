//! `doctor`: looks at everything an issuer needs, beside a daemon or without one, and says what to do.
//!
//! It only looks: it takes no lock, writes nothing, needs no passphrase, and asks nobody but the issuer's own daemon.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use leasehold_cli::checkup::{Checkup, Finding, machine};
use leasehold_cli::{Exit, Failure};
use leasehold_issuer_core::Issuer;
use leasehold_protocol::code::Code;
use leasehold_protocol::time::UnixMs;

use super::validate;
use crate::commit::read_clock;
use crate::context::Context;
use crate::serve::config;
use crate::state_dir::StateDir;
use crate::store::Store;
use crate::{audit_check, limits};

pub(super) fn run(context: &Context, named: Option<&Path>) -> Result<Exit, Failure> {
    let dir = &context.dir;
    let mut checkup = Checkup::default();
    let failure = validate::check(context, named).err();
    checkup.add(machine::configuration(named, Path::new(config::DEFAULT_FILE), failure.as_ref()));
    checkup.add(machine::private_directories(&[dir.path().to_owned(), dir.journal()]));
    checkup.add(keys(dir));
    checkup.add(daemon(context));
    checkup.add(journal(dir));
    checkup.add(machine::disk(dir.path()));
    checkup.add(machine::time_service(&leasehold_clock::read()));
    match Store::read(dir, &context.passphrase) {
        Ok(store) => {
            checkup.add(clock(&store.issuer));
            checkup.add(trust_root(context, &store.issuer));
            checkup.add(recovery(context, &store.issuer));
        }
        Err(failure) => checkup.add(Finding::failure("state", &failure)),
    }
    checkup.answer(context.output)
}

fn keys(dir: &StateDir) -> Finding {
    let path = dir.keys();
    match fs::metadata(&path) {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => Finding::warning(
            "keys",
            format!("others may read {}", path.display()),
            format!("chmod 600 {}, and think about who has read it", path.display()),
        ),
        Ok(_) => Finding::ok("keys", format!("{} is for its owner alone", path.display())),
        Err(error) => Finding::failure("keys", &Failure::cannot_read(&path, &error)),
    }
}

fn daemon(context: &Context) -> Finding {
    let dir = &context.dir;
    if UnixStream::connect(dir.admin_socket()).is_ok() {
        return Finding::ok("daemon", "it runs and takes connections");
    }
    match machine::locked_by(&dir.journal()) {
        Some(process) => {
            let detail = format!("process {process} has the journal open and no socket to ask it");
            let busy = Failure::new(Code::Busy, detail, "end it, or wait for its end");
            Finding::failure("daemon", &busy)
        }
        None => Finding::warning(
            "daemon",
            "no daemon runs: nodes are served by files only",
            format!("`systemctl start leasehold-issuer`, or `{}`", context.command("serve")),
        ),
    }
}

fn journal(dir: &StateDir) -> Finding {
    match audit_check::check(dir) {
        Ok(found) => {
            let detail = format!(
                "{} records in {} frames verify, and {} bundles",
                found.records, found.frames, found.bundles
            );
            Finding::ok("journal", detail)
        }
        Err(failure) => Finding::failure("journal", &failure),
    }
}

/// Whether changes are refused for the time that the machine shows.
fn clock(issuer: &Issuer) -> Finding {
    let checked = read_clock().and_then(|now| {
        issuer.check_clock(&now)?;
        Ok((now.wall_ms, issuer.stamp_of(&now).suspect))
    });
    match checked {
        Ok((wall, false)) => Finding::ok("clock", format!("GOOD, it is about {wall}")),
        Ok((wall, true)) => Finding::warning(
            "clock",
            format!("SUSPECT, it shows {wall}, which is before what is certain"),
            "set the clock of this machine right",
        ),
        Err(failure) => Finding::failure("clock", &failure),
    }
}

/// Whether seats are given, and to nodes of which there is one.
fn recovery(context: &Context, issuer: &Issuer) -> Finding {
    let (frozen, forked) =
        (issuer.frozen().count(), issuer.nodes().filter(|node| node.forked.is_some()).count());
    if frozen > 0 {
        let detail = format!("{frozen} accounts are frozen: promises may be forgotten");
        let hint = format!("`{}` tells what they lack", context.command("recover --dry-run"));
        return Finding::warning("recovery", detail, hint);
    }
    if forked > 0 {
        let detail = format!("{forked} nodes contradicted themselves: there are two of them");
        return Finding::warning(
            "recovery",
            detail,
            "end the copies, and `leasehold-node recover` what remains",
        );
    }
    Finding::ok("recovery", "no account is frozen, no node forked")
}

/// The end of a root warns, and denies nothing.
fn trust_root(context: &Context, issuer: &Issuer) -> Finding {
    let root = issuer.trust_root().map(|trust| (trust.root().version, trust.root().not_after));
    match (root, leasehold_clock::wall()) {
        (Some((version, end)), Ok(now)) => ending(version, end, now),
        _ => Finding::failure("trust root", &context.dir.not_initialised()),
    }
}

fn ending(version: u32, end: UnixMs, now: UnixMs) -> Finding {
    let detail = format!("version {version} is good until {end}");
    if now.plus(limits::ROOT_NOTICE_MS) < end {
        return Finding::ok("trust root", detail);
    }
    Finding::warning("trust root", detail, "sign a new root, and hand it out, before that")
}

#[cfg(test)]
mod tests {
    use leasehold_cli::checkup::Verdict;

    use super::*;

    #[test]
    fn the_end_of_a_root_is_announced_in_time() {
        let now = UnixMs(1_800_000_000_000);
        let notice = limits::ROOT_NOTICE_MS;
        for (in_ms, verdict) in [
            (-1, Verdict::Warning),
            (notice - 1, Verdict::Warning),
            (notice, Verdict::Warning),
            (notice + 1, Verdict::Ok),
        ] {
            assert_eq!(ending(1, now.plus(in_ms), now).verdict(), verdict, "{in_ms}");
        }
    }
}
