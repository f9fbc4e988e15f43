//! Artefacts as they arrive: a file or body in any form, bounded before it is parsed.

use std::path::Path;

use leasehold_cli::Failure;
use leasehold_cli::files::{self, FileOrStdin};
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::code::Code;
use leasehold_protocol::limits::{ARMOUR_BYTES, LARGE_ENVELOPE_BYTES};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::trust_root::TrustRoot;

/// The envelope in what was received; nothing in it is verified yet.
pub(crate) fn envelope(received: &[u8]) -> Result<Vec<u8>, Problem> {
    let envelope = unarmour(received).map_err(|error| malformed(&error.to_string()))?;
    if envelope.len() > LARGE_ENVELOPE_BYTES {
        return Err(malformed(&format!("it is larger than {LARGE_ENVELOPE_BYTES} bytes")));
    }
    Ok(envelope)
}

/// A trust root that was handed over as a file, and its envelope.
pub(crate) fn trust_root(file: &Path) -> Result<(Vec<u8>, TrustRoot), Failure> {
    let envelope = envelope(&files::read(&FileOrStdin::File(file.to_owned()), ARMOUR_BYTES)?)?;
    let root = TrustRoot::pin(&envelope).map_err(|error| {
        let hint = "get it again from the vendor: `leasehold-issuer trust export`";
        Failure::new(error.code(), format!("{}: {error}", file.display()), hint)
    })?;
    Ok((envelope, root))
}

fn malformed(why: &str) -> Problem {
    let hint = "check that it is the right file and was copied whole";
    Problem::new(Code::Malformed, format!("the artefact cannot be read: {why}"), hint)
}

#[cfg(test)]
mod tests {
    use leasehold_protocol::envelope::MAGIC;

    use super::*;

    #[test]
    fn an_envelope_is_bounded() {
        for (bytes, allowed) in [
            (LARGE_ENVELOPE_BYTES - 1, true),
            (LARGE_ENVELOPE_BYTES, true),
            (LARGE_ENVELOPE_BYTES + 1, false),
        ] {
            let mut received = MAGIC.to_vec();
            received.resize(bytes, 0);
            assert_eq!(envelope(&received).is_ok(), allowed, "{bytes}");
        }
    }

    #[test]
    fn what_is_none_is_malformed() {
        for received in [&b""[..], b" \n", b"lh1_", b"lh1_bundle_!", b"{}", b"\xff\xfe"] {
            assert_eq!(envelope(received).unwrap_err().code, Code::Malformed, "{received:?}");
        }
    }
}
