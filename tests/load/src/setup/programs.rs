//! The programs under test, built beside this one.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// A command of the program with that name, without any setting of whoever measures.
pub(crate) fn program(name: &str) -> Result<Command> {
    let mut command = Command::new(path(name)?);
    let ambient = std::env::vars_os().map(|(name, _)| name);
    for name in ambient.filter(|name| name.to_string_lossy().starts_with("LEASEHOLD_")) {
        command.env_remove(name);
    }
    for name in ["STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    Ok(command)
}

/// The document with which a command answers that must work.
pub(super) fn json(command: &mut Command) -> Result<Value> {
    let done = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).with_context(|| format!("{command:?} answers no JSON"))
}

/// A field of it that is text.
pub(super) fn text(document: &Value, field: &str) -> Result<String> {
    document[field].as_str().map(str::to_owned).with_context(|| format!("no {field} in {document}"))
}

fn path(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.with_file_name(name);
    ensure!(path.is_file(), "there is no {}: start this with `cargo xtask bench`", path.display());
    Ok(path)
}
