//! `validate`: whether a daemon would accept its configuration.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use leasehold_cli::{Failure, Output, People};
use leasehold_protocol::problem::Problem;
use serde::Serialize;

use crate::api_keys::KeyRing;
use crate::cli::{PlaceArgs, RunArgs};
use crate::config::{self, Config};
use crate::data_dir::DataDir;
use crate::listening::Places;

#[derive(Serialize)]
struct Accepted<'a> {
    /// Always true: what is wrong is a problem, not an answer.
    valid: bool,
    /// None: the defaults are.
    config: Option<&'a Path>,
    data: &'a Path,
    socket: PathBuf,
    listen: Vec<SocketAddr>,
    /// An address that the daemon would open only with a key for clients, where there is no node yet to have one.
    needs_key: Option<SocketAddr>,
}

pub(super) fn run(place: &PlaceArgs, dir: &DataDir, config: &Config, output: Output) -> Result<(), Failure> {
    let (Places { data: socket, tcp: listen, .. }, needs_key) = check(dir, config)?;
    let file = place.config_file().unwrap_or(Path::new(config::DEFAULT_FILE));
    let file = file.exists().then_some(file);
    let subject =
        file.map_or_else(|| "the default configuration".to_owned(), |file| file.display().to_string());
    let sockets = std::iter::once(format!("unix:{}", socket.display()));
    let addresses: Vec<String> =
        sockets.chain(listen.iter().map(|address| format!("https://{address}"))).collect();
    let sentence = format!(
        "{subject} is valid: state in {}, applications at {}",
        dir.path().display(),
        addresses.join(", ")
    );
    let people = People::sentence(match needs_key {
        None => sentence,
        Some(address) => format!(
            "{sentence}\nthere is no node in {} yet: it will open {address} only once it has a key for clients",
            dir.path().display()
        ),
    });
    let accepted = Accepted { valid: true, config: file, data: dir.path(), socket, listen, needs_key };
    output.answer(&accepted, &people)
}

/// Refuses what a start would refuse. The keys of clients are in the state, as far as there is one.
pub(super) fn check(dir: &DataDir, config: &Config) -> Result<(Places, Option<SocketAddr>), Failure> {
    let places = Places::new(dir, &RunArgs::default(), config)?;
    places.files.check().map_err(Problem::from)?;
    if dir.journal().exists() {
        places.check_strangers(&KeyRing::load(dir)?)?;
        return Ok((places, None));
    }
    let exposed = places.exposed();
    Ok((places, exposed))
}
