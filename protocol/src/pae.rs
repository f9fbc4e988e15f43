//! Pre-authentication encoding of PASETO: the one way byte strings are joined before hashing or signing.

/// `le64(count) ‖ (le64(len) ‖ bytes)*`: no two lists of parts have the same encoding (SPEC PAE-1).
pub fn pae(parts: &[&[u8]]) -> Vec<u8> {
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(bytes + 8 * (parts.len() + 1));
    out.extend_from_slice(&le64(parts.len()));
    for part in parts {
        out.extend_from_slice(&le64(part.len()));
        out.extend_from_slice(part);
    }
    out
}

fn le64(len: usize) -> [u8; 8] {
    (len as u64).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::pae;

    #[test]
    fn matches_the_published_examples_of_paseto() {
        assert_eq!(pae(&[]), [0; 8]);
        assert_eq!(pae(&[b""]), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(pae(&[b"test"]), *b"\x01\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0test");
    }

    #[test]
    fn moving_a_byte_between_parts_changes_the_encoding() {
        assert_ne!(pae(&[b"ab", b"c"]), pae(&[b"a", b"bc"]));
    }
}
