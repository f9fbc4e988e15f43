//! `run`: the daemon, in the foreground.

use std::path::{Path, PathBuf};

use leasehold_cli::{Failure, GlobalArgs, log};
use leasehold_net::unix_socket::{self, SocketMode};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;

use crate::cli::{PlaceArgs, RunArgs};
use crate::config::Config;
use crate::daemon::{self, Settings};
use crate::data_dir::DataDir;
use crate::reload::Reload;

pub(super) fn run(
    dir: DataDir,
    args: &RunArgs,
    place: &PlaceArgs,
    config: &Config,
    global: GlobalArgs,
) -> Result<(), Failure> {
    let (socket, socket_mode) = data_socket(&dir, args, config)?;
    let reload = Reload {
        config: place.config_file().map(Path::to_owned),
        log: log::begin_daemon(global, config.log),
    };
    let connections = config.limits.connections.0;
    daemon::run(Settings { dir, socket, socket_mode, connections, reload }, global.output())
}

/// Where applications will find the daemon, as the arguments and the configuration say.
pub(super) fn data_socket(
    dir: &DataDir,
    args: &RunArgs,
    config: &Config,
) -> Result<(PathBuf, SocketMode), Failure> {
    if !args.listen.is_empty() || config.listen.is_some() {
        return Err(Failure::new(
            Code::ConfigInvalid,
            "this version listens on Unix sockets only: a TCP address needs TLS, which it does not have",
            "leave out `listen`; choose the socket with --socket PATH",
        ));
    }
    let socket = match args.socket.as_ref().or(config.socket.as_ref()) {
        Some(path) => DataDir::new(path).path().to_owned(),
        None => dir.data_socket(),
    };
    unix_socket::check_path(&socket).map_err(Problem::from)?;
    unix_socket::check_path(&dir.admin_socket()).map_err(Problem::from)?;
    Ok((socket, config.socket_mode.unwrap_or(SocketMode::EVERYBODY)))
}
