//! The secret keys of one issuer, unlocked when the first of them is needed and at most once.

use std::path::PathBuf;

use leasehold_cli::{Failure, PassphraseArgs};
use leasehold_issuer_core::Issuer;
use leasehold_protocol::code::Code;
use leasehold_protocol::keys::Signer as _;

use crate::signing::Keys;
use crate::state_dir::StateDir;

/// Keys that may still be locked.
pub(crate) struct Keyring {
    path: PathBuf,
    passphrase: PassphraseArgs,
    unlocked: Option<Keys>,
}

impl Keyring {
    /// The keys in `dir`, for which `passphrase` tells where the passphrase comes from.
    pub(crate) fn new(dir: &StateDir, passphrase: &PassphraseArgs) -> Self {
        Self { path: dir.keys(), passphrase: passphrase.clone(), unlocked: None }
    }

    /// The keys of `issuer`; asks for the passphrase if no file has it.
    pub(crate) fn unlock(&mut self, issuer: &Issuer) -> Result<&Keys, Failure> {
        let keys = match self.unlocked.take() {
            Some(keys) => keys,
            None => self.read(issuer)?,
        };
        Ok(self.unlocked.insert(keys))
    }

    fn read(&self, issuer: &Issuer) -> Result<Keys, Failure> {
        let keys = Keys::unlock(&self.path, &self.passphrase.existing()?)?;
        let online = keys.online().public_key().id();
        if issuer.trust_root().is_some_and(|trust| trust.root().key(online).is_some()) {
            return Ok(keys);
        }
        Err(Failure::new(
            Code::ConfigInvalid,
            format!("{} holds the keys of another issuer", self.path.display()),
            "put the key file of this issuer back",
        ))
    }
}
