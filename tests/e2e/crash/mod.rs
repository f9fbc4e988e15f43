//! Crashes and disks, on real processes and their real journals: a process dies before and after every step that
//! changes what is stored, the disk fills up, refuses, lies, and is found changed.
//!
//! Whatever happens, within ten seconds a program has started, or has said why not: with a stable code, an exit code and
//! a hint. What was acknowledged is there, or the start is refused.

mod full;
mod issuer;
mod node_points;
mod odd;
mod points;
mod work;

use std::env;

/// What is done more of in the nightly form.
pub(crate) fn amount(usual: usize, nightly: usize) -> usize {
    if env::var_os("LEASEHOLD_NIGHTLY").is_some() { nightly } else { usual }
}
