//! `run`: the daemon, in the foreground.

use std::path::Path;

use leasehold_cli::{Failure, GlobalArgs, log};

use crate::cli::{PlaceArgs, RunArgs};
use crate::config::Config;
use crate::daemon::{self, Settings};
use crate::data_dir::DataDir;
use crate::listening::Places;

pub(super) fn run(
    dir: DataDir,
    args: &RunArgs,
    place: &PlaceArgs,
    config: &Config,
    global: GlobalArgs,
) -> Result<(), Failure> {
    let places = Places::new(&dir, args, config)?;
    let settings = Settings {
        dir,
        places,
        limits: config.limits,
        config: place.config_file().map(Path::to_owned),
        log: log::begin_daemon(global, config.log),
    };
    daemon::run(settings, global.output())
}
