//! How a command reaches the API: through a running daemon's admin socket, over TLS, or in this process. The request is
//! the same, and so is its answer.

mod call;
mod here;
mod there;

use axum::body::Bytes;
use axum::http::{Response, StatusCode};
use leasehold_cli::{Failure, PassphraseArgs};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde::de::DeserializeOwned;

pub(crate) use self::call::{Call, ChangeHead, segment};
pub(crate) use self::there::{Remote, RemoteArgs};
use crate::state_dir::StateDir;

/// Where the API is.
#[derive(Debug)]
pub(crate) enum Backend {
    /// Wherever the state in this directory is: at its daemon if one runs, else in this process.
    Local(StateDir, PassphraseArgs),
    /// At an issuer elsewhere.
    Remote(Remote),
}

impl Backend {
    /// Sends a request whose answer is a document.
    pub(crate) fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, Failure> {
        let answer = self.fetch(call)?;
        serde_json::from_slice(&answer).map_err(|error| garbled(&error.to_string()))
    }

    /// Sends a request whose answer is anything.
    pub(crate) fn fetch(&self, call: Call) -> Result<Bytes, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| garbled(&error.to_string()))?;
        let answer = match self {
            Self::Remote(remote) => return read(runtime.block_on(remote.exchange(call))?).map_err(explained),
            Self::Local(dir, passphrase) => match runtime.block_on(there::daemon(dir))? {
                Some(daemon) => runtime.block_on(there::exchange(daemon, call))?,
                None => here::exchange(&runtime, dir, passphrase, call)?,
            },
        };
        read(answer)
    }
}

fn read(answer: Response<Bytes>) -> Result<Bytes, Failure> {
    let (head, body) = answer.into_parts();
    if head.status == StatusCode::OK {
        return Ok(body);
    }
    let problem: Problem = serde_json::from_slice(&body)
        .map_err(|_| garbled(&format!("it answered {} without saying why", head.status)))?;
    Err(problem.into())
}

/// What to do about a key that opens nothing, in the words of the command line.
fn explained(failure: Failure) -> Failure {
    let problem = failure.problem();
    if problem.code != Code::Unauthenticated {
        return failure;
    }
    let hint = "give --key-file the secret of an active key of this issuer: `api-key list` there shows them";
    Problem { hint: hint.to_owned(), ..problem.clone() }.into()
}

fn garbled(why: &str) -> Failure {
    Failure::new(
        Code::Unreachable,
        format!("the issuer did not answer as it should: {why}"),
        "see its log and its state with `leasehold-issuer status`, then try again",
    )
}
