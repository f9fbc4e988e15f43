//! Why there is no seat.

use leasehold_protocol::api::Denial;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;

/// A wish that was not fulfilled: decided against, or not decided at all.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The node decided: no seat, with the reason and what would help.
    #[error("{}: {}", .0.code, .0.detail)]
    Denied(Box<Denial>),
    /// Nobody answered in time, the answer was not proved, or the request was refused.
    #[error("{}: {}", .0.code, .0.detail)]
    Failed(Box<Problem>),
}

impl Error {
    /// The stable code to act on.
    pub const fn code(&self) -> Code {
        match self {
            Self::Denied(denial) => denial.code,
            Self::Failed(problem) => problem.code,
        }
    }

    /// What to do about it, in one sentence.
    pub fn hint(&self) -> &str {
        match self {
            Self::Denied(denial) => &denial.hint,
            Self::Failed(problem) => &problem.hint,
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Failed(Box::new(problem))
    }
}
