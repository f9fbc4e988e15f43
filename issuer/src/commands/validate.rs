//! `validate`: whether a service would accept its configuration.

use std::net::SocketAddr;
use std::path::Path;

use leasehold_cli::{Exit, Failure, People};
use serde::Serialize;

use crate::context::Context;
use crate::serve::config;

#[derive(Serialize)]
struct Accepted<'a> {
    /// Always true: what is wrong is a problem, not an answer.
    valid: bool,
    /// None: the defaults are.
    config: Option<&'a Path>,
    listen: Vec<SocketAddr>,
}

pub(super) fn run(context: &Context, named: Option<&Path>) -> Result<Exit, Failure> {
    let listen = config::load(named)?.addresses(&[])?;
    let file = named.unwrap_or(Path::new(config::DEFAULT_FILE));
    let file = file.exists().then_some(file);
    let subject =
        file.map_or_else(|| "the default configuration".to_owned(), |file| file.display().to_string());
    let addresses: Vec<String> = listen.iter().map(ToString::to_string).collect();
    let people =
        People::sentence(format!("{subject} is valid: the service listens at {}", addresses.join(", ")));
    context.output.answer(&Accepted { valid: true, config: file, listen }, &people).map(|()| Exit::DONE)
}
