//! Randomness as an argument of a core.

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
        const { assert!(N <= 32) };
        let block = Sha256::new().chain_update(self.seed).chain_update(self.drawn.to_le_bytes()).finalize();
        self.drawn = self.drawn.saturating_add(1);
        let mut out = [0; N];
        out.iter_mut().zip(block).for_each(|(to, from)| *to = from);
        out
    }

    /// A number from 0 to `bound`, both included; 0 if `bound` is negative. The bias is below 2⁻²⁰ for spans of time.
    pub fn up_to(&mut self, bound: i64) -> i64 {
        let number = i64::from_le_bytes(self.draw::<8>()) & i64::MAX;
        number.checked_rem(bound.max(0).saturating_add(1)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Entropy;

    #[test]
    fn one_seed_gives_one_sequence_without_repetition() {
        let (mut a, mut b) = (Entropy::new([7; 32]), Entropy::new([7; 32]));
        let drawn: std::collections::BTreeSet<[u8; 16]> = (0..100).map(|_| a.draw()).collect();
        assert_eq!(drawn.len(), 100);
        assert!((0..100).all(|_| drawn.contains(&b.draw())));
        assert_ne!(Entropy::new([8; 32]).draw::<16>(), Entropy::new([7; 32]).draw::<16>());
    }

    #[test]
    fn numbers_stay_within_their_bound() {
        let mut entropy = Entropy::new([1; 32]);
        for bound in [i64::MIN, -1, 0] {
            assert_eq!(entropy.up_to(bound), 0);
        }
        let drawn: std::collections::BTreeSet<i64> = (0..200).map(|_| entropy.up_to(3)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(entropy.up_to(i64::MAX) >= 0);
    }
}
