//! Randomness as an argument.

use sha2::{Digest as _, Sha256};

/// A 32-byte seed from the shell, expanded by SHA-256: one seed per input.
#[derive(Clone, Debug)]
pub struct Entropy {
    seed: [u8; 32],
    drawn: u64,
}

impl Entropy {
    /// From fresh random bytes (or, in a simulation, from its generator).
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next `N` ≤ 32 bytes.
    pub fn draw<const N: usize>(&mut self) -> [u8; N] {
        let block = Sha256::new().chain_update(self.seed).chain_update(self.drawn.to_le_bytes()).finalize();
        self.drawn = self.drawn.saturating_add(1);
        let mut out = [0; N];
        out.iter_mut().zip(block).for_each(|(to, from)| *to = from);
        out
    }
}
