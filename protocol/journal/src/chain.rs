//! What links frames: the hash chain, where it begins, and where it ends now.

use std::fmt;

use leasehold_protocol::seq::Seq;
use sha2::{Digest as _, Sha256};

use crate::limits;

/// The hash chain after one frame: it stands for that frame and everything before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chain(pub [u8; 32]);

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain({self})")
    }
}

/// The end of a journal, or of a part of it: what the next frame continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The number the next record gets.
    pub next_seq: Seq,
    /// The chain up to here.
    pub chain: Chain,
}

/// What makes one journal different from all others; fixed when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    kind: String,
    realm: [u8; 16],
    random: [u8; 16],
    segment_bytes: u32,
}

/// A journal cannot be made like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisRefused {
    /// The kind has no or too many bytes.
    #[error("a journal's kind has 1 to {} bytes", limits::KIND_BYTES)]
    Kind,
    /// The segment size is out of bounds.
    #[error("a segment has {} to {} bytes", limits::SEGMENT_BYTES_MIN, limits::SEGMENT_BYTES)]
    SegmentBytes,
}

impl Genesis {
    /// A journal of one `kind` (`node`, `issuer`) for one `realm`; `random` must be fresh.
    pub fn new(kind: &str, realm: [u8; 16], random: [u8; 16]) -> Result<Self, GenesisRefused> {
        if kind.is_empty() || kind.len() > limits::KIND_BYTES {
            return Err(GenesisRefused::Kind);
        }
        Ok(Self { kind: kind.to_owned(), realm, random, segment_bytes: limits::SEGMENT_BYTES })
    }

    /// The same with smaller segments, so that tests see many of them.
    pub fn with_segment_bytes(self, segment_bytes: u32) -> Result<Self, GenesisRefused> {
        if !(limits::SEGMENT_BYTES_MIN..=limits::SEGMENT_BYTES).contains(&segment_bytes) {
            return Err(GenesisRefused::SegmentBytes);
        }
        Ok(Self { segment_bytes, ..self })
    }

    /// What kind of program keeps this journal.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The realm the journal belongs to.
    pub const fn realm(&self) -> &[u8; 16] {
        &self.realm
    }

    /// What no other journal has.
    pub const fn random(&self) -> &[u8; 16] {
        &self.random
    }

    /// Bytes of each of its segment files.
    pub const fn segment_bytes(&self) -> u32 {
        self.segment_bytes
    }

    /// The end of the empty journal: `prev` of the first frame is
    /// SHA-256(`LH1-journal`, kind, realm, random), each part after its length as u16 LE.
    pub fn tail(&self) -> Tail {
        let mut hash = Sha256::new();
        for part in [b"LH1-journal".as_slice(), self.kind.as_bytes(), &self.realm, &self.random] {
            let len = u16::try_from(part.len()).expect("the kind is bounded, the rest is short");
            hash.update(len.to_le_bytes());
            hash.update(part);
        }
        Tail { next_seq: Seq::FIRST, chain: Chain(hash.finalize().into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Genesis, GenesisRefused};
    use crate::limits;

    #[test]
    fn journals_that_differ_in_anything_begin_differently() {
        let tails = [
            Genesis::new("node", [1; 16], [2; 16]),
            Genesis::new("issuer", [1; 16], [2; 16]),
            Genesis::new("node", [9; 16], [2; 16]),
            Genesis::new("node", [1; 16], [9; 16]),
        ]
        .map(|genesis| genesis.unwrap().tail().chain);
        for (i, tail) in tails.iter().enumerate() {
            assert!(!tails[..i].contains(tail));
        }
        // printf '\x0b\0LH1-journal\x04\0node\x10\0' + 16 × 01 + '\x10\0' + 16 × 02 | sha256sum
        assert_eq!(tails[0].to_string(), "def87ccfbc7e0d9828ab7d9679f51f8711c08b20f378ab54e94f1ad6bce350cb");
    }

    #[test]
    fn the_kind_is_bounded() {
        let make = |len: usize| Genesis::new(&"k".repeat(len), [0; 16], [0; 16]).map(|_| ());
        assert_eq!(make(0), Err(GenesisRefused::Kind));
        assert_eq!(make(1), Ok(()));
        assert_eq!(make(limits::KIND_BYTES - 1), Ok(()));
        assert_eq!(make(limits::KIND_BYTES), Ok(()));
        assert_eq!(make(limits::KIND_BYTES + 1), Err(GenesisRefused::Kind));
    }

    #[test]
    fn the_segment_size_is_bounded() {
        let make = |bytes| Genesis::new("k", [0; 16], [0; 16]).unwrap().with_segment_bytes(bytes).map(|_| ());
        for bytes in [limits::SEGMENT_BYTES_MIN - 1, limits::SEGMENT_BYTES + 1] {
            assert_eq!(make(bytes), Err(GenesisRefused::SegmentBytes));
        }
        for bytes in [
            limits::SEGMENT_BYTES_MIN,
            limits::SEGMENT_BYTES_MIN + 1,
            limits::SEGMENT_BYTES - 1,
            limits::SEGMENT_BYTES,
        ] {
            assert_eq!(make(bytes), Ok(()));
        }
    }
}
