//! What a program says when it cannot do what it was asked.

use std::io::{self, Write};
use std::path::Path;

use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;

use crate::text::one_line;

/// The end of a command that did not do its work. Prints as `error:` and `hint:`, exits by its code.
///
/// Boxed, so that the good way of every `Result` stays small.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{problem}")]
pub struct Failure {
    problem: Box<Problem>,
}

impl Failure {
    /// `detail`: what happened. `hint`: what to do. Both lower case, one sentence, no final stop.
    pub fn new(code: Code, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem::new(code, detail, hint).into()
    }

    /// The command line asks for something that cannot be meant.
    pub fn usage(detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Code::Usage, detail, hint)
    }

    /// A file could not be opened or read.
    pub fn cannot_read(path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            _ => "check that this user may read it",
        };
        Self::new(Code::NotFound, format!("cannot read {}: {error}", path.display()), hint)
    }

    /// A file or directory could not be made or written.
    pub fn cannot_write(path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "make its directory first",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the file system",
            _ => "check that this user may write there",
        };
        Self::new(Code::CannotCreate, format!("cannot write {}: {error}", path.display()), hint)
    }

    /// The same with one more member in its problem document.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        Self { problem: Box::new(self.problem.with(name, value)) }
    }

    /// The code, which decides the exit.
    pub fn code(&self) -> Code {
        self.problem.code
    }

    /// The problem document.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Writes `error:`, `hint:` and, for scripts, the problem document as one line of JSON.
    pub(crate) fn report(&self, json: bool, stderr: &mut dyn Write) -> io::Result<()> {
        writeln!(stderr, "error: {}", one_line(&self.problem.detail))?;
        writeln!(stderr, "hint: {}", one_line(&self.problem.hint))?;
        if json {
            writeln!(stderr, "{}", serde_json::to_string(&self.problem)?)?;
        }
        stderr.flush()
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem) }
    }
}

/// The outermost layer: an error that nobody gave a code is internal; one that has a code keeps it, with the whole
/// chain as its detail.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let coded = error.chain().find_map(|cause| {
            let failure = cause.downcast_ref::<Self>().map(|failure| &*failure.problem);
            failure.or_else(|| cause.downcast_ref::<Problem>())
        });
        let detail = format!("{error:#}");
        match coded {
            Some(problem) => Problem { detail, ..problem.clone() }.into(),
            None => Self::new(Code::Internal, detail, "run it again with -vv and report what it prints"),
        }
    }
}
