//! What all tests share: frames whose content follows from their seq.

use leasehold_crash::Disk;
use leasehold_journal::file::Opened;
use leasehold_journal::{Draft, FileHome, Frame, Genesis, Home, JournalError};
use leasehold_protocol::seq::Seq;
use leasehold_protocol::time::{BootId, Stamp, SvcMs, UnixMs};

pub(crate) const SEGMENT_BYTES: u32 = 4096;

pub(crate) fn genesis(random: u8) -> Genesis {
    Genesis::new("node", [7; 16], [random; 16]).unwrap().with_segment_bytes(SEGMENT_BYTES).unwrap()
}

pub(crate) fn stamp(boottime_ms: i64) -> Stamp {
    Stamp {
        svc: SvcMs(boottime_ms),
        floor: UnixMs::MIN,
        hi: UnixMs::MAX,
        wall: UnixMs(boottime_ms),
        boottime_ms,
        slew_ms: 0,
        boot_id: BootId([3; 16]),
        suspect: false,
        kernel_synced: false,
    }
}

/// A record of `bytes` bytes, none of them zero, that no other seq has.
pub(crate) fn record(seq: Seq, bytes: usize) -> Vec<u8> {
    let word: [u8; 8] = std::array::from_fn(|at| 0x80 | (seq.0 >> (7 * at)).to_le_bytes()[0]);
    let mut record = word.repeat(bytes.div_ceil(word.len()));
    record.truncate(bytes);
    record
}

/// A draft of one record per entry of `sizes`.
pub(crate) fn draft(home: &impl Home, sizes: &[usize]) -> Draft {
    let first = home.tail().next_seq;
    let records = (0..).zip(sizes).map(|(at, &bytes)| record(first.plus(at), bytes)).collect();
    Draft::of_records(stamp(0), records)
}

/// A journal on a simulated disk, with one frame per entry of `sizes`, each of one record.
pub(crate) fn journal_of(disk: &Disk, sizes: &[usize]) -> FileHome<Disk> {
    let mut home = FileHome::create_in(disk.clone(), &genesis(1)).unwrap();
    for &bytes in sizes {
        let draft = draft(&home, &[bytes]);
        home.commit(draft).unwrap();
    }
    home
}

pub(crate) fn open(disk: &Disk) -> Result<(FileHome<Disk>, Opened), JournalError> {
    FileHome::open_in(disk.clone(), None)
}

pub(crate) fn frames(home: &impl Home) -> Vec<Frame> {
    home.read(Seq::NONE).unwrap().map(Result::unwrap).collect()
}
