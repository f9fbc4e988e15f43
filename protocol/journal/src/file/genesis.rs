//! The file `GENESIS`, written once when a journal is made:
//!
//! ```text
//! magic "LHG1" | version u16 = 1 | segment_bytes u32 | realm[16] | random[16] | kind length u16, bytes | crc32c u32
//! ```

use leasehold_protocol::seq::Seq;

use super::directory::{Access, Directory, DirectoryFile as _};
use crate::chain::Genesis;
use crate::error::JournalError;
use crate::limits;

pub(super) const NAME: &str = "GENESIS";
const HEAD: &[u8] = b"LHG1\x01\0";
const FIXED_BYTES: usize = HEAD.len() + 4 + 16 + 16 + 2;
const CRC_BYTES: usize = 4;

/// Writes the genesis of a new journal, durably.
pub(super) fn write<D: Directory>(directory: &D, genesis: &Genesis) -> Result<(), JournalError> {
    let write = || {
        let file = directory.create(NAME)?;
        file.write_at(&encode(genesis), 0)?;
        file.sync()
    };
    write().map_err(JournalError::create(NAME))
}

/// Reads the genesis of a journal.
pub(super) fn read<D: Directory>(directory: &D) -> Result<Genesis, JournalError> {
    let read = || {
        let file = directory.open(NAME, Access::Read)?;
        let longest = FIXED_BYTES + limits::KIND_BYTES + CRC_BYTES;
        let len = usize::try_from(file.bytes()?).unwrap_or(usize::MAX).min(longest + 1);
        let mut bytes = vec![0; len];
        file.read_at(&mut bytes, 0)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => decode(&bytes)
            .ok_or_else(|| JournalError::damaged(Seq::FIRST, "GENESIS is not as it was written")),
        Err(error) if std::io::Error::kind(&error) == std::io::ErrorKind::NotFound => {
            Err(JournalError::damaged(Seq::FIRST, "GENESIS is missing"))
        }
        Err(error) => Err(JournalError::read(NAME)(error)),
    }
}

/// The bytes of the file.
pub(super) fn encode(genesis: &Genesis) -> Vec<u8> {
    let mut bytes = HEAD.to_vec();
    bytes.extend(genesis.segment_bytes().to_le_bytes());
    bytes.extend(genesis.realm());
    bytes.extend(genesis.random());
    bytes.extend(u16::try_from(genesis.kind().len()).expect("bounded by KIND_BYTES").to_le_bytes());
    bytes.extend(genesis.kind().as_bytes());
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Genesis> {
    let (content, crc) = bytes.split_last_chunk::<CRC_BYTES>()?;
    if crc32c::crc32c(content).to_le_bytes() != *crc {
        return None;
    }
    let (segment_bytes, rest) = content.strip_prefix(HEAD)?.split_first_chunk()?;
    let (realm, rest) = rest.split_first_chunk()?;
    let (random, rest) = rest.split_first_chunk()?;
    let (kind_bytes, kind) = rest.split_first_chunk()?;
    if usize::from(u16::from_le_bytes(*kind_bytes)) != kind.len() {
        return None;
    }
    let genesis = Genesis::new(std::str::from_utf8(kind).ok()?, *realm, *random).ok()?;
    genesis.with_segment_bytes(u32::from_le_bytes(*segment_bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::chain::Genesis;
    use crate::limits;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for kind in ["n", &"k".repeat(limits::KIND_BYTES)] {
            let genesis = Genesis::new(kind, [1; 16], [2; 16]).unwrap().with_segment_bytes(4096).unwrap();
            let bytes = encode(&genesis);
            assert_eq!(decode(&bytes), Some(genesis));
            assert_eq!(decode(&[&bytes[..], b"\0"].concat()), None);
            for at in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1;
                assert_eq!(decode(&flipped), None);
                assert_eq!(decode(&bytes[..at]), None);
            }
        }
    }
}
