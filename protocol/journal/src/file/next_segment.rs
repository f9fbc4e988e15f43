//! Prepares the next segment while the current one is filled, so that no commit waits for it.

use std::io;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use super::directory::{Directory, DirectoryFile as _};
use crate::error::JournalError;

/// The name of a segment that is prepared. One that a crash left is never trusted: it is made anew.
pub(super) const NAME: &str = "NEXT";

/// How the next segment comes along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextSegment {
    /// The current segment has room.
    NotNeeded,
    /// It is being written.
    Preparing,
    /// It is there, durably.
    Ready,
    /// It cannot be made; commits go on to the end of the current segment and fail there. An alarm.
    Failed {
        /// What the system said.
        detail: String,
    },
}

/// Makes one segment at a time, in the background.
pub(super) struct Preparer<D> {
    directory: D,
    segment_bytes: u32,
    state: State,
}

enum State {
    NotNeeded,
    Preparing(Receiver<io::Result<()>>),
    Ready,
    Failed(io::Error),
}

impl<D: Directory> Preparer<D> {
    pub(super) const fn new(directory: D, segment_bytes: u32) -> Self {
        Self { directory, segment_bytes, state: State::NotNeeded }
    }

    /// Begins to prepare, unless that was begun before.
    pub(super) fn begin(&mut self) {
        if matches!(self.state, State::NotNeeded) {
            self.state = self.spawn().map_or_else(State::Failed, State::Preparing);
        }
    }

    /// Begins anew after a failure.
    pub(super) fn retry(&mut self) {
        self.settle();
        if matches!(self.state, State::Failed(_)) {
            self.state = State::NotNeeded;
            self.begin();
        }
    }

    /// How it stands.
    pub(super) fn state(&mut self) -> NextSegment {
        self.settle();
        match &self.state {
            State::NotNeeded => NextSegment::NotNeeded,
            State::Preparing(_) => NextSegment::Preparing,
            State::Ready => NextSegment::Ready,
            State::Failed(error) => NextSegment::Failed { detail: error.to_string() },
        }
    }

    /// Gives the prepared segment the name `segment`, durably; waits for it or makes it if it is not there.
    pub(super) fn take(&mut self, segment: &str) -> Result<D::File, JournalError> {
        let prepared = match std::mem::replace(&mut self.state, State::NotNeeded) {
            State::Ready => Ok(()),
            State::Preparing(outcome) => outcome.recv().unwrap_or_else(|_| Err(ended())),
            State::NotNeeded | State::Failed(_) => prepare(&self.directory, self.segment_bytes),
        };
        prepared.map_err(JournalError::write(NAME))?;
        let take = || {
            self.directory.rename(NAME, segment)?;
            self.directory.sync()?;
            self.directory.open(segment, super::directory::Access::Write)
        };
        take().map_err(JournalError::write(segment))
    }

    fn spawn(&self) -> io::Result<Receiver<io::Result<()>>> {
        let (sender, receiver) = sync_channel(1);
        let (directory, segment_bytes) = (self.directory.clone(), self.segment_bytes);
        self.directory.in_background(Box::new(move || {
            // Nobody listens only if the journal is being dropped.
            let _ = sender.send(prepare(&directory, segment_bytes));
        }))?;
        Ok(receiver)
    }

    fn settle(&mut self) {
        let State::Preparing(outcome) = &self.state else { return };
        match outcome.try_recv() {
            Ok(Ok(())) => self.state = State::Ready,
            Ok(Err(error)) => self.state = State::Failed(error),
            Err(TryRecvError::Disconnected) => self.state = State::Failed(ended()),
            Err(TryRecvError::Empty) => {}
        }
    }
}

impl<D> Drop for Preparer<D> {
    /// Waits: nothing may write into the directory once the lock is gone.
    fn drop(&mut self) {
        if let State::Preparing(outcome) = &self.state {
            let _ = outcome.recv();
        }
    }
}

/// Makes a file of written zeros, durably. Its name is made durable when it is given its final one.
pub(super) fn prepare<D: Directory>(directory: &D, segment_bytes: u32) -> io::Result<()> {
    const BLOCK_BYTES: usize = 1024 * 1024;
    let file = directory.create(NAME)?;
    let zeros = vec![0; BLOCK_BYTES.min(segment_bytes as usize)];
    for offset in (0..segment_bytes as usize).step_by(BLOCK_BYTES) {
        let len = zeros.len().min(segment_bytes as usize - offset);
        file.write_at(&zeros[..len], offset as u64)?;
    }
    file.sync()
}

fn ended() -> io::Error {
    io::Error::other("the thread that prepared it has ended")
}
