//! `key`: the bearer keys that callers of the network show.

use leasehold_cli::{Failure, Output, People};
use serde::Serialize;
use serde_json::Value;

use super::next_command;
use crate::admin::{Admin, Content};
use crate::api_keys::{self, ApiKey, Rights};
use crate::cli::KeyVerb;
use crate::data_dir::DataDir;
use crate::store::require_node;

#[derive(Serialize)]
struct Shown {
    key_id: String,
    name: String,
    rights: Rights,
    /// Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

#[derive(Serialize)]
struct Keys {
    keys: Vec<Shown>,
}

impl Shown {
    fn new(key: &ApiKey, secret: Option<String>) -> Self {
        Self { key_id: key.id_text(), name: key.name.clone(), rights: key.rights, secret }
    }
}

pub(super) fn run(dir: &DataDir, verb: &KeyVerb, output: Output) -> Result<(), Failure> {
    require_node(dir)?;
    match verb {
        KeyVerb::Add { name, admin } => {
            add(dir, name, if *admin { Rights::Admin } else { Rights::Seats }, output)
        }
        KeyVerb::List => list(dir, output),
        KeyVerb::Remove { key } => remove(dir, key, output),
    }
}

fn add(dir: &DataDir, name: &str, rights: Rights, output: Output) -> Result<(), Failure> {
    let (key, secret) = api_keys::add(dir, name, rights)?;
    tell_daemon(dir)?;
    let people = People::sentence(format!(
        "made the key {} of {name:?}, shown this once:\n{}",
        key.id_text(),
        *secret
    ));
    let next = next_command(dir, "run --listen ADDRESS");
    output.answer(&Shown::new(&key, Some((*secret).clone())), &people.next(next))
}

fn list(dir: &DataDir, output: Output) -> Result<(), Failure> {
    let keys = api_keys::list(dir)?;
    let row = |key: &ApiKey| {
        let rights = match key.rights {
            Rights::Seats => "seats",
            Rights::Admin => "admin",
        };
        [key.id_text(), key.name.clone(), rights.to_owned()]
    };
    let people = People::table(["KEY", "NAME", "RIGHTS"], keys.iter().map(row));
    output.answer(&Keys { keys: keys.iter().map(|key| Shown::new(key, None)).collect() }, &people)
}

fn remove(dir: &DataDir, which: &str, output: Output) -> Result<(), Failure> {
    let key = api_keys::remove(dir, which)?;
    tell_daemon(dir)?;
    let people = People::sentence(format!("removed the key {} of {:?}", key.id_text(), key.name));
    output.answer(&Shown::new(&key, None), &people)
}

/// A daemon that runs takes the change over before the command says that it is done.
fn tell_daemon(dir: &DataDir) -> Result<(), Failure> {
    match Admin::find(dir)? {
        Some(daemon) => daemon.post::<Value>("/v1/api-keys/reload", Content::None).map(|_| ()),
        None => Ok(()),
    }
}
