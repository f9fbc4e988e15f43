//! The trust root of this machine or user.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use leasehold_cli::Failure;
use leasehold_cli::files::{self, FileOrStdin};
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::code::Code;
use leasehold_protocol::limits::ARMOUR_BYTES;
use leasehold_protocol::trust_root::TrustRoot;

/// The root in the file that was named, or in the first default place that has one.
pub(crate) fn trust_root(named: Option<&Path>) -> Result<TrustRoot, Failure> {
    find(named)?.map_or_else(|| Err(missing("no trust root is configured".to_owned())), |path| read(&path))
}

/// The same for commands that can do without one: only a root that was named, or is there, must be good.
pub(crate) fn optional_trust_root(named: Option<&Path>) -> Result<Option<TrustRoot>, Failure> {
    find(named)?.map(|path| read(&path)).transpose()
}

fn find(named: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    if let Some(path) = named {
        return match path.try_exists() {
            Ok(false) => Err(missing(format!("there is no trust root at {}", path.display()))),
            _ => Ok(Some(path.to_owned())),
        };
    }
    for path in default_places(&|name| std::env::var_os(name)) {
        match std::fs::symlink_metadata(&path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            _ => return Ok(Some(path)),
        }
    }
    Ok(None)
}

fn default_places(env: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    // Relative paths are ignored, as the base directory specification wants.
    let absolute = |name| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let user = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    user.into_iter().chain([PathBuf::from("/etc")]).map(|dir| dir.join("leasehold/trust-root.lh")).collect()
}

fn read(path: &Path) -> Result<TrustRoot, Failure> {
    let bytes = files::read(&FileOrStdin::File(path.to_owned()), ARMOUR_BYTES)?;
    let refused = |error: &dyn std::fmt::Display| {
        let detail = format!("{} is no trust root: {error}", path.display());
        Failure::new(Code::ConfigInvalid, detail, "copy the vendor's trust root file again")
    };
    let envelope = unarmour(&bytes).map_err(|error| refused(&error))?;
    TrustRoot::pin(&envelope).map_err(|error| refused(&error))
}

fn missing(detail: String) -> Failure {
    Failure::new(Code::TrustRootMissing, detail, "add --trust FILE: the vendor's trust-root.lh")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_comes_before_the_machine() {
        let places = |env: &[(&str, &str)]| {
            default_places(&|name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
        };
        let path = |dir: &str| PathBuf::from(dir).join("leasehold/trust-root.lh");
        for (env, expected) in [
            (&[("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")][..], vec![path("/x"), path("/etc")]),
            (&[("HOME", "/h")], vec![path("/h/.config"), path("/etc")]),
            (&[("XDG_CONFIG_HOME", "x"), ("HOME", "")], vec![path("/etc")]),
            (&[], vec![path("/etc")]),
        ] {
            assert_eq!(places(env), expected, "{env:?}");
        }
    }
}
