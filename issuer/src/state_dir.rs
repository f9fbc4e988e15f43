//! Where the issuer keeps its state: names inside its data directory.

use std::path::{Path, PathBuf};

use leasehold_archive::State;
use leasehold_cli::Failure;
use leasehold_protocol::code::Code;

/// The data directory.
#[derive(Clone, Debug)]
pub(crate) struct StateDir(PathBuf);

impl StateDir {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// All of it that a backup holds.
    pub(crate) fn archived(&self) -> State<'_> {
        State { kind: crate::journal::KIND, dir: &self.0, files: &["keys.age", "trust-root.lh"] }
    }

    /// Records of everything: the truth.
    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// The secret keys, encrypted.
    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys.age")
    }

    /// The trust root, for whoever verifies.
    pub(crate) fn trust_root(&self) -> PathBuf {
        self.0.join("trust-root.lh")
    }

    /// Where a daemon answers the commands of this machine.
    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.0.join("admin.sock")
    }

    /// Where a daemon says what it listens to, while it runs.
    pub(crate) fn ready_file(&self) -> PathBuf {
        self.0.join("ready.json")
    }

    /// `init` writes the trust root last: without a journal beside it, an issuer was lost, and none is beginning.
    pub(crate) fn check_not_lost(&self) -> Result<(), Failure> {
        let there = |path: PathBuf| path.symlink_metadata().is_ok();
        if there(self.journal()) || !there(self.trust_root()) {
            return Ok(());
        }
        Err(Failure::new(
            Code::JournalDamaged,
            format!(
                "the journal {} is missing, the trust root of the issuer is there",
                self.journal().display()
            ),
            "restore the journal from a backup; without one, init another directory",
        ))
    }

    /// Nothing but `init` makes state.
    pub(crate) fn not_initialised(&self) -> Failure {
        if let Err(lost) = self.check_not_lost() {
            return lost;
        }
        Failure::new(
            Code::NotInitialised,
            format!("there is no issuer in {}", self.0.display()),
            format!(
                "make one with `leasehold-issuer init --data {}`, or name another directory",
                self.0.display()
            ),
        )
    }
}
