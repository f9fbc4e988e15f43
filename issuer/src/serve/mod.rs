//! `serve`: the issuer as a service, from the open store to the drained end.

pub(crate) mod config;
mod ready;
mod reload;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use leasehold_cli::{Exit, Failure, GlobalArgs, Output, Signals, log, service_manager};
use leasehold_issuer_core::{ApiKeyState, Cause, Command, Issuer, Source};
use leasehold_net::unix_socket::{Listening, Place, SocketMode};
use leasehold_net::{Bounds, Endpoint, Listener, ServerTls, TlsKey, bind_tcp};
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::RealmId;
use leasehold_protocol::event_id::EventId;
use leasehold_protocol::problem::Problem;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use self::config::Config;
use self::reload::Reload;
use crate::api::{Moment, PageKey, Phase, Service};
use crate::args::ServeArgs;
use crate::commit::{Intent, Planned, carry_out};
use crate::context::Context;
use crate::limits;
use crate::state_dir::StateDir;
use crate::store::Store;
use crate::writer::{Ending, Writer};

/// Runs until a signal ends it.
pub(crate) fn run(context: &Context, args: &ServeArgs, global: GlobalArgs) -> Result<Exit, Failure> {
    let config = config::load(args.config.as_deref())?;
    let log = log::begin_daemon(global, config.log);
    let addresses = config.addresses(&args.listen)?;
    let mut store = Store::open_or_recover(&context.dir, &context.passphrase)?;
    accept_time(&mut store, args.accept_time.as_ref())?;
    check_exposure(&store.issuer, &config, &addresses)?;
    ready::clear(&context.dir);
    let Store { issuer, keyring, .. } = &mut store;
    let keys = keyring.unlock(issuer)?;
    let (tls_key, page_key) = (keys.tls_key()?, keys.page_key());
    let tls = ServerTls::new(&tls_key, &config.tls_files()).map_err(Problem::from)?;
    let realm = store.realm();
    let admin = Listening::bind(&context.dir.admin_socket(), SocketMode::OWNER).map_err(Problem::from)?;
    let runtime = Runtime::new().map_err(|error| cannot_start("the runtime", &error))?;
    let spawned = Writer::spawn(store, Ending::Process);
    let (writer, thread) = spawned.map_err(|error| cannot_start("the writer", &error))?;
    let (tls, dir) = (Arc::new(tls), context.dir.clone());
    let reload = Reload { path: args.config.clone(), log, tls: Arc::clone(&tls), tls_key: tls_key.clone() };
    let daemon = Daemon { dir, realm, tls_key, page_key, config, addresses, admin, tls, reload, writer };
    let ended = runtime.block_on(daemon.serve(context.output));
    // Whatever did not end in time is dropped here, and with it the last ways to the writer.
    runtime.shutdown_timeout(limits::ABANDON);
    join(thread)?;
    ended.map(|()| Exit::DONE)
}

/// Takes an operator's word that the clock is right, before anything is decided by it.
fn accept_time(store: &mut Store, accepted: Option<&Moment>) -> Result<(), Failure> {
    let Some(accepted) = accepted else { return Ok(()) };
    let cause = Cause {
        actor: leasehold_cli::os_user(),
        source: Source { system: "cli".to_owned(), reference: None },
        reason: None,
        idempotency: None,
        accept_time: Some(accepted.resolve(None)?),
    };
    carry_out(store, cause, Intent::Do, |_| Ok(Planned::Command(Box::new(Command::AcceptTime)))).map(drop)
}

/// Beyond this machine nobody is served whom nothing can tell from anybody else, unless that is written down.
pub(crate) fn check_exposure(
    issuer: &Issuer,
    config: &Config,
    addresses: &[SocketAddr],
) -> Result<(), Failure> {
    let has_keys = || issuer.api_keys().any(|key| key.state == ApiKeyState::Active);
    let Some(exposed) = config.exposed(addresses).filter(|_| !has_keys()) else { return Ok(()) };
    Err(Failure::new(
        Code::ConfigInvalid,
        format!(
            "{exposed} can be reached from elsewhere, and there is no way for callers to prove who they are"
        ),
        "make an API key with `api-key create`, or write allow_anonymous = true",
    ))
}

struct Daemon {
    dir: StateDir,
    realm: RealmId,
    tls_key: TlsKey,
    page_key: PageKey,
    config: Config,
    addresses: Vec<SocketAddr>,
    admin: Listening,
    tls: Arc<ServerTls>,
    reload: Reload,
    writer: Writer,
}

impl Daemon {
    async fn serve(self, output: Output) -> Result<(), Failure> {
        let Self { dir, realm, tls_key, page_key, config, addresses, admin, tls, reload, writer } = self;
        let mut signals = Signals::new()?;
        let (phase, phases) = watch::channel(Phase::Serving);
        let service = Service::new(writer, dir.clone(), page_key, config.rates(), phases.clone());
        let (admin, place) = listen(admin)?;
        let tcp: Vec<TcpListener> = addresses
            .iter()
            .map(|address| Ok(bind_tcp(*address).map_err(Problem::from)?))
            .collect::<Result<_, Failure>>()?;
        let mut places = tcp.iter().map(address_of).collect::<Result<Vec<_>, Failure>>()?;
        places.push(place.to_string());
        let bounds = Bounds { connections: limits::ADMIN_CONNECTIONS, ..Bounds::default() };
        let here = service.with_own_room().router();
        let mut endpoints = vec![Endpoint { listener: Listener::Unix(admin), service: here, bounds }];
        let bounds = Bounds { connections: config.limits.connections.0, ..Bounds::default() };
        let router = service.router();
        endpoints.extend(tcp.into_iter().map(|listener| Endpoint {
            listener: Listener::Tls(listener, Arc::clone(&tls)),
            service: router.clone(),
            bounds,
        }));
        drop(router);
        let mut serving = tokio::task::JoinSet::new();
        for endpoint in endpoints {
            serving.spawn(endpoint.serve(draining(phases.clone())));
        }
        let ready_file = ready::announce(&dir, &places, realm, tls_key.digest(), output)?;
        service_manager::ready();
        tracing::info!(event_id = %EventId::DaemonReady, realm = %realm, "ready");

        tokio::select! {
            () = signals.end(|| reload.run()) => {}
            ended = serving.join_next() => return Err(stopped_serving(ended)),
        }
        tracing::info!(event_id = %EventId::DaemonDraining, "draining");
        service_manager::stopping();
        drop((ready_file, place));
        phase.send_replace(Phase::Draining);
        let drained = async { while serving.join_next().await.is_some() {} };
        if tokio::time::timeout(limits::DRAIN, drained).await.is_err() {
            tracing::warn!(
                event_id = %EventId::DaemonCutOff,
                "requests under way did not end in time and are cut off"
            );
        }
        Ok(())
    }
}

/// Ends when the daemon drains.
async fn draining(mut phases: watch::Receiver<Phase>) {
    let _ = phases.wait_for(|phase| *phase == Phase::Draining).await;
}

fn listen(listening: Listening) -> Result<(UnixListener, Place), Failure> {
    let (listener, place) = listening.split();
    let listener = UnixListener::from_std(listener).map_err(|error| cannot_start("the listener", &error))?;
    Ok((listener, place))
}

/// With the port that was picked.
fn address_of(listener: &TcpListener) -> Result<String, Failure> {
    let address = listener.local_addr().map_err(|error| cannot_start("the listener", &error))?;
    Ok(format!("https://{address}"))
}

fn join(writer: JoinHandle<()>) -> Result<(), Failure> {
    writer.join().map_err(|_| Failure::new(Code::Internal, "the writer panicked", "report this"))
}

fn stopped_serving(ended: Option<Result<(), tokio::task::JoinError>>) -> Failure {
    let panic = ended.and_then(Result::err);
    let why = panic.map_or_else(|| "nobody asked it to".to_owned(), |panic| panic.to_string());
    let detail = format!("an accept loop has ended: {why}");
    Failure::new(Code::Internal, detail, "report this, with the issuer's log")
}

fn cannot_start(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Code::Internal, format!("cannot start {what}: {error}"), "check the limits of this process")
}
