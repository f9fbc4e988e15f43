//! Secrets of API keys: 256 bits, derived when they are told, known by their hash otherwise.

use std::fmt;

use data_encoding::HEXLOWER;
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::envelope::Mode;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The secret of an API key, as it is sent with requests; wiped from memory when dropped, never printed by accident.
pub(crate) struct ApiSecret(Zeroizing<String>);

impl ApiSecret {
    pub(super) fn new(mode: Mode, secret: &[u8; 32]) -> Self {
        Self(Zeroizing::new(format!("{}{}", prefix(mode), HEXLOWER.encode(secret))))
    }

    /// What it is known by.
    pub(crate) fn digest(&self) -> Digest {
        Digest(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The secret itself, to be shown to whoever asked for it.
    pub(crate) fn expose(&self) -> String {
        self.0.to_string()
    }
}

impl fmt::Debug for ApiSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiSecret([redacted])")
    }
}

/// What secrets begin with: it tells live from sandbox, and lets scanners find leaked ones.
pub(crate) const fn prefix(mode: Mode) -> &'static str {
    match mode {
        Mode::Live => "lk_live_",
        Mode::Sandbox => "lk_test_",
    }
}
