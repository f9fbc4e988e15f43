//! `doctor`: looks at everything an issuer needs, beside a daemon or without one, and says what to do.
//!
//! It only looks: it takes no lock, writes nothing, needs no passphrase, and asks nobody but the issuer's own daemon.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use leasehold_cli::checkup::{Checkup, Finding, machine};
use leasehold_cli::{Exit, Failure};
use leasehold_protocol::code::Code;
use leasehold_protocol::time::UnixMs;

use crate::context::Context;
use crate::serve::config;
use crate::state_dir::StateDir;
use crate::store::Store;
use crate::{audit_check, limits};

pub(super) fn run(context: &Context, named: Option<&Path>) -> Result<Exit, Failure> {
    let dir = &context.dir;
    let mut checkup = Checkup::default();
    let failure = config::load(named).and_then(|config| config.addresses(&[])).err();
    checkup.add(machine::configuration(named, Path::new(config::DEFAULT_FILE), failure.as_ref()));
    checkup.add(machine::private_directories(&[dir.path().to_owned(), dir.journal()]));
    checkup.add(keys(dir));
    checkup.add(daemon(context));
    checkup.add(journal(dir));
    checkup.add(machine::disk(dir.path()));
    checkup.add(machine::time_service(&leasehold_clock::read()));
    checkup.add(trust_root(context));
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

/// The end of a root warns, and denies nothing.
fn trust_root(context: &Context) -> Finding {
    let root = Store::read(&context.dir, &context.passphrase).map(|store| {
        let root = store.issuer.trust_root()?.root();
        Some((root.version, root.not_after))
    });
    match (root, leasehold_clock::wall()) {
        (Ok(Some((version, end))), Ok(now)) => ending(version, end, now),
        (Ok(_), _) => Finding::failure("trust root", &context.dir.not_initialised()),
        (Err(failure), _) => Finding::failure("trust root", &failure),
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
