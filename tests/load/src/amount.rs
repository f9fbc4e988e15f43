//! Counts as numbers to calculate with.

/// The count, exactly: nothing that is counted here comes near 2⁵².
pub(crate) const fn amount(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let amount = count as f64;
    amount
}
