//! `init`: makes a node.
//!
//! In this order: an empty journal, the keys, the first frame. A crash leaves either nothing, or an empty journal that
//! the next `init` goes on with; keys without a journal are never taken for a node that can begin anew, because the
//! lost journal knows which epochs were used.

use leasehold_cli::files;
use leasehold_cli::{Failure, Output, People, host_name};
use leasehold_journal::{FileHome, Genesis, Home as _, JournalError};
use leasehold_node_core::{Initialise, Input, NodeCore};
use leasehold_protocol::code::Code;
use leasehold_protocol::keys::{KeyId, Signer as _};
use leasehold_protocol::limits::NAME_BYTES;
use leasehold_protocol::seq::Seq;
use leasehold_protocol::trust_root::TrustRoot;
use serde::Serialize;

use super::{cause, fatal_failure, status};
use crate::cli::InitArgs;
use crate::commit::{Commit, Fatal};
use crate::data_dir::DataDir;
use crate::pace::Pace;
use crate::received;
use crate::replay::{Beginning, replay};
use crate::signing::{self, KeyName};
use crate::store::{JOURNAL_KIND, Store, journal_failure};
use crate::tally::Tally;

#[derive(Serialize)]
struct Made {
    node_key_id: KeyId,
}

pub(super) fn run(dir: &DataDir, args: &InitArgs, output: Output) -> Result<(), Failure> {
    let (trust_root, root) = received::trust_root(&args.trust)?;
    let name = args.name.clone().unwrap_or_else(host_name);
    check_name(&name)?;
    let cause = cause(&args.mutation);
    cause.check()?;
    if args.mutation.dry_run {
        refuse_existing(dir)?;
        return output.answer(
            &serde_json::json!({"would": "initialise"}),
            &People::sentence(format!("would make the node {name:?} in {}", dir.path().display())),
        );
    }
    let home = empty_journal(dir, &root)?;
    let key = signing::credential_or_new(dir, KeyName::Sign)?;
    let tls_key = signing::credential_or_new(dir, KeyName::Tls)?;
    let node_key_id = key.public_key().id();
    let initialise = Initialise {
        cause,
        trust_root,
        sign_key: key.public_key().bytes(),
        tls_keys: vec![tls_key.spki_digest()],
        name: name.clone(),
    };
    let store = Store { core: NodeCore::new(), home, key, realm: root.realm(), tally: Tally::new() };
    write_first_frame(store, initialise).map_err(|fatal| fatal_failure(&fatal))?;
    let people = People::sentence(format!(
        "made the node {name:?} with key {node_key_id} in {}",
        dir.path().display()
    ));
    let next = status::first_contact(dir);
    output.answer(&Made { node_key_id }, &people.next(next))
}

fn check_name(name: &str) -> Result<(), Failure> {
    if !name.is_empty() && name.len() <= NAME_BYTES && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let detail = format!("a node's name has 1 to {NAME_BYTES} bytes and no control characters");
    Err(Failure::usage(detail, "choose another --name"))
}

/// A new journal, or the empty one of an `init` that was interrupted.
fn empty_journal(dir: &DataDir, root: &TrustRoot) -> Result<FileHome, Failure> {
    if !dir.journal().exists() {
        refuse_existing(dir)?;
        files::make_private_dir(dir.path())?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| fatal_failure(&Fatal::Entropy(error)))?;
        let realm = root.realm().id.0;
        let genesis =
            Genesis::new(JOURNAL_KIND, realm, random).expect("the kind of a node's journal is valid");
        return FileHome::create(&dir.journal(), &genesis).map_err(|error| cannot_make(dir, &error));
    }
    let (home, _) = FileHome::open(&dir.journal()).map_err(|error| cannot_make(dir, &error))?;
    let beginning = Beginning { core: NodeCore::new(), at: None };
    let core =
        replay(beginning, home.read(Seq::FIRST).map_err(|error| journal_failure(&error))?, &Pace::Full)?;
    if core.sign_key().is_none() && *home.genesis().realm() == root.realm().id.0 {
        return Ok(home);
    }
    Err(exists(dir, "holds a node already"))
}

fn refuse_existing(dir: &DataDir) -> Result<(), Failure> {
    if dir.journal().exists() {
        return Err(exists(dir, "holds a node already"));
    }
    if dir.keys().exists() {
        return Err(exists(dir, "has the keys of a node whose journal is gone"));
    }
    Ok(())
}

fn write_first_frame(mut store: Store, initialise: Initialise) -> Result<(), Fatal> {
    let now = leasehold_clock::read().map_err(Fatal::Clock)?;
    let mut commit = Commit::begin(&mut store, now)?;
    commit.decide(Input::Initialise(initialise));
    commit.finish()?;
    store.home.close().map_err(Fatal::Journal)
}

fn cannot_make(dir: &DataDir, error: &JournalError) -> Failure {
    match error {
        JournalError::AlreadyExists(_) | JournalError::Busy(_) => exists(dir, "holds a node already"),
        error => journal_failure(error),
    }
}

fn exists(dir: &DataDir, what: &str) -> Failure {
    Failure::new(
        Code::AlreadyExists,
        format!("{} {what}", dir.path().display()),
        "choose another --data, or restore the missing part from a backup",
    )
}
