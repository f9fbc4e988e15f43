//! Where a program keeps its state when nobody says.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use leasehold_protocol::code::Code;
use nix::unistd::{Uid, User};

use crate::Failure;

/// Whose state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The vendor's.
    Issuer,
    /// The customer's.
    Node,
}

/// The directory for a command without `--data`: `$STATE_DIRECTORY` (a service manager sets it), for root
/// `/var/lib/leasehold-…`, for others `$XDG_STATE_HOME/leasehold/…`.
pub fn default_data_dir(side: Side) -> Result<PathBuf, Failure> {
    choose(side, Uid::effective().is_root(), &|name| std::env::var_os(name))
}

/// State that belongs to another user of this machine.
pub fn not_owner(dir: &Path, error: &io::Error) -> Failure {
    let owner = std::fs::metadata(dir).ok().map(|found| Uid::from_raw(found.uid()));
    let name = owner.and_then(|uid| User::from_uid(uid).ok().flatten()).map(|user| user.name);
    let hint = match (name, owner) {
        (Some(name), _) => format!("run this as {name}, whose state it is: `runuser -u {name} -- COMMAND`"),
        (None, Some(uid)) => format!("run this as the user {uid}, whose state it is"),
        (None, None) => "run this as the user that the service runs as".to_owned(),
    };
    Failure::new(Code::NotFound, format!("cannot enter {}: {error}", dir.display()), hint)
}

fn choose(side: Side, root: bool, env: &dyn Fn(&str) -> Option<OsString>) -> Result<PathBuf, Failure> {
    let name = match side {
        Side::Issuer => "issuer",
        Side::Node => "node",
    };
    // Relative paths are ignored, as the base directory specification wants.
    let absolute = |path: &PathBuf| path.is_absolute();
    let variable = |name: &str| env(name).map(PathBuf::from).filter(absolute);
    if let Some(dir) = env("STATE_DIRECTORY").map(|list| first_path(&list)).filter(absolute) {
        return Ok(dir);
    }
    if root {
        return Ok(PathBuf::from(format!("/var/lib/leasehold-{name}")));
    }
    let home_state = || variable("HOME").map(|home| home.join(".local/state"));
    let state = variable("XDG_STATE_HOME").or_else(home_state).ok_or_else(|| {
        Failure::new(
            Code::ConfigInvalid,
            "this user has no home directory to keep state in",
            "add --data DIR",
        )
    })?;
    Ok(state.join("leasehold").join(name))
}

/// A unit with several state directories gets them separated by colons; the first is its own.
fn first_path(list: &OsStr) -> PathBuf {
    let first = list.as_bytes().split(|byte| *byte == b':').next().unwrap_or_default();
    PathBuf::from(OsStr::from_bytes(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(side: Side, root: bool, env: &[(&str, &str)], expected: Option<&str>) {
        let lookup = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        let dir = choose(side, root, &lookup);
        match expected {
            Some(expected) => assert_eq!(dir.unwrap(), PathBuf::from(expected), "{env:?}"),
            None => assert_eq!(dir.unwrap_err().code(), Code::ConfigInvalid, "{env:?}"),
        }
    }

    #[test]
    fn whose_state_it_is_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let failure = not_owner(dir.path(), &io::ErrorKind::PermissionDenied.into());
        let owner = crate::os_user();
        assert!(failure.problem().hint.starts_with(&format!("run this as {owner}")), "{failure:?}");
        let nowhere = not_owner(Path::new("/nonexistent"), &io::ErrorKind::PermissionDenied.into());
        assert_eq!(nowhere.problem().hint, "run this as the user that the service runs as");
    }

    #[test]
    fn the_rule_in_its_order() {
        let (state, xdg, home) = (("STATE_DIRECTORY", "/s"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h"));
        check(Side::Node, true, &[state, xdg, home], Some("/s"));
        check(Side::Node, false, &[state, xdg, home], Some("/s"));
        check(Side::Node, false, &[("STATE_DIRECTORY", "/a:/b")], Some("/a"));
        check(Side::Node, true, &[xdg, home], Some("/var/lib/leasehold-node"));
        check(Side::Issuer, true, &[], Some("/var/lib/leasehold-issuer"));
        check(Side::Issuer, false, &[xdg, home], Some("/x/leasehold/issuer"));
        check(Side::Node, false, &[home], Some("/h/.local/state/leasehold/node"));
        check(
            Side::Node,
            false,
            &[("XDG_STATE_HOME", "relative"), home],
            Some("/h/.local/state/leasehold/node"),
        );
        check(Side::Node, false, &[("XDG_STATE_HOME", ""), home], Some("/h/.local/state/leasehold/node"));
        check(Side::Node, false, &[("HOME", "")], None);
        check(Side::Node, false, &[], None);
    }
}
