//! `validate`: whether a service would accept its configuration.

use std::net::SocketAddr;
use std::path::Path;

use leasehold_cli::{Exit, Failure, People};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde::Serialize;

use crate::context::Context;
use crate::serve::{check_exposure, config};
use crate::store::Store;

#[derive(Serialize)]
struct Accepted<'a> {
    /// Always true: what is wrong is a problem, not an answer.
    valid: bool,
    /// None: the defaults are.
    config: Option<&'a Path>,
    listen: Vec<SocketAddr>,
    /// An address that the service would open only with an API key, where there is no issuer yet to have one.
    needs_api_key: Option<SocketAddr>,
}

/// What a start would find of the configuration.
pub(super) struct Checked {
    listen: Vec<SocketAddr>,
    needs_api_key: Option<SocketAddr>,
}

pub(super) fn run(context: &Context, named: Option<&Path>) -> Result<Exit, Failure> {
    let Checked { listen, needs_api_key } = check(context, named)?;
    let file = named.unwrap_or(Path::new(config::DEFAULT_FILE));
    let file = file.exists().then_some(file);
    let subject =
        file.map_or_else(|| "the default configuration".to_owned(), |file| file.display().to_string());
    let addresses: Vec<String> = listen.iter().map(ToString::to_string).collect();
    let sentence = format!("{subject} is valid: the service listens at {}", addresses.join(", "));
    let people = People::sentence(match needs_api_key {
        None => sentence,
        Some(address) => format!(
            "{sentence}\nthere is no issuer in {} yet: it will open {address} only once it has an API key",
            context.dir.path().display()
        ),
    });
    let accepted = Accepted { valid: true, config: file, listen, needs_api_key };
    context.output.answer(&accepted, &people).map(|()| Exit::DONE)
}

/// Refuses what a start would refuse. Who may come is seen in the state, as far as there is one.
pub(super) fn check(context: &Context, named: Option<&Path>) -> Result<Checked, Failure> {
    let config = config::load(named)?;
    let listen = config.addresses(&[])?;
    config.tls_files().check().map_err(Problem::from)?;
    let exposed = config.exposed(&listen);
    let needs_api_key = match exposed.map(|_| Store::read(&context.dir, &context.passphrase)) {
        None => None,
        Some(Ok(store)) => {
            check_exposure(&store.issuer, &config, &listen)?;
            None
        }
        Some(Err(failure)) if failure.code() == Code::NotInitialised => exposed,
        Some(Err(failure)) => return Err(failure),
    };
    Ok(Checked { listen, needs_api_key })
}
