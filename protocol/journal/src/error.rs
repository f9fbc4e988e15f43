//! Why a journal does not do what was asked.

use std::io;
use std::path::PathBuf;

use leasehold_protocol::code::Code;
use leasehold_protocol::seq::Seq;

use crate::chain::GenesisRefused;
use crate::frame::FrameRefused;

/// Why a journal does not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Something is in the place of the new journal.
    #[error("{} exists already", .0.display())]
    AlreadyExists(PathBuf),
    /// Another process has the journal open.
    #[error("the journal {} is in use by another process", .0.display())]
    Busy(PathBuf),
    /// The journal could not be made.
    #[error("cannot create {file} of the journal")]
    Create {
        /// What it failed at.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// What is stored is not what an honest crash leaves: changed, incomplete, exchanged or older than its MARK.
    #[error("the journal is damaged at record {seq}: {detail}")]
    Damaged {
        /// The first record that is not there as it was written.
        seq: Seq,
        /// What is wrong with it.
        detail: String,
    },
    /// The frame breaks a bound. Nothing was written.
    #[error("the frame was not written: {0}")]
    Frame(#[from] FrameRefused),
    /// The journal cannot be made like this.
    #[error(transparent)]
    Genesis(#[from] GenesisRefused),
    /// There is no journal.
    #[error("there is no journal at {}", .0.display())]
    NotFound(PathBuf),
    /// The journal does not lead through the snapshot that it was to be opened from: another state than the journal's.
    #[error("the journal does not lead through the snapshot of record {0}")]
    NotThrough(Seq),
    /// The frame does not continue the tail. Nothing was written.
    #[error("the frame begins with record {got}, the journal goes on with {expected} or has another chain")]
    NotNext {
        /// What the tail asks for.
        expected: Seq,
        /// What the frame has.
        got: Seq,
    },
    /// A write failed before: what is durable is unknown until the journal is opened anew.
    #[error("the journal is closed because a write failed")]
    Poisoned,
    /// Stored bytes could not be read.
    #[error("cannot read {file} of the journal")]
    Read {
        /// What it failed at.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes could not be made durable.
    #[error("cannot write {file} of the journal")]
    Write {
        /// What it failed at.
        file: String,
        /// What the system said.
        source: io::Error,
    },
}

impl JournalError {
    /// The stable code of a program that ends with this error.
    pub const fn code(&self) -> Code {
        match self {
            Self::AlreadyExists(_) => Code::AlreadyExists,
            Self::Busy(_) => Code::Busy,
            Self::Create { .. } => Code::CannotCreate,
            Self::Damaged { .. } => Code::JournalDamaged,
            Self::Frame(_) => Code::LimitExceeded,
            Self::Genesis(_) | Self::NotNext { .. } | Self::NotThrough(_) => Code::Internal,
            Self::NotFound(_) => Code::NotInitialised,
            Self::Poisoned | Self::Write { .. } => Code::StoreFailed,
            Self::Read { .. } => Code::StoreUnreadable,
        }
    }

    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::AlreadyExists(_) => "open the journal that is there, or choose another data directory",
            Self::Busy(_) => "stop the other process, or send the command to it",
            Self::Create { .. } => "check that the data directory exists, is writable and has free space",
            Self::Damaged { .. } => {
                "keep a copy of the directory as it is, see `journal verify`; `run` or `recover` go on with what is left, if \
                 anything is, and `restore` with a backup; where nothing is left, begin anew with `init` and have the \
                 old state declared lost"
            }
            Self::Frame(_) | Self::Genesis(_) | Self::NotNext { .. } => {
                "this is a fault of the program: report it"
            }
            Self::NotThrough(_) => "remove the snapshot: the journal says all that it says",
            Self::NotFound(_) => "make one with `init`; if there was one, do not: find out where it went",
            Self::Poisoned | Self::Write { .. } => {
                "check the disk and its free space, then start the program again"
            }
            Self::Read { .. } => {
                "check the disk, and that this user owns the files and none of them is a link"
            }
        }
    }

    /// Turns what the system said into "could not be created".
    #[cfg(feature = "file")]
    pub(crate) fn create(file: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Create { file: file.to_owned(), source }
    }

    /// Turns what the system said into "could not be read".
    #[cfg(feature = "file")]
    pub(crate) fn read(file: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Read { file: file.to_owned(), source }
    }

    /// Turns what the system said into "could not be made durable".
    #[cfg(feature = "file")]
    pub(crate) fn write(file: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write { file: file.to_owned(), source }
    }

    /// Damage at `seq`.
    #[cfg(feature = "file")]
    pub(crate) fn damaged(seq: Seq, detail: impl Into<String>) -> Self {
        Self::Damaged { seq, detail: detail.into() }
    }
}
