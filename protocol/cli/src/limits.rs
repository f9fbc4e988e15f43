//! The bounds of this package.

/// Longest span of time an argument may name: a hundred years of 365 days.
pub(crate) const DURATION_MAX_MS: i64 = 36_500 * 86_400_000;

/// First and last year of an instant in an argument, in UTC.
pub(crate) const INSTANT_YEARS: std::ops::RangeInclusive<i32> = 1970..=9999;

/// Bytes of a configuration file.
pub(crate) const CONFIG_BYTES: usize = 1024 * 1024;

/// A service manager that watches is told at most this often that a daemon still turns.
pub(crate) const WATCHDOG_MS: i64 = 1000;

/// A doctor warns where less is free on the disk: two segments of the journal, and room for the rest.
pub(crate) const FREE_BYTES_NOTICE: u64 = 512 * 1024 * 1024;

/// Longest passphrase, in bytes.
pub(crate) const PASSPHRASE_MAX_BYTES: usize = 4096;
