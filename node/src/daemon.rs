//! A running node: from the open store to the drained end.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use leasehold_cli::{Failure, Output, service_manager};
use leasehold_net::body::BodyRoom;
use leasehold_net::unix_socket::{Listening, Place, SocketMode};
use leasehold_net::{Bounds, Endpoint, Listener};
use leasehold_protocol::code::Code;
use leasehold_protocol::event_id::EventId;
use leasehold_protocol::ids::NodeId;
use leasehold_protocol::problem::Problem;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::data_dir::DataDir;
use crate::exchange::{Exchange, Reach};
use crate::http::{self, Node};
use crate::reload::Reload;
use crate::signing::{self, KeyName};
use crate::store::Store;
use crate::writer::Writer;
use crate::{limits, ready};

/// What a daemon was told.
pub(crate) struct Settings {
    /// Its state.
    pub(crate) dir: DataDir,
    /// The data socket.
    pub(crate) socket: PathBuf,
    /// Who may connect to it.
    pub(crate) socket_mode: SocketMode,
    /// How many may be connected to it.
    pub(crate) connections: u32,
    /// What a hang-up reads again.
    pub(crate) reload: Reload,
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
    let store = Store::open(&settings.dir)?;
    ready::clear(&settings.dir);
    let connections = room_for(settings.connections);
    let admin = Listening::bind(&settings.dir.admin_socket(), SocketMode::OWNER).map_err(Problem::from)?;
    let data = Listening::bind(&settings.socket, settings.socket_mode).map_err(Problem::from)?;
    let runtime = Runtime::new().map_err(|error| cannot_start("the runtime", &error))?;
    let node_id = store.core.identity().node_id;
    let (writer, thread) = Writer::spawn(store).map_err(|error| cannot_start("the writer", &error))?;
    let daemon = Daemon { settings, connections, admin, data, writer, node_id };
    let ended = runtime.block_on(daemon.serve(output));
    // Whatever did not end in time is dropped here, and with it the last ways to the writer.
    runtime.shutdown_timeout(limits::ABANDON);
    join(thread)?;
    ended
}

struct Daemon {
    settings: Settings,
    connections: u32,
    admin: Listening,
    data: Listening,
    writer: Writer,
    node_id: Option<NodeId>,
}

impl Daemon {
    async fn serve(self, output: Output) -> Result<(), Failure> {
        let Self { settings, connections, admin, data, writer, node_id } = self;
        let mut signals = Signals::new()?;
        let reach = Arc::new(Reach::default());
        let tls_key = signing::load(&settings.dir, KeyName::Tls)?.tls_key();
        let exchange = Exchange::new(writer.clone(), tls_key, Arc::clone(&reach));
        let (phase, phases) = watch::channel(Phase::Serving);
        let node = Node {
            writer,
            dir: settings.dir.clone(),
            phase: phases.clone(),
            body_room: BodyRoom::new(),
            reach,
        };
        // What the data socket takes up is not the admin socket's.
        let admin_node = Node { body_room: BodyRoom::new(), ..node.clone() };
        let (admin, admin_place) = listen(admin)?;
        let (data, data_place) = listen(data)?;
        let admin = Endpoint {
            listener: Listener::Unix(admin),
            router: http::serve_with(http::admin_routes(), admin_node),
            bounds: Bounds { connections: limits::ADMIN_CONNECTIONS, ..Bounds::default() },
        };
        let data = Endpoint {
            listener: Listener::Unix(data),
            router: http::serve_with(http::data_routes(), node),
            bounds: Bounds { connections, ..Bounds::default() },
        };
        let mut serving = tokio::spawn(async {
            tokio::join!(admin.serve(draining(phases.clone())), data.serve(draining(phases)))
        });
        let exchange = tokio::spawn(exchange.run());
        let ready_file = ready::announce(&settings.dir, &[data_place.to_string()], node_id, output)?;
        service_manager::ready();
        tracing::info!(event_id = %EventId::DaemonReady, node = node_id.map(tracing::field::display), "ready");

        tokio::select! {
            () = signals.end(&settings.reload) => {}
            ended = &mut serving => return Err(stopped_serving(ended.err().as_ref())),
        }
        tracing::info!(event_id = %EventId::DaemonDraining, "draining");
        service_manager::stopping();
        exchange.abort();
        drop((ready_file, admin_place, data_place));
        phase.send_replace(Phase::Draining);
        if tokio::time::timeout(limits::DRAIN, serving).await.is_err() {
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

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| cannot_start("the signal handlers", &error));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal to end. A hang-up is none: it reloads.
    async fn end(&mut self, reload: &Reload) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => reload.run(),
            }
        }
    }
}

fn listen(listening: Listening) -> Result<(UnixListener, Place), Failure> {
    let (listener, place) = listening.split();
    let listener = UnixListener::from_std(listener).map_err(|error| cannot_start("the listener", &error))?;
    Ok((listener, place))
}

/// Raises the limit of open files as far as it goes, and lowers the connections to what then fits.
fn room_for(connections: u32) -> u32 {
    let beside = u64::from(limits::ADMIN_CONNECTIONS + limits::OTHER_FILES);
    let wanted = u64::from(connections) + beside;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return connections };
    let soft = if soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard).is_ok() {
        wanted.min(hard)
    } else {
        soft
    };
    if soft >= wanted {
        return connections;
    }
    let fit = u32::try_from(soft.saturating_sub(beside)).unwrap_or(u32::MAX).max(1);
    tracing::warn!(event_id = %EventId::FilesLimited, wanted = connections, fit, "the limit of open files allows fewer connections");
    fit
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
