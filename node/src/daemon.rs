//! A running node: from the open store to the drained end.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use leasehold_cli::log::DaemonLog;
use leasehold_cli::{Failure, Output, Signals, service_manager};
use leasehold_net::body::BodyRoom;
use leasehold_net::{Bounds, Endpoint, Listener};
use leasehold_protocol::code::Code;
use leasehold_protocol::event_id::EventId;
use leasehold_protocol::ids::NodeId;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api_keys::KeyRing;
use crate::config::Limits;
use crate::data_dir::DataDir;
use crate::exchange::{Exchange, Reach};
use crate::http::{self, Access, Anonymous, Door, Guarded, Shared};
use crate::listening::{Bound, Places};
use crate::reload::Reload;
use crate::signing::{self, KeyName};
use crate::snapshots::SnapshotMaker;
use crate::store::{Store, fatal_failure};
use crate::writer::{self, Writer};
use crate::{limits, ready};

/// What a daemon was told.
pub(crate) struct Settings {
    /// Its state.
    pub(crate) dir: DataDir,
    /// Where it listens.
    pub(crate) places: Places,
    /// Bounds of its listeners.
    pub(crate) limits: Limits,
    /// The configuration file, if one was named.
    pub(crate) config: Option<PathBuf>,
    /// Its log.
    pub(crate) log: DaemonLog,
}

/// How far its life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It answers.
    Serving,
    /// It finishes what is under way.
    Draining,
}

/// Runs until a signal ends it.
pub(crate) fn run(settings: Settings, output: Output) -> Result<(), Failure> {
    let keys = Arc::new(KeyRing::load(&settings.dir)?);
    settings.places.check_strangers(&keys)?;
    let mut store = Store::open_or_recover(&settings.dir)?;
    writer::see_machine(&mut store).map_err(|fatal| fatal_failure(&fatal))?;
    ready::clear(&settings.dir);
    let runtime = Runtime::new().map_err(|error| cannot_start("the runtime", &error))?;
    let bound = {
        let _inside = runtime.enter();
        settings.places.bind(&settings.dir)?
    };
    let node_id = store.core.identity().node_id;
    let news = store.tally.snapshots.clone();
    let snapshots = SnapshotMaker::spawn(settings.dir.clone(), news)
        .map_err(|error| cannot_start("the maker of snapshots", &error))?;
    let (writer, thread) = Writer::spawn(store).map_err(|error| cannot_start("the writer", &error))?;
    let daemon = Daemon { settings, keys, bound, writer: writer.clone(), node_id };
    let ended = runtime.block_on(daemon.serve(output));
    // The writer makes the last one, and not before: it goes on as long as there is a way to it.
    snapshots.stop();
    drop(writer);
    // Whatever did not end in time is dropped here, and with it the last ways to the writer.
    runtime.shutdown_timeout(limits::ABANDON);
    join(thread)?;
    ended
}

struct Daemon {
    settings: Settings,
    keys: Arc<KeyRing>,
    bound: Bound,
    writer: Writer,
    node_id: Option<NodeId>,
}

impl Daemon {
    async fn serve(self, output: Output) -> Result<(), Failure> {
        let Self { settings, keys, bound, writer, node_id } = self;
        let mut signals = Signals::new()?;
        let reach = Arc::new(Reach::default());
        let tls_key = signing::load(&settings.dir, KeyName::Tls)?.tls_key();
        let exchange = Exchange::new(writer.clone(), tls_key, Arc::clone(&reach));
        let (phase, phases) = watch::channel(Phase::Serving);
        let addresses = bound.addresses();
        let Bound { admin: (admin, admin_place), data: (data, data_place), tcp, tls } = bound;
        let network = Bound::network(tcp, tls.as_ref());
        let doors = Doors::new(
            &settings,
            &keys,
            writer,
            &phases,
            &reach,
            u32::try_from(network.len()).unwrap_or(u32::MAX),
        );
        let mut serving = JoinSet::new();
        for endpoint in doors.endpoints(admin, data, network) {
            serving.spawn(endpoint.serve(draining(phases.clone())));
        }
        let exchange = tokio::spawn(exchange.run());
        let reload =
            Reload { config: settings.config, log: settings.log, dir: settings.dir.clone(), tls, keys };
        let ready_file = ready::announce(&settings.dir, &addresses, node_id, output)?;
        service_manager::ready();
        tracing::info!(event_id = %EventId::DaemonReady, node = node_id.map(tracing::field::display), "ready");

        tokio::select! {
            () = signals.end(|| reload.run()) => {}
            Some(ended) = serving.join_next() => return Err(stopped_serving(ended.err().as_ref())),
        }
        tracing::info!(event_id = %EventId::DaemonDraining, "draining");
        service_manager::stopping();
        exchange.abort();
        drop((ready_file, admin_place, data_place));
        phase.send_replace(Phase::Draining);
        let ended = async { while serving.join_next().await.is_some() {} };
        if tokio::time::timeout(limits::DRAIN, ended).await.is_err() {
            tracing::warn!(
                event_id = %EventId::DaemonCutOff,
                "requests under way did not end in time and are cut off"
            );
        }
        Ok(())
    }
}

/// What is served at which door.
struct Doors {
    node: Shared,
    anonymous: Anonymous,
    requests_per_second: NonZeroU32,
    /// Of the data socket.
    local: Bounds,
    /// Of each TCP listener.
    network: Bounds,
}

impl Doors {
    fn new(
        settings: &Settings,
        keys: &Arc<KeyRing>,
        writer: Writer,
        phases: &watch::Receiver<Phase>,
        reach: &Arc<Reach>,
        network: u32,
    ) -> Self {
        let Limits { connections, connections_per_peer, requests_per_second } = settings.limits;
        let requests_per_second = NonZeroU32::new(requests_per_second.0).unwrap_or(NonZeroU32::MIN);
        let node = Shared {
            writer,
            dir: settings.dir.clone(),
            phase: phases.clone(),
            body_room: BodyRoom::new(),
            access: Arc::new(Access::new(Door::Data, Arc::clone(keys), requests_per_second)),
            keys: Arc::clone(keys),
            reach: Arc::clone(reach),
        };
        let (local, connections) = room_for(connections.0, network);
        let bounds = |connections| Bounds {
            connections,
            connections_per_peer: connections_per_peer.0,
            ..Bounds::default()
        };
        let (local, network) = (bounds(local), bounds(connections));
        Self { node, anonymous: settings.places.anonymous, requests_per_second, local, network }
    }

    fn endpoints(
        &self,
        admin: UnixListener,
        data: UnixListener,
        network: Vec<Listener>,
    ) -> Vec<Endpoint<Guarded>> {
        let admin = Endpoint {
            listener: Listener::Unix(admin),
            service: http::admin_routes(self.behind(Door::Admin)),
            bounds: Bounds { connections: limits::ADMIN_CONNECTIONS, ..self.local },
        };
        let data = Endpoint {
            listener: Listener::Unix(data),
            service: http::data_routes(self.behind(Door::Data)),
            bounds: self.local,
        };
        // All addresses are one door: a caller's requests are counted together.
        let service = http::admin_routes(self.behind(Door::Network(self.anonymous)));
        let network = network.into_iter().map(|listener| Endpoint {
            listener,
            service: service.clone(),
            bounds: self.network,
        });
        [admin, data].into_iter().chain(network).collect()
    }

    /// The node as it is seen through a door. What one door takes up is not the others'.
    fn behind(&self, door: Door) -> Shared {
        let access = Access::new(door, Arc::clone(&self.node.keys), self.requests_per_second);
        Shared { body_room: BodyRoom::new(), access: Arc::new(access), ..self.node.clone() }
    }
}

/// Ends when the daemon drains.
async fn draining(mut phases: watch::Receiver<Phase>) {
    let _ = phases.wait_for(|phase| *phase == Phase::Draining).await;
}

/// Connections of the data socket, and of each of so many TCP listeners. Raises the limit of open files as far as it
/// goes, and lowers the connections to what then fits.
fn room_for(connections: u32, network: u32) -> (u32, u32) {
    let local = if network == 0 { connections } else { connections.min(limits::LOCAL_CONNECTIONS) };
    let beside = u64::from(limits::ADMIN_CONNECTIONS + limits::OTHER_FILES);
    let served = u64::from(connections) * u64::from(network) + u64::from(local);
    let wanted = served + beside;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return (local, connections) };
    let soft = if soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard).is_ok() {
        wanted.min(hard)
    } else {
        soft
    };
    if soft >= wanted {
        return (local, connections);
    }
    let room = soft.saturating_sub(beside);
    let fit = |share: u32| u32::try_from(u64::from(share) * room / served.max(1)).unwrap_or(share).max(1);
    let fits = (fit(local), fit(connections));
    tracing::warn!(
        event_id = %EventId::FilesLimited,
        wanted = connections,
        fit = fits.1,
        "the limit of open files allows fewer connections"
    );
    fits
}

fn join(writer: JoinHandle<()>) -> Result<(), Failure> {
    writer.join().map_err(|_| Failure::new(Code::Internal, "the writer panicked", "report this"))
}

fn stopped_serving(panic: Option<&tokio::task::JoinError>) -> Failure {
    let why = panic.map_or_else(|| "nobody asked it to".to_owned(), ToString::to_string);
    Failure::new(
        Code::Internal,
        format!("the accept loops have ended: {why}"),
        "report this, with the node's log",
    )
}

fn cannot_start(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Code::Internal, format!("cannot start {what}: {error}"), "check the limits of this process")
}
