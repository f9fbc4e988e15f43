//! The one source of chance, `SplitMix64`: splittable, so that a draw more in one part does not shift the others.

/// A stream of numbers made from one seed.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high.wrapping_sub(low).cast_unsigned().saturating_add(1).max(1);
        low.wrapping_add((self.next() % span).cast_signed())
    }

    /// From `low` to `high`, small numbers as often as large ones.
    pub(crate) fn log_between(&mut self, low: i64, high: i64) -> i64 {
        let octaves = i64::from((high / low.max(1)).max(1).ilog2());
        let octave = self.between(0, octaves);
        self.between(low << octave, (low << octave).saturating_mul(2)).min(high)
    }

    pub(crate) fn chance(&mut self, permille: i64) -> bool {
        self.between(0, 999) < permille
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let last = i64::try_from(from.len()).unwrap_or(1).saturating_sub(1);
        from[usize::try_from(self.between(0, last)).unwrap_or(0)]
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.iter_mut().zip(word).for_each(|(to, from)| *to = from);
        }
        bytes
    }
}
