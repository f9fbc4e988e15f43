//! The list of an archive's contents, which is its last entry.

use leasehold_cli::Failure;
use leasehold_journal::{Chain, Tail};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::seq::Seq;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub(crate) const NAME: &str = "CONTENTS.json";

const FORMAT: u16 = 1;

/// What an archive holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// Version of this list.
    format: u16,
    /// The kind of journal.
    pub kind: String,
    /// The last record of the journal.
    pub seq: u64,
    /// The journal's chain after it.
    pub head: Digest,
    /// Every file, in the archive's order.
    pub files: Vec<Entry>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its path in the data directory.
    pub path: String,
    /// How many bytes of it are there; zeros at the end of a segment are not.
    pub bytes: u64,
    /// Their hash.
    pub sha256: Digest,
}

impl Contents {
    pub(crate) fn new(kind: &str, tail: Tail, files: Vec<Entry>) -> Self {
        let (seq, head) = (tail.next_seq.previous().0, Digest(tail.chain.0));
        Self { format: FORMAT, kind: kind.to_owned(), seq, head, files }
    }

    /// Reads the list of an archive of a `kind`.
    pub(crate) fn read(bytes: &[u8], kind: &str) -> Result<Self, Failure> {
        let contents: Self = serde_json::from_slice(bytes)
            .map_err(|error| unusable(format!("its list of contents cannot be read: {error}")))?;
        if contents.format != FORMAT {
            let detail =
                format!("the backup has the format {}, this program reads {FORMAT}", contents.format);
            return Err(Failure::new(
                Code::UnsupportedVersion,
                detail,
                "restore it with the program that made it",
            ));
        }
        if contents.kind != kind {
            let detail = format!("this is a backup of the kind {}, not {kind}", contents.kind);
            return Err(Failure::new(Code::Malformed, detail, "name the right file"));
        }
        Ok(contents)
    }

    /// Where the journal ends.
    pub(crate) fn tail(&self) -> Tail {
        Tail { next_seq: Seq(self.seq).plus(1), chain: Chain(self.head.0) }
    }
}

impl Entry {
    pub(crate) fn of(path: &str, bytes: &[u8]) -> Self {
        let sha256 = Digest(Sha256::digest(bytes).into());
        Self { path: path.to_owned(), bytes: bytes.len() as u64, sha256 }
    }
}

/// A file that is no backup, or no whole one.
pub(crate) fn unusable(why: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Malformed, format!("this is not a whole backup: {why}"), "restore another backup")
}
