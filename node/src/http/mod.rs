//! HTTP/1.1 on Unix sockets: an accept loop of our own around hyper, with every bound of [`limits`].

mod body;
mod health;
mod peer;
mod problem;
mod routes;

use std::any::Any;
use std::sync::Arc;
use std::{convert::Infallible, io};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, Request};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use leasehold_protocol::code::Code;
use leasehold_protocol::event_id::EventId;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

pub(crate) use self::body::BodyRoom;
use self::peer::Peer;
use self::problem::Refusal;
pub(crate) use self::routes::{ImportQuery, MakeRequest, Node, admin_routes, data_routes};
use crate::daemon::Phase;
use crate::limits;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One listening socket and what it serves.
pub(crate) struct Endpoint {
    /// Where connections come from.
    pub(crate) listener: UnixListener,
    /// What is served to them.
    pub(crate) router: Router,
    /// How many at once.
    pub(crate) connections: u32,
}

/// The routes with what surrounds each request.
pub(crate) fn serve_with(routes: Router<Node>, node: Node) -> Router {
    routes
        .with_state(node)
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
}

impl Endpoint {
    /// Serves until the daemon drains, then until every request under way has been answered.
    pub(crate) async fn serve(self, mut phase: watch::Receiver<Phase>) {
        let Self { listener, router, connections } = self;
        let graceful = GracefulShutdown::new();
        let slots = Arc::new(Semaphore::new(connections as usize));
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &slots) => accepted,
                _ = phase.wait_for(|phase| *phase == Phase::Draining) => break,
            };
            match accepted {
                Ok((stream, slot)) => {
                    tokio::spawn(serve_connection(stream, router.clone(), graceful.watcher(), slot));
                }
                Err(error) => {
                    tracing::warn!(event_id = %EventId::AcceptFailed, %error, "cannot accept a connection");
                    tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        graceful.shutdown().await;
    }
}

/// Accepts only when there is a slot; whoever comes too much waits in the kernel's queue.
async fn accept(
    listener: &UnixListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(UnixStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, _) = listener.accept().await?;
    Ok((stream, slot))
}

async fn serve_connection(stream: UnixStream, router: Router, watcher: Watcher, _slot: OwnedSemaphorePermit) {
    let peer = match stream.peer_cred() {
        Ok(credentials) => Peer::new(credentials.uid()),
        Err(error) => {
            return tracing::warn!(event_id = %EventId::PeerUnknown, %error, "the kernel does not say who connects");
        }
    };
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let answer = router.clone().oneshot(request.map(Body::new));
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIMEOUT)
        .max_buf_size(limits::HEAD_BYTES)
        .max_headers(limits::HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn answer_panic(_panic: Box<dyn Any + Send>) -> Response {
    Refusal::new(Code::Internal, "a fault of the node", "report this, with the node's log").into_response()
}
