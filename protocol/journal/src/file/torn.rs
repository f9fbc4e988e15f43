//! The torn rule: which bytes behind the last good frame an interrupted write leaves, and which are damage.

use super::segment::is_zero;
use crate::frame::{HEADER_BYTES, MAGIC, declared_bytes};
use crate::limits::SECTOR_BYTES;

/// How many bytes an interrupted write left at the start of `rest`, or `None` if they are damage.
///
/// A segment is zeros before it is written, and a device writes a sector whole or not at all. So a frame that did
/// not arrive completely lacks at least one sector, and its part within that sector is zero. Bytes that lack none
/// arrived, and were changed afterwards.
///
/// `rest` is the segment behind the last good frame, from `offset` in the segment on; it is not all zero.
pub(super) fn torn_bytes(rest: &[u8], offset: usize) -> Option<usize> {
    let end = extent(rest);
    let to_border = SECTOR_BYTES - offset % SECTOR_BYTES;
    let (first, others) = rest[..end].split_at(to_border.min(end));
    let lacks_sector = is_zero(first) || others.chunks(SECTOR_BYTES).any(is_zero);
    lacks_sector.then_some(end)
}

/// Where the bytes end: where their header says if it can be believed, else with the header, or at the last byte that
/// is not zero if that is further.
fn extent(rest: &[u8]) -> usize {
    let declared = if rest.starts_with(&MAGIC) { declared_bytes(rest) } else { None };
    let claimed = declared.filter(|&bytes| bytes <= rest.len()).unwrap_or(HEADER_BYTES.min(rest.len()));
    let written = rest.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    claimed.max(written)
}

#[cfg(test)]
mod tests {
    use super::torn_bytes;
    use crate::frame::HEADER_BYTES;

    /// A segment's rest of 4096 bytes from `offset` on, with `parts` written into zeros.
    fn check(offset: usize, parts: &[(usize, &[u8])], expected: Option<usize>) {
        let mut rest = vec![0; 4096];
        for (at, bytes) in parts {
            rest[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        assert_eq!(torn_bytes(&rest, offset), expected, "{offset} {parts:?}");
    }

    /// The first 24 bytes of a header whose frame has 156 + `len` bytes.
    fn header(len: u32) -> Vec<u8> {
        [b"LHJ1\x01\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0".as_slice(), &len.to_le_bytes()].concat()
    }

    #[test]
    fn bytes_that_lack_a_sector_are_torn() {
        check(0, &[(0, &header(1000))], Some(1156));
        check(0, &[(0, &header(1000)), (512, &[1; 512])], Some(1156));
        check(100, &[(412, &[1; 700])], Some(1112)); // the header's sector is lacking
        check(0, &[(1023, &[1])], Some(1024)); // a zero header with bytes behind it
        check(500, &[(0, b"LHJ1\x01\0\0\0\x01\0\0\0")], Some(HEADER_BYTES)); // the header's end is lacking
    }

    #[test]
    fn bytes_that_lack_none_are_damage() {
        check(0, &[(0, &header(1000)), (512, &[1; 1]), (1024, &[1; 1])], None);
        check(0, &[(0, &[1])], None); // one sector, not zero
        check(100, &[(0, &header(300)), (412, &[1; 1])], None);
        check(500, &[(0, &[1]), (12, &[1])], None);
    }

    #[test]
    fn a_length_that_cannot_be_is_not_believed() {
        check(0, &[(0, &header(4000))], None);
        check(0, &[(0, &header(u32::MAX))], None);
        check(0, &[(0, &header(3940))], Some(4096));
    }
}
