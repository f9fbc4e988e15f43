//! Bounds of archives.

/// Bytes of one file beside the journal.
pub(crate) const FILE_BYTES: usize = 1 << 20;
/// Bytes of the list of contents: some 100 000 segments.
pub(crate) const CONTENTS_BYTES: usize = 16 << 20;
/// Bytes of one segment of a journal.
pub(crate) const SEGMENT_BYTES: usize = leasehold_journal::limits::SEGMENT_BYTES as usize;
