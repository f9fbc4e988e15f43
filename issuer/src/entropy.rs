//! Randomness of the system.

use leasehold_cli::Failure;
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;

/// Fresh entropy for one input.
pub(crate) fn entropy() -> Result<Entropy, Failure> {
    random().map(Entropy::new)
}

/// Fresh random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(Code::Internal, format!("the system gives no random bytes: {error}"), "check the system")
    })?;
    Ok(bytes)
}
