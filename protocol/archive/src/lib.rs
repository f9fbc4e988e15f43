//! Backups of a program's state: one file that holds it whole, and how it comes back.
//!
//! Nothing here knows what records say, and nothing decides what a program believes after a restore: [`Unpacked::dir`]
//! is a whole data directory in which the program writes its own record of having been restored before it is put in
//! place. No clock is read, nothing is sealed or unsealed (keys are carried as they lie on disk), and nothing that is
//! replaced is deleted.
//!
//! A backup is a tar file: `journal/…`, the state's other files, and last `CONTENTS.json`, which names each with its
//! size and SHA-256 and says where the journal ends. An archive that was cut short therefore lacks it.
//!
//! * [`back_up`]: takes one, also beside a daemon that writes.
//! * [`Unpacked`]: reads and verifies one wholly, then puts it in place.
//! * [`finish`]: finishes what a crash left of that.

mod backup;
mod contents;
mod limits;
mod replace;
mod unpack;

use std::path::Path;

pub use backup::back_up;
pub use contents::{Contents, Entry};
pub use replace::finish;
pub use unpack::{Unpacked, check};

/// The name of the journal in a data directory.
const JOURNAL: &str = "journal";

/// The state of one program.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// The kind of its journal.
    pub kind: &'a str,
    /// Its data directory; the journal is in `journal/`.
    pub dir: &'a Path,
    /// What else belongs to it, as paths in the data directory. One that is not there is left out: keys may be kept by
    /// the service manager.
    pub files: &'a [&'a str],
}

impl State<'_> {
    fn journal(&self) -> std::path::PathBuf {
        self.dir.join(JOURNAL)
    }
}
