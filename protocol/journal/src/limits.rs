//! Every bound of the journal. Each is tested at limit − 1, limit and limit + 1.

/// Bytes of one encoded frame: a frame lies in one segment, so at most a whole one. Leaves room for a record that
/// carries a bundle of the largest size (8 MiB).
pub const FRAME_BYTES: usize = 16 * 1024 * 1024;
/// Records of one frame.
pub const FRAME_RECORDS: usize = 16_384;
/// Leaf hashes of one frame; counted in 16 bits.
pub const FRAME_LEAVES: usize = 16_384;
/// Leaf hashes under one batch signature.
pub const LEAVES_PER_SIGNATURE: usize = 64;

/// Bytes of the name of a journal's kind.
pub const KIND_BYTES: usize = 32;
/// Bytes of one segment file.
pub const SEGMENT_BYTES: u32 = 16 * 1024 * 1024;
/// The smallest segment that can be asked for.
pub const SEGMENT_BYTES_MIN: u32 = 1024;
/// What a device writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// Bytes of frames between two entries of the index that is kept in memory.
pub const INDEX_STRIDE_BYTES: usize = 16 * 1024;
/// Snapshots that are kept.
pub const SNAPSHOTS_KEPT: usize = 3;
/// Bytes of a snapshot that are written at once, and synced: so that no commit waits behind more.
pub const SNAPSHOT_WRITE_BYTES: usize = 1024 * 1024;
/// Segments that a full disk still has room for when a snapshot is written: the journal needs them.
pub const SNAPSHOT_SPARED_SEGMENTS: u64 = 2;
/// The longest time between two syncs of the MARK while frames are appended.
pub const MARK_SYNC_MS: i64 = 60_000;
