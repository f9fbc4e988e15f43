//! The bounds of this program.

/// Costs of the key derivation that may be chosen: 2ᴺ rounds of scrypt.
pub(crate) const KDF_COST: std::ops::RangeInclusive<u8> = 10..=22;
/// The cost when nobody chooses: about a second.
pub(crate) const KDF_COST_DEFAULT: u8 = 18;
/// Bytes of the encrypted key file.
pub(crate) const KEY_FILE_BYTES: usize = 4096;
/// Records that an audit query shows when nobody says how many.
pub(crate) const AUDIT_RECORDS_DEFAULT: usize = 1000;
