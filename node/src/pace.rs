//! How fast work is done beside serving.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use leasehold_cli::Failure;
use leasehold_clock::Stopwatch;
use leasehold_protocol::code::Code;

use crate::limits;

/// As fast as it goes, or with a share of one CPU and only as long as nobody ends it.
pub(crate) enum Pace {
    /// Somebody waits for it.
    Full,
    /// Nobody does.
    Share {
        /// Closed when the work is not wanted any more.
        stopped: Receiver<()>,
        /// Since it rested last.
        watch: Cell<Stopwatch>,
    },
}

/// The work is not wanted any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was stopped, as the node ends")]
pub(crate) struct Stopped;

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        Self::new(Code::ShuttingDown, stopped.to_string(), "nothing is to be done")
    }
}

impl Pace {
    /// A share of one CPU, until the other end of `stopped` is dropped.
    pub(crate) fn share(stopped: Receiver<()>) -> Self {
        Self::Share { stopped, watch: Cell::new(Stopwatch::start()) }
    }

    /// To be called after each little piece of work: rests if it is time to.
    pub(crate) fn breathe(&self) -> Result<(), Stopped> {
        let Self::Share { watch, .. } = self else { return Ok(()) };
        let worked = watch.get().elapsed();
        if worked < limits::BACKGROUND_SLICE {
            return Ok(());
        }
        self.wait(worked.saturating_mul(limits::BACKGROUND_RESTS))
    }

    /// Rests for so long.
    pub(crate) fn wait(&self, pause: Duration) -> Result<(), Stopped> {
        let Self::Share { stopped, watch } = self else { return Ok(()) };
        let outcome = stopped.recv_timeout(pause);
        watch.set(Stopwatch::start());
        match outcome {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Err(Stopped),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn work_takes_no_more_than_its_share_and_ends_when_it_is_told_to() {
        let (stop, stopped) = sync_channel(0);
        let pace = Pace::share(stopped);
        let whole = Stopwatch::start();
        let mut worked = Duration::ZERO;
        for _ in 0..20 {
            let watch = Stopwatch::start();
            while watch.elapsed() < limits::BACKGROUND_SLICE / 2 {}
            worked += watch.elapsed();
            pace.breathe().unwrap();
        }
        assert!(
            whole.elapsed() >= worked * limits::BACKGROUND_RESTS,
            "{:?} of {:?}",
            worked,
            whole.elapsed()
        );
        drop(stop);
        assert_eq!(pace.wait(Duration::from_hours(1)), Err(Stopped));
        assert_eq!(Pace::Full.breathe(), Ok(()));
    }
}
