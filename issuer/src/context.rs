//! What every command is given.

use leasehold_cli::{Failure, Output, PassphraseArgs, Side, default_data_dir};

use crate::args::IssuerArgs;
use crate::signing::Keys;
use crate::state_dir::StateDir;

/// Where the state is, where answers go, and where the passphrase comes from.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) output: Output,
    pub(crate) dir: StateDir,
    pub(crate) passphrase: PassphraseArgs,
    named_dir: bool,
}

impl Context {
    pub(crate) fn new(args: &IssuerArgs, output: Output) -> Result<Self, Failure> {
        let dir = match &args.data {
            Some(dir) => dir.clone(),
            None => default_data_dir(Side::Issuer)?,
        };
        Ok(Self {
            output,
            dir: StateDir::new(dir),
            passphrase: args.passphrase.clone(),
            named_dir: args.data.is_some(),
        })
    }

    /// The secret keys; asks for the passphrase if no file has it.
    pub(crate) fn unlock(&self) -> Result<Keys, Failure> {
        Keys::unlock(&self.dir.keys(), &self.passphrase.existing()?)
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
