//! The state of an issuer: its journal, the core that is the fold over it, and its keys.

use leasehold_cli::{Failure, PassphraseArgs, openmetrics};
use leasehold_clock::Stopwatch;
use leasehold_issuer_core::{Fact, Issuer};
use leasehold_journal::file::ReadOnly;
use leasehold_journal::{Draft, FileHome, Genesis, Home as _, JournalError, Tail};
use leasehold_protocol::envelope::RealmId;
use leasehold_protocol::seq::Seq;
use prometheus_client::metrics::histogram::Histogram;

use crate::entropy::random;
use crate::journal;
use crate::keyring::Keyring;
use crate::recovery;
use crate::state_dir::StateDir;

/// An open issuer.
pub(crate) struct Store {
    pub(crate) dir: StateDir,
    pub(crate) issuer: Issuer,
    pub(crate) keyring: Keyring,
    /// How long frames took to be written and synced.
    pub(crate) syncs: Histogram,
    home: Home,
}

/// The journal, with its lock or without.
enum Home {
    Write(Box<FileHome>),
    Read(ReadOnly),
}

impl Store {
    /// Opens an initialised issuer to change it, under its lock.
    pub(crate) fn open(dir: &StateDir, passphrase: &PassphraseArgs) -> Result<Self, Failure> {
        let store = Self::open_any(dir, passphrase)?;
        if store.issuer.trust_root().is_none() {
            return Err(dir.not_initialised());
        }
        Ok(store)
    }

    /// The same of a journal that may be damaged or behind its MARK: it is cut to what is whole, and the issuer is in
    /// RECOVER.
    pub(crate) fn open_or_recover(dir: &StateDir, passphrase: &PassphraseArgs) -> Result<Self, Failure> {
        leasehold_archive::finish(&dir.archived())?;
        let failure = |error| journal::failure(dir, &error);
        let (home, _, cut) = FileHome::open_or_cut(&dir.journal(), None).map_err(failure)?;
        let issuer = journal::replay(home.read(Seq::NONE).map_err(failure)?).map_err(failure)?;
        if issuer.trust_root().is_none() {
            return Err(dir.not_initialised());
        }
        let mut store = Self::with(dir, passphrase, issuer, Home::Write(Box::new(home)));
        if let Some(cut) = cut {
            recovery::write_down_cut(&mut store, &cut)?;
            if let Home::Write(home) = &mut store.home {
                home.end_cut().map_err(failure)?;
            }
        }
        Ok(store)
    }

    /// Opens a journal that may still be empty.
    pub(crate) fn open_any(dir: &StateDir, passphrase: &PassphraseArgs) -> Result<Self, Failure> {
        leasehold_archive::finish(&dir.archived())?;
        let failure = |error| journal::failure(dir, &error);
        let (home, _opened) = FileHome::open(&dir.journal()).map_err(failure)?;
        let issuer = journal::replay(home.read(Seq::NONE).map_err(failure)?).map_err(failure)?;
        Ok(Self::with(dir, passphrase, issuer, Home::Write(Box::new(home))))
    }

    /// Makes an empty journal for a new realm.
    pub(crate) fn create(
        dir: &StateDir,
        passphrase: &PassphraseArgs,
        realm: RealmId,
    ) -> Result<Self, Failure> {
        let failure = |error| journal::failure(dir, &error);
        let genesis =
            Genesis::new(journal::KIND, realm.0, random()?).map_err(|error| failure(error.into()))?;
        let home = FileHome::create(&dir.journal(), &genesis).map_err(failure)?;
        Ok(Self::with(dir, passphrase, Issuer::new(), Home::Write(Box::new(home))))
    }

    /// Opens an initialised issuer to look at it, without its lock, also beside a process that writes.
    pub(crate) fn read(dir: &StateDir, passphrase: &PassphraseArgs) -> Result<Self, Failure> {
        let failure = |error| journal::failure(dir, &error);
        let home = ReadOnly::open(&dir.journal()).map_err(failure)?;
        let issuer = journal::replay(home.read(Seq::NONE)).map_err(failure)?;
        if issuer.trust_root().is_none() {
            return Err(dir.not_initialised());
        }
        Ok(Self::with(dir, passphrase, issuer, Home::Read(home)))
    }

    /// The realm that the journal was made for.
    pub(crate) fn realm(&self) -> RealmId {
        let genesis = match &self.home {
            Home::Write(home) => home.genesis(),
            Home::Read(home) => home.genesis(),
        };
        RealmId(*genesis.realm())
    }

    /// The end of the journal.
    pub(crate) fn tail(&self) -> Tail {
        match &self.home {
            Home::Write(home) => home.tail(),
            Home::Read(home) => home.tail(),
        }
    }

    /// Whether it may be changed.
    pub(crate) const fn is_writable(&self) -> bool {
        matches!(self.home, Home::Write(_))
    }

    /// The fact of a durable record.
    pub(crate) fn fact(&self, seq: Seq) -> Result<Fact, JournalError> {
        let frame = match &self.home {
            Home::Write(home) => home.read_frame(seq),
            Home::Read(home) => home.read_frame(seq),
        };
        journal::fact(frame?, seq)
    }

    /// Makes a frame durable.
    pub(crate) fn commit(&mut self, draft: Draft) -> Result<(), JournalError> {
        match &mut self.home {
            Home::Write(home) => {
                let watch = Stopwatch::start();
                home.commit(draft)?;
                self.syncs.observe(watch.elapsed().as_secs_f64());
                // Before anything that is numbered in it leaves.
                let generation = self.issuer.recovery().map_or(0, |recovery| recovery.entered.generation);
                if home.generation() < generation { home.raise_generation(generation) } else { Ok(()) }
            }
            Home::Read(_) => Err(JournalError::Poisoned),
        }
    }

    /// Ends the use of the journal.
    pub(crate) fn close(self) -> Result<(), JournalError> {
        match self.home {
            Home::Write(home) => home.close(),
            Home::Read(_) => Ok(()),
        }
    }

    fn with(dir: &StateDir, passphrase: &PassphraseArgs, issuer: Issuer, home: Home) -> Self {
        let (keyring, syncs) = (Keyring::new(dir, passphrase), openmetrics::sync_times());
        Self { dir: dir.clone(), issuer, keyring, syncs, home }
    }
}
