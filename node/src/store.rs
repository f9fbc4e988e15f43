//! A data directory as a replayed core: locked for writing, or looked at without lock.

use std::path::Path;

use leasehold_cli::Failure;
use leasehold_journal::file::snapshot::SnapshotHead;
use leasehold_journal::file::{NextSegment, Opened, ReadOnly};
use leasehold_journal::{FileHome, Genesis, Home as _, JournalError, Tail};
use leasehold_node_core::{NodeCore, Record};
use leasehold_protocol::api::JournalStatus;
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::Realm;
use leasehold_protocol::event_id::EventId;
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::keys::{PublicKeyBytes, Signer as _};
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;

use crate::causes::with_causes;
use crate::command::Command;
use crate::commit::Fatal;
use crate::data_dir::DataDir;
use crate::pace::Pace;
use crate::recovery;
use crate::replay::{Beginning, open_newest, replay};
use crate::signing::{self, KeyName, NodeKey};
use crate::snapshots;
use crate::tally::Tally;

/// What a node's journal is called in its genesis.
pub(crate) const JOURNAL_KIND: &str = "node";

/// A node's state, owned: nobody else has the directory open for writing.
pub(crate) struct Store {
    /// The replayed core.
    pub(crate) core: NodeCore,
    /// The journal that it is the fold of.
    pub(crate) home: FileHome,
    /// Signs tickets and requests.
    pub(crate) key: NodeKey,
    /// Whose artefacts the node makes and accepts.
    pub(crate) realm: Realm,
    /// What was counted since it was opened.
    pub(crate) tally: Tally,
}

/// A node's state as it was when it was looked at.
pub(crate) struct Seen {
    /// The replayed core.
    pub(crate) core: NodeCore,
    /// How far its journal reached.
    pub(crate) journal: JournalStatus,
}

impl Store {
    /// Opens the state in `dir` and locks it.
    pub(crate) fn open(dir: &DataDir) -> Result<Self, Failure> {
        leasehold_archive::finish(&dir.archived())?;
        require_journal(dir)?;
        let path = dir.journal();
        let (opened, beginning) = open_newest(&path, |start| FileHome::open_from(&path, start), &Pace::Full)?;
        Self::replayed(dir, opened, beginning)
    }

    /// The same where the journal has lost records or is damaged: what is left of it is the state of a node in RECOVER.
    pub(crate) fn open_or_recover(dir: &DataDir) -> Result<Self, Failure> {
        leasehold_archive::finish(&dir.archived())?;
        require_journal(dir)?;
        let path = dir.journal();
        let ((home, opened, cut), beginning) =
            open_newest(&path, |start| FileHome::open_or_cut(&path, start), &Pace::Full)?;
        let mut store = Self::replayed(dir, (home, opened), beginning)?;
        if let Some(cut) = cut {
            recovery::write_down_cut(&mut store, &cut)?;
        }
        Ok(store)
    }

    fn replayed(dir: &DataDir, opened: (FileHome, Opened), beginning: Beginning) -> Result<Self, Failure> {
        let (home, opened) = opened;
        tell_of(&opened);
        check_genesis(home.genesis())?;
        let frames = home.read(beginning.core.next_seq()).map_err(|error| journal_failure(&error))?;
        let core = replay(beginning, frames, &Pace::Full)?;
        // Whatever kept a record from being replayed: a state without it is not served.
        if core.next_seq() != home.tail().next_seq {
            return Err(damaged(core.next_seq(), "the records before it do not lead to it"));
        }
        let identity = identity(&core, dir)?;
        if identity.realm.id.0 != *home.genesis().realm() {
            return Err(damaged(Seq::FIRST, "its records are of another realm than its genesis"));
        }
        let key = signing::load(dir, KeyName::Sign)?;
        if key.public_key().bytes() != identity.sign_key {
            return Err(Failure::new(
                Code::ConfigInvalid,
                format!("the sign key in {} is not the one of this journal", dir.keys().display()),
                "restore keys and journal from the same backup",
            ));
        }
        let tally = Tally::new();
        if let Some(newest) = snapshots::newest(dir).map_err(|error| journal_failure(&error))? {
            tally.snapshots.found(newest);
        }
        let mut store = Self { core, home, key, realm: identity.realm, tally };
        store.name_generation().map_err(|error| journal_failure(&error))?;
        Ok(store)
    }

    /// The generation that is in force is named in the MARK, durably.
    pub(crate) fn name_generation(&mut self) -> Result<(), JournalError> {
        match self.core.generation() {
            Some(generation) if self.home.generation() < generation => self.home.raise_generation(generation),
            _ => Ok(()),
        }
    }

    /// What the core cannot know: which lease the journal's record of a shown ticket's serial granted.
    pub(crate) fn look_up(&self, mut command: Command) -> Result<Command, Problem> {
        if let Command::Renew { shown: Some(shown), .. } = &mut command {
            shown.recorded = self.granted_by(Seq(shown.ticket.serial))?;
        }
        Ok(command)
    }

    fn granted_by(&self, seq: Seq) -> Result<Option<LeaseId>, Problem> {
        let unreadable = |error: &dyn std::error::Error| {
            let detail = format!("cannot read record {seq}: {}", with_causes(error));
            Problem::new(Code::Internal, detail, "check the journal with `leasehold-node journal verify`")
        };
        let frame = self.home.read_frame(seq).map_err(|error| unreadable(&error))?;
        let Some(frame) = frame else { return Ok(None) };
        let at = usize::try_from(seq.0.saturating_sub(frame.first_seq.0)).unwrap_or(usize::MAX);
        let record = frame.records.get(at).map(|bytes| Record::from_bytes(bytes)).transpose();
        Ok(match record.map_err(|error| unreadable(&error))? {
            Some(Record::LeaseGranted(granted) | Record::TicketAdopted { granted, .. }) => {
                Some(granted.lease)
            }
            _ => None,
        })
    }

    /// Whether there is room for more than what is in use: false is an alarm.
    pub(crate) fn can_grow(&mut self) -> bool {
        !matches!(self.home.next_segment(), NextSegment::Failed { .. })
    }
}

/// Looks at the state in `dir`, also beside a process that has it open.
pub(crate) fn look(dir: &DataDir) -> Result<Seen, Failure> {
    require_journal(dir)?;
    let path = dir.journal();
    let (journal, beginning) = open_newest(&path, |start| ReadOnly::open_from(&path, start), &Pace::Full)?;
    check_genesis(journal.genesis())?;
    let frames = journal.read(beginning.core.next_seq());
    let core = replay(beginning, frames, &Pace::Full)?;
    identity(&core, dir)?;
    let newest = snapshots::newest(dir).map_err(|error| journal_failure(&error))?;
    Ok(Seen { core, journal: journal_status(journal.tail(), newest.as_ref()) })
}

/// How far a journal with this tail reaches.
pub(crate) fn journal_status(tail: Tail, newest: Option<&SnapshotHead>) -> JournalStatus {
    JournalStatus {
        seq: tail.next_seq.previous().0,
        head: Digest(tail.chain.0),
        snapshot: newest.map(snapshots::snapshot_status),
    }
}

struct Identity {
    realm: Realm,
    sign_key: PublicKeyBytes,
}

/// Who the node is, if `init` has finished.
fn identity(core: &NodeCore, dir: &DataDir) -> Result<Identity, Failure> {
    match (core.sign_key(), core.realm()) {
        (Some(sign_key), Some(realm)) => Ok(Identity { realm, sign_key }),
        _ => Err(not_initialised(dir.path())),
    }
}

/// Refuses a directory without a node, for what lies beside the journal.
pub(crate) fn require_node(dir: &DataDir) -> Result<(), Failure> {
    require_journal(dir)?;
    if dir.journal().exists() {
        return Ok(());
    }
    Err(journal_failure(&JournalError::NotFound(dir.journal())))
}

/// A journal's error as programs tell it, with all its causes.
pub(crate) fn journal_failure(error: &JournalError) -> Failure {
    Failure::new(error.code(), with_causes(error), error.hint())
}

/// A commit's end as programs tell it, with all its causes.
pub(crate) fn fatal_failure(fatal: &Fatal) -> Failure {
    let hint = "check the disk and its free space, then look with `leasehold-node status`";
    Failure::new(fatal.code(), with_causes(fatal), hint)
}

/// `init` makes the journal before the keys: keys alone are what is left of a node, not the beginning of one.
fn require_journal(dir: &DataDir) -> Result<(), Failure> {
    if dir.journal().exists() || !dir.keys().exists() {
        return Ok(());
    }
    let detail =
        format!("the journal {} is missing, the keys of the node are there", dir.journal().display());
    let hint = "restore the journal from a backup; without one, init another directory and ask the vendor to register it";
    Err(Failure::new(Code::JournalDamaged, detail, hint))
}

fn not_initialised(dir: &Path) -> Failure {
    let detail = format!("{} holds no node yet: its `init` was interrupted", dir.display());
    let hint = format!("run `leasehold-node init --data {} --trust trust-root.lh` again", dir.display());
    Failure::new(Code::NotInitialised, detail, hint)
}

/// The journal is damaged at a record.
pub(crate) fn damaged(seq: Seq, detail: &str) -> Failure {
    journal_failure(&JournalError::Damaged { seq, detail: detail.to_owned() })
}

fn check_genesis(genesis: &Genesis) -> Result<(), Failure> {
    if genesis.kind() == JOURNAL_KIND {
        return Ok(());
    }
    let detail = format!("the journal is that of a {}, not of a node", genesis.kind());
    Err(Failure::new(Code::ConfigInvalid, detail, "name the data directory of a node with --data"))
}

fn tell_of(opened: &Opened) {
    tracing::debug!(frames = opened.frames, unmarked_frames = opened.unmarked_frames, "journal opened");
    if let Some(torn) = &opened.torn {
        tracing::warn!(
            event_id = %EventId::JournalTorn,
            ?torn,
            "an interrupted write was cut off the journal; nobody had been answered for it"
        );
    }
}
