//! One frame: one group commit as bytes. All integers are little-endian, signed ones in two's complement.
//!
//! ```text
//! offset size
//!      0    4  magic         "LHJ1"
//!      4    2  version       1
//!      6    2  flags         bit 0 SUSPECT, bit 1 kernel synchronised; all others 0
//!      8    8  first_seq     number of the first record, ≥ 1; of the next one if there is none
//!     16    4  count         records, ≤ 16 384
//!     20    4  len           bytes of the body, ≥ 2
//!     24    8  svc_ms
//!     32    8  floor_ms
//!     40    8  hi_ms         i64::MAX = ∞
//!     48    8  wall_ms
//!     56    8  boottime_ms
//!     64    8  slew_ms       MONOTONIC − MONOTONIC_RAW
//!     72   16  boot_id
//!     88   32  prev          chain of the frame before, or of the genesis
//!    120  len  body:
//!                leaves      u16, ≤ 16 384
//!                records     count × (u32 length, bytes)
//!                leaf hashes leaves × 32
//!                signatures  ⌈leaves / 64⌉ × 64
//!  120+len 32  chain         SHA-256(prev ‖ bytes 0..88 ‖ body)
//!  152+len  4  crc32c        of every byte before it
//! ```
//!
//! `len` counts the body alone: a frame has 156 + `len` bytes, at most [`limits::FRAME_BYTES`]. The body is used up
//! exactly. There is one encoding of a frame and every other one is refused.

use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::{BootId, Stamp, SvcMs, UnixMs};
use sha2::{Digest as _, Sha256};

use crate::chain::{Chain, Tail};
use crate::limits;

/// What a frame begins with.
pub const MAGIC: [u8; 4] = *b"LHJ1";
/// The version of this layout.
pub const VERSION: u16 = 1;
/// Bytes before the body.
pub const HEADER_BYTES: usize = 120;
/// Bytes after the body.
pub const TRAILER_BYTES: usize = 36;

/// A body has its number of leaves at least.
const FRAME_BYTES_MIN: usize = HEADER_BYTES + 2 + TRAILER_BYTES;
const PREV_AT: usize = 88;
const CRC_BYTES: usize = 4;
const SUSPECT: u16 = 1;
const KERNEL_SYNCED: u16 = 2;

/// One group commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The number of the first record; of the next one if there is none.
    pub first_seq: Seq,
    /// The clock fields.
    pub stamp: Stamp,
    /// The chain of the frame before.
    pub prev: Chain,
    /// The records, opaque here.
    pub records: Vec<Vec<u8>>,
    /// One per ticket, in record order.
    pub leaf_hashes: Vec<[u8; 32]>,
    /// One per [`limits::LEAVES_PER_SIGNATURE`] leaf hashes or part of them.
    pub signatures: Vec<[u8; 64]>,
}

/// A frame that is not encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameRefused {
    /// More leaf hashes than [`limits::FRAME_LEAVES`].
    #[error("it has {0} leaf hashes, at most {max} are allowed", max = limits::FRAME_LEAVES)]
    Leaves(usize),
    /// More records than [`limits::FRAME_RECORDS`].
    #[error("it has {0} records, at most {max} are allowed", max = limits::FRAME_RECORDS)]
    Records(usize),
    /// Not one signature per 64 leaf hashes.
    #[error("it has {0} signatures, its leaf hashes need {1}")]
    Signatures(usize, usize),
    /// More bytes than [`limits::FRAME_BYTES`] or than a segment has.
    #[error("it has {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// What it would have.
        bytes: usize,
        /// What it may have.
        max: usize,
    },
}

/// An encoded frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The end of a journal that ends with this frame.
    pub tail: Tail,
}

impl Frame {
    /// The frame as bytes.
    pub fn encode(&self) -> Result<Encoded, FrameRefused> {
        self.check_counts()?;
        let body_bytes = self.body_bytes();
        let frame_bytes = HEADER_BYTES + body_bytes + TRAILER_BYTES;
        if frame_bytes > limits::FRAME_BYTES {
            return Err(FrameRefused::TooLarge { bytes: frame_bytes, max: limits::FRAME_BYTES });
        }
        let mut bytes = Vec::with_capacity(frame_bytes);
        self.put_header(body_bytes, &mut bytes);
        self.put_body(&mut bytes);
        let chain = chain_of(&bytes);
        bytes.extend(chain.0);
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        let next_seq = self.first_seq.plus(self.records.len() as u64);
        Ok(Encoded { bytes, tail: Tail { next_seq, chain } })
    }

    /// Reads the frame that `bytes` begin with; more may follow.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadFrame> {
        CheckedFrame::read(bytes).map(|frame| frame.to_frame())
    }

    const fn check_counts(&self) -> Result<(), FrameRefused> {
        let (records, leaves) = (self.records.len(), self.leaf_hashes.len());
        if records > limits::FRAME_RECORDS {
            return Err(FrameRefused::Records(records));
        }
        if leaves > limits::FRAME_LEAVES {
            return Err(FrameRefused::Leaves(leaves));
        }
        let needed = leaves.div_ceil(limits::LEAVES_PER_SIGNATURE);
        if self.signatures.len() != needed {
            return Err(FrameRefused::Signatures(self.signatures.len(), needed));
        }
        Ok(())
    }

    fn body_bytes(&self) -> usize {
        let records: usize = self.records.iter().map(|record| 4 + record.len()).sum();
        2 + records + 32 * self.leaf_hashes.len() + 64 * self.signatures.len()
    }

    fn put_header(&self, body_bytes: usize, out: &mut Vec<u8>) {
        let stamp = &self.stamp;
        let suspect = if stamp.suspect { SUSPECT } else { 0 };
        let synced = if stamp.kernel_synced { KERNEL_SYNCED } else { 0 };
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend((suspect | synced).to_le_bytes());
        out.extend(self.first_seq.0.to_le_bytes());
        out.extend(u32_le(self.records.len()));
        out.extend(u32_le(body_bytes));
        for ms in [stamp.svc.0, stamp.floor.0, stamp.hi.0, stamp.wall.0, stamp.boottime_ms, stamp.slew_ms] {
            out.extend(ms.to_le_bytes());
        }
        out.extend(stamp.boot_id.0);
        out.extend(self.prev.0);
    }

    fn put_body(&self, out: &mut Vec<u8>) {
        let leaves = u16::try_from(self.leaf_hashes.len()).expect("bounded by FRAME_LEAVES");
        out.extend(leaves.to_le_bytes());
        for record in &self.records {
            out.extend(u32_le(record.len()));
            out.extend(record);
        }
        out.extend(self.leaf_hashes.as_flattened());
        out.extend(self.signatures.as_flattened());
    }
}

fn u32_le(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("bounded by FRAME_BYTES").to_le_bytes()
}

/// The chain after a frame: of its header and body.
fn chain_of(header_and_body: &[u8]) -> Chain {
    let (header, rest) = header_and_body.split_at(PREV_AT);
    let (prev, body) = rest.split_at(HEADER_BYTES - PREV_AT);
    Chain(Sha256::new().chain_update(prev).chain_update(header).chain_update(body).finalize().into())
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// The chain is not that of header and body.
    #[error("the chain of the frame does not fit its content")]
    Chain,
    /// The checksum is wrong.
    #[error("the checksum of the frame is wrong")]
    Checksum,
    /// Unknown flags.
    #[error("the frame has flags {0:#06x} that are not known here")]
    Flags(u16),
    /// There is no frame here.
    #[error("there is no frame")]
    Magic,
    /// The frame is longer than what there is.
    #[error("the frame is cut short or its length is wrong")]
    Length,
    /// The body is not made of its parts.
    #[error("the parts of the frame do not fit its length")]
    Shape,
    /// The layout has another version.
    #[error("the frame has version {0}, which is not known here")]
    Version(u16),
}

/// The bytes of exactly one frame whose length, checksum, chain and parts are right.
#[derive(Clone, Copy, Debug)]
pub struct CheckedFrame<'a> {
    bytes: &'a [u8],
    body: Body<'a>,
    next_seq: Seq,
}

/// The parts of a body.
#[derive(Clone, Copy, Debug)]
struct Body<'a> {
    records: &'a [u8],
    leaf_hashes: &'a [[u8; 32]],
    signatures: &'a [[u8; 64]],
}

impl<'a> CheckedFrame<'a> {
    /// Checks the frame that `bytes` begin with; more may follow.
    pub fn read(bytes: &'a [u8]) -> Result<Self, BadFrame> {
        if !bytes.starts_with(&MAGIC) {
            return Err(BadFrame::Magic);
        }
        let frame_bytes = declared_bytes(bytes).ok_or(BadFrame::Length)?;
        let bytes = bytes.get(..frame_bytes).ok_or(BadFrame::Length)?;
        let (content, crc) = bytes.split_at(frame_bytes - CRC_BYTES);
        if crc32c::crc32c(content).to_le_bytes() != crc {
            return Err(BadFrame::Checksum);
        }
        let (hashed, chain) = content.split_at(frame_bytes - TRAILER_BYTES);
        if chain_of(hashed).0 != chain {
            return Err(BadFrame::Chain);
        }
        let (version, flags) = (u16_at(bytes, 4), u16_at(bytes, 6));
        if version != VERSION {
            return Err(BadFrame::Version(version));
        }
        if flags & !(SUSPECT | KERNEL_SYNCED) != 0 {
            return Err(BadFrame::Flags(flags));
        }
        let count = u32_at(bytes, 16);
        let body = Body::split(&hashed[HEADER_BYTES..], count).ok_or(BadFrame::Shape)?;
        let next_seq = u64_at(bytes, 8).checked_add(u64::from(count)).ok_or(BadFrame::Shape)?;
        if u64_at(bytes, 8) < Seq::FIRST.0 {
            return Err(BadFrame::Shape);
        }
        Ok(Self { bytes, body, next_seq: Seq(next_seq) })
    }

    /// The number of its first record.
    pub fn first_seq(&self) -> Seq {
        Seq(u64_at(self.bytes, 8))
    }

    /// What it continues.
    pub fn continues(&self) -> Tail {
        Tail { next_seq: self.first_seq(), chain: Chain(array_at(self.bytes, PREV_AT)) }
    }

    /// The end of a journal that ends with it.
    pub fn tail(&self) -> Tail {
        Tail { next_seq: self.next_seq, chain: Chain(array_at(self.bytes, self.bytes.len() - TRAILER_BYTES)) }
    }

    /// Its bytes, and no others.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The frame as a value.
    pub fn to_frame(&self) -> Frame {
        let ms = |field: usize| u64_at(self.bytes, 24 + 8 * field).cast_signed();
        let flags = u16_at(self.bytes, 6);
        Frame {
            first_seq: self.first_seq(),
            stamp: Stamp {
                svc: SvcMs(ms(0)),
                floor: UnixMs(ms(1)),
                hi: UnixMs(ms(2)),
                wall: UnixMs(ms(3)),
                boottime_ms: ms(4),
                slew_ms: ms(5),
                boot_id: BootId(array_at(self.bytes, 72)),
                suspect: flags & SUSPECT != 0,
                kernel_synced: flags & KERNEL_SYNCED != 0,
            },
            prev: self.continues().chain,
            records: Records(self.body.records).map(<[u8]>::to_vec).collect(),
            leaf_hashes: self.body.leaf_hashes.to_vec(),
            signatures: self.body.signatures.to_vec(),
        }
    }
}

impl<'a> Body<'a> {
    fn split(body: &'a [u8], count: u32) -> Option<Self> {
        let (leaves, rest) = body.split_first_chunk()?;
        let leaves = usize::from(u16::from_le_bytes(*leaves));
        let signatures = leaves.div_ceil(limits::LEAVES_PER_SIGNATURE);
        if count as usize > limits::FRAME_RECORDS || leaves > limits::FRAME_LEAVES {
            return None;
        }
        let (rest, signatures) = rest.split_at_checked(rest.len().checked_sub(64 * signatures)?)?;
        let (records, leaf_hashes) = rest.split_at_checked(rest.len().checked_sub(32 * leaves)?)?;
        let mut walk = Records(records);
        if walk.by_ref().take(count as usize).count() != count as usize || !walk.0.is_empty() {
            return None;
        }
        Some(Self { records, leaf_hashes: leaf_hashes.as_chunks().0, signatures: signatures.as_chunks().0 })
    }
}

/// Walks over length-prefixed records; ends where none fits.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first_chunk()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        self.0 = rest;
        Some(record)
    }
}

/// What a frame says of its place, unchecked: enough to step over it.
#[cfg(feature = "file")]
pub(crate) struct FrameHead {
    /// What it continues.
    pub(crate) continues: Tail,
    /// How many bytes it has.
    pub(crate) frame_bytes: usize,
}

#[cfg(feature = "file")]
impl FrameHead {
    /// Reads the header that `bytes` begin with, if there is one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let frame_bytes = declared_bytes(bytes).filter(|_| bytes.starts_with(&MAGIC))?;
        let continues = Tail { next_seq: Seq(u64_at(bytes, 8)), chain: Chain(array_at(bytes, PREV_AT)) };
        Some(Self { continues, frame_bytes })
    }
}

/// How many bytes the header claims for its frame, if it is there and claims an allowed number.
pub(crate) fn declared_bytes(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < HEADER_BYTES {
        return None;
    }
    let frame_bytes = HEADER_BYTES + u32_at(bytes, 20) as usize + TRAILER_BYTES;
    (FRAME_BYTES_MIN..=limits::FRAME_BYTES).contains(&frame_bytes).then_some(frame_bytes)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the slice has N bytes")
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::{BadFrame, CheckedFrame, Frame, FrameRefused, HEADER_BYTES, TRAILER_BYTES, chain_of};
    use crate::chain::{Chain, Tail};
    use crate::limits;
    use leasehold_protocol::seq::Seq;
    use leasehold_protocol::time::{BootId, Stamp, SvcMs, UnixMs};
    use sha2::{Digest as _, Sha256};

    /// Written by hand from the table above, not by the code under test.
    #[rustfmt::skip]
    const GOLDEN: &[&[u8]] = &[
        b"LHJ1", b"\x01\0", b"\x03\0", b"\x07\0\0\0\0\0\0\0", b"\x02\0\0\0", b"\x6d\0\0\0",
        b"\x01\0\0\0\0\0\0\0", b"\xfe\xff\xff\xff\xff\xff\xff\xff", b"\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x04\0\0\0\0\0\0\0", b"\x05\0\0\0\0\0\0\0", b"\xfa\xff\xff\xff\xff\xff\xff\xff",
        b"0123456789abcdef", &[0xAA; 32],
        b"\x01\0", b"\x03\0\0\0one", b"\0\0\0\0", &[0xBB; 32], &[0xCC; 64],
    ];

    fn frame() -> Frame {
        Frame {
            first_seq: Seq(7),
            stamp: Stamp {
                svc: SvcMs(1),
                floor: UnixMs(-2),
                hi: UnixMs::MAX,
                wall: UnixMs(4),
                boottime_ms: 5,
                slew_ms: -6,
                boot_id: BootId(*b"0123456789abcdef"),
                suspect: true,
                kernel_synced: true,
            },
            prev: Chain([0xAA; 32]),
            records: vec![b"one".to_vec(), Vec::new()],
            leaf_hashes: vec![[0xBB; 32]],
            signatures: vec![[0xCC; 64]],
        }
    }

    #[test]
    fn a_frame_is_byte_for_byte_what_the_table_says() {
        let mut golden = GOLDEN.concat();
        let hashed = [&golden[88..120], &golden[..88], &golden[120..]].concat();
        golden.extend(Sha256::digest(hashed));
        golden.extend(crc32c::crc32c(&golden).to_le_bytes());
        assert_eq!(
            hex(&golden[golden.len() - TRAILER_BYTES..]),
            "323f16a0a2e768b528ed640ca83d3373a034dbede41216271f4b12709abb16d4a320101f"
        );

        let encoded = frame().encode().unwrap();
        assert_eq!(hex(&encoded.bytes), hex(&golden));
        assert_eq!(encoded.tail.next_seq, Seq(9));
        assert_eq!(encoded.tail.chain.0, golden[golden.len() - TRAILER_BYTES..][..32]);
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let mut idle = frame();
        (idle.records, idle.leaf_hashes, idle.signatures) = (vec![], vec![], vec![]);
        (idle.stamp.suspect, idle.stamp.kernel_synced) = (false, false);
        for frame in [frame(), idle] {
            let encoded = frame.encode().unwrap();
            let more = [&encoded.bytes[..], b"more"].concat();
            let checked = CheckedFrame::read(&more).unwrap();
            assert_eq!(checked.bytes(), encoded.bytes);
            assert_eq!(checked.continues(), Tail { next_seq: frame.first_seq, chain: frame.prev });
            assert_eq!(checked.tail(), encoded.tail);
            assert_eq!(checked.to_frame(), frame);
        }
    }

    #[test]
    fn no_flipped_bit_and_no_cut_goes_unseen() {
        let bytes = frame().encode().unwrap().bytes;
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(CheckedFrame::read(&flipped).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(CheckedFrame::read(&bytes[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn well_sealed_frames_of_another_shape_are_refused() {
        let check = |expected: BadFrame, change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = frame().encode().unwrap().bytes;
            bytes.truncate(bytes.len() - TRAILER_BYTES);
            change(&mut bytes);
            seal(&mut bytes);
            assert_eq!(CheckedFrame::read(&bytes).map(|_| ()), Err(expected));
        };
        check(BadFrame::Version(2), &|bytes| bytes[4] = 2);
        check(BadFrame::Flags(4), &|bytes| bytes[6] = 4);
        check(BadFrame::Shape, &|bytes| bytes[8] = 0); // first_seq 0
        check(BadFrame::Shape, &|bytes| bytes[8..16].fill(0xFF)); // first_seq + count overflows
        check(BadFrame::Shape, &|bytes| bytes[16] = 1); // a record less than there is
        check(BadFrame::Shape, &|bytes| bytes[16] = 3); // a record more
        check(BadFrame::Shape, &|bytes| bytes[17] = 0xFF); // more records than allowed
        check(BadFrame::Shape, &|bytes| bytes[HEADER_BYTES] = 0); // a leaf less
        check(BadFrame::Shape, &|bytes| bytes[HEADER_BYTES] = 2); // a leaf more
        check(BadFrame::Shape, &|bytes| bytes[HEADER_BYTES + 2] = 2); // a shorter record
        check(BadFrame::Length, &|bytes| bytes[23] = 1); // longer than a frame may be
        check(BadFrame::Length, &|bytes| {
            bytes.truncate(HEADER_BYTES + 1);
            bytes[20..24].copy_from_slice(&1_u32.to_le_bytes());
        });

        let mut bytes = frame().encode().unwrap().bytes;
        let at = bytes.len() - TRAILER_BYTES;
        bytes[at] ^= 1;
        let crc = crc32c::crc32c(&bytes[..at + 32]);
        bytes[at + 32..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(CheckedFrame::read(&bytes).map(|_| ()), Err(BadFrame::Chain));
    }

    #[test]
    fn bounds_hold_at_the_limit_and_not_beyond() {
        let encode = |change: &dyn Fn(&mut Frame)| {
            let mut frame = frame();
            change(&mut frame);
            frame.encode().map(|encoded| assert_eq!(Frame::decode(&encoded.bytes), Ok(frame)))
        };
        let records = |count| encode(&|frame: &mut Frame| frame.records = vec![vec![1]; count]);
        assert_eq!(records(limits::FRAME_RECORDS - 1), Ok(()));
        assert_eq!(records(limits::FRAME_RECORDS), Ok(()));
        assert_eq!(records(limits::FRAME_RECORDS + 1), Err(FrameRefused::Records(limits::FRAME_RECORDS + 1)));

        let leaves = |count: usize| {
            encode(&|frame: &mut Frame| {
                frame.leaf_hashes = vec![[1; 32]; count];
                frame.signatures = vec![[2; 64]; count.div_ceil(64)];
            })
        };
        assert_eq!(leaves(limits::FRAME_LEAVES - 1), Ok(()));
        assert_eq!(leaves(limits::FRAME_LEAVES), Ok(()));
        assert_eq!(leaves(limits::FRAME_LEAVES + 1), Err(FrameRefused::Leaves(limits::FRAME_LEAVES + 1)));

        let around = frame().encode().unwrap().bytes.len() - b"one".len();
        let bytes = |bytes: usize| encode(&|frame: &mut Frame| frame.records[0] = vec![3; bytes - around]);
        assert_eq!(bytes(limits::FRAME_BYTES - 1), Ok(()));
        assert_eq!(bytes(limits::FRAME_BYTES), Ok(()));
        assert_eq!(
            bytes(limits::FRAME_BYTES + 1),
            Err(FrameRefused::TooLarge { bytes: limits::FRAME_BYTES + 1, max: limits::FRAME_BYTES })
        );
    }

    #[test]
    fn there_is_one_signature_for_each_64_leaves_or_part_of_them() {
        for (leaves, needed) in [(0, 0), (1, 1), (63, 1), (64, 1), (65, 2)] {
            for signatures in 0..=3 {
                let mut frame = frame();
                frame.leaf_hashes = vec![[1; 32]; leaves];
                frame.signatures = vec![[2; 64]; signatures];
                let expected = if signatures == needed {
                    Ok(())
                } else {
                    Err(FrameRefused::Signatures(signatures, needed))
                };
                assert_eq!(frame.encode().map(|_| ()), expected);
            }
        }
    }

    fn seal(bytes: &mut Vec<u8>) {
        bytes.extend(chain_of(bytes).0);
        bytes.extend(crc32c::crc32c(bytes).to_le_bytes());
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }
}
