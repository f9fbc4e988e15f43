//! What every command is given.

use leasehold_cli::{Failure, Output, PassphraseArgs, Side, default_data_dir};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::args::{ChangeArgs, IssuerArgs};
use crate::backend::{Backend, Call};
use crate::state_dir::StateDir;

/// Where the issuer is, where answers go, and where the passphrase comes from.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) output: Output,
    pub(crate) dir: StateDir,
    pub(crate) passphrase: PassphraseArgs,
    pub(crate) backend: Backend,
    named_dir: bool,
}

impl Context {
    pub(crate) fn new(args: &IssuerArgs, output: Output) -> Result<Self, Failure> {
        let dir = match &args.data {
            Some(dir) => dir.clone(),
            None => default_data_dir(Side::Issuer)?,
        };
        let dir = StateDir::new(dir);
        let backend = match args.remote.remote()? {
            Some(remote) => Backend::Remote(remote),
            None => Backend::Local(dir.clone(), args.passphrase.clone()),
        };
        let passphrase = args.passphrase.clone();
        Ok(Self { output, dir, passphrase, backend, named_dir: args.data.is_some() })
    }

    /// Refuses what is done where the state is, if an issuer elsewhere is meant.
    pub(crate) fn require_local(&self, verb: &str) -> Result<(), Failure> {
        match &self.backend {
            Backend::Local(..) => Ok(()),
            Backend::Remote(_) => {
                let detail = format!("`{verb}` is for an issuer on this machine, not for one elsewhere");
                Err(Failure::usage(detail, "leave --url out, or run it there"))
            }
        }
    }

    /// Whether commands open the state themselves.
    pub(crate) fn is_local_without_daemon(&self) -> bool {
        let running = || std::os::unix::net::UnixStream::connect(self.dir.admin_socket()).is_ok();
        matches!(self.backend, Backend::Local(..)) && !running()
    }

    /// Reads a document.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T, Failure> {
        self.backend.call(Call::get(path, query))
    }

    /// Makes a change.
    pub(crate) fn change<T: DeserializeOwned>(
        &self,
        path: &str,
        args: &ChangeArgs,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.backend.call(Call::change(path, &args.head(&self.backend)?, body))
    }

    /// A command of this program as it is typed for the same state.
    pub(crate) fn command(&self, verb: &str) -> String {
        if self.named_dir {
            format!("leasehold-issuer {verb} --data {}", self.dir.path().display())
        } else {
            format!("leasehold-issuer {verb}")
        }
    }
}
