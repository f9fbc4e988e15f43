//! `validate`: whether a daemon would accept its configuration.

use std::path::{Path, PathBuf};

use leasehold_cli::{Failure, Output, People};
use serde::Serialize;

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
}

pub(super) fn run(place: &PlaceArgs, dir: &DataDir, config: &Config, output: Output) -> Result<(), Failure> {
    let socket = Places::new(dir, &RunArgs::default(), config)?.data;
    let file = place.config_file().unwrap_or(Path::new(config::DEFAULT_FILE));
    let file = file.exists().then_some(file);
    let subject =
        file.map_or_else(|| "the default configuration".to_owned(), |file| file.display().to_string());
    let people = People::sentence(format!(
        "{subject} is valid: state in {}, applications at unix:{}",
        dir.path().display(),
        socket.display()
    ));
    output.answer(&Accepted { valid: true, config: file, data: dir.path(), socket }, &people)
}
