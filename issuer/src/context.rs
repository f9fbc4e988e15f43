//! What every command is given.

use leasehold_cli::{Failure, Output, PassphraseArgs, Side, default_data_dir};
use leasehold_issuer_core::Issuer;
use leasehold_protocol::code::Code;
use leasehold_protocol::keys::Signer as _;

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

    /// The secret keys of `issuer`; asks for the passphrase if no file has it.
    pub(crate) fn unlock(&self, issuer: &Issuer) -> Result<Keys, Failure> {
        let path = self.dir.keys();
        let keys = Keys::unlock(&path, &self.passphrase.existing()?)?;
        let online = keys.online().public_key().id();
        if issuer.trust_root().is_some_and(|trust| trust.root().key(online).is_some()) {
            return Ok(keys);
        }
        Err(Failure::new(
            Code::ConfigInvalid,
            format!("{} holds the keys of another issuer", path.display()),
            "put the key file of this issuer back",
        ))
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
