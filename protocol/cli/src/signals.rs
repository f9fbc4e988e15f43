//! The signals that a daemon listens to.

use leasehold_protocol::code::Code;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Failure;

/// From its making on they no longer end the process by themselves.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Listens. To be called inside of a runtime.
    pub fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                let detail = format!("cannot start the signal handlers: {error}");
                Failure::new(Code::Internal, detail, "check the limits of this process")
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal to end. A hang-up is none: it reloads.
    pub async fn end(&mut self, reload: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => reload(),
            }
        }
    }
}
