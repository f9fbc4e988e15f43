//! Ed25519 and nothing else.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use leasehold_clock::Stopwatch;

/// How often the clock is not read between two readings.
const AT_ONCE: u32 = 16;

/// One key, one message, its signature.
pub(crate) struct Signed {
    secret: SigningKey,
    public: [u8; 32],
    message: Vec<u8>,
    signature: Signature,
}

impl Signed {
    /// A message of so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let (secret, message) = (SigningKey::from_bytes(&[7; 32]), vec![0x5a; bytes]);
        let signature = secret.sign(&message);
        Self { public: secret.verifying_key().to_bytes(), secret, message, signature }
    }

    /// Time of one signature.
    pub(crate) fn signing(&self, lasting: Duration) -> Result<Duration> {
        time_of_one(lasting, || {
            ensure!(self.secret.sign(&self.message) == self.signature, "a signature differs");
            Ok(())
        })
    }

    /// Time of decoding one key and checking one signature strictly.
    pub(crate) fn verifying(&self, lasting: Duration) -> Result<Duration> {
        time_of_one(lasting, || {
            let public = VerifyingKey::from_bytes(&self.public).context("the key is one")?;
            public.verify_strict(&self.message, &self.signature).context("the signature is good")
        })
    }
}

/// Does it over and over for so long, and says how long once takes.
pub(crate) fn time_of_one(lasting: Duration, mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    let clock = Stopwatch::start();
    let mut done = 0;
    loop {
        for _ in 0..AT_ONCE {
            work()?;
        }
        done += AT_ONCE;
        let elapsed = clock.elapsed();
        if elapsed >= lasting {
            return Ok(elapsed / done);
        }
    }
}
