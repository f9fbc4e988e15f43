//! Where keys lie: `keys/<name>.pem` of the data directory, or a credential that the service manager hands in.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use leasehold_cli::Failure;
use leasehold_cli::files::{self, Access, Existing};
use leasehold_protocol::code::Code;
use nix::fcntl::OFlag;
use zeroize::Zeroizing;

use super::{NodeKey, wiped};
use crate::data_dir::DataDir;
use crate::limits;

/// Which of the node's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyName {
    /// Signs tickets, requests and receipts.
    Sign,
    /// Identifies the node in TLS.
    Tls,
}

impl KeyName {
    const fn file(self) -> &'static str {
        match self {
            Self::Sign => "sign.pem",
            Self::Tls => "tls.pem",
        }
    }

    const fn credential(self) -> &'static str {
        match self {
            Self::Sign => "leasehold-node-sign.pem",
            Self::Tls => "leasehold-node-tls.pem",
        }
    }
}

/// The key: the service manager's credential if there is one, else the file.
pub(crate) fn load(dir: &DataDir, name: KeyName) -> Result<NodeKey, Failure> {
    match credential(name) {
        Some(path) => read(&path, Secrecy::ServiceManager),
        None => read(&dir.keys().join(name.file()), Secrecy::OwnMode),
    }
}

/// The credential, or a new key in its file, durable on return: `init` has seen that nothing uses an earlier one.
pub(crate) fn credential_or_new(dir: &DataDir, name: KeyName) -> Result<NodeKey, Failure> {
    if let Some(path) = credential(name) {
        return read(&path, Secrecy::ServiceManager);
    }
    let key = NodeKey::generate().map_err(|error| {
        Failure::new(Code::Internal, format!("the system gives no randomness: {error}"), "check the kernel")
    })?;
    files::make_private_dir(&dir.keys())?;
    files::write(&dir.keys().join(name.file()), key.to_pem().as_bytes(), Access::Owner, Existing::Replace)?;
    Ok(key)
}

/// Who keeps others from reading the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrecy {
    OwnMode,
    ServiceManager,
}

fn credential(name: KeyName) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(name.credential());
    path.exists().then_some(path)
}

fn read(path: &Path, secrecy: Secrecy) -> Result<NodeKey, Failure> {
    let file =
        open(path).map_err(|error| cannot_use(path, &error.to_string(), "restore the file from a backup"))?;
    let mode = file
        .metadata()
        .map(|metadata| metadata.mode())
        .map_err(|error| Failure::cannot_read(path, &error))?;
    if secrecy == Secrecy::OwnMode && mode & 0o077 != 0 {
        let hint = format!("chmod 600 {}, and consider whether somebody has read it", path.display());
        return Err(cannot_use(path, "others may read it", &hint));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(limits::KEY_FILE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::cannot_read(path, &error))?;
    wiped(std::mem::take(&mut *bytes))
        .and_then(|pem| NodeKey::from_pem(&pem))
        .map_err(|error| cannot_use(path, &error.to_string(), "restore the file from a backup"))
}

fn open(path: &Path) -> io::Result<File> {
    // What stands in its place is not waited for.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

fn cannot_use(path: &Path, why: &str, hint: &str) -> Failure {
    Failure::new(Code::ConfigInvalid, format!("cannot use the key {}: {why}", path.display()), hint)
}
