//! One listening socket: from `accept` to the drained end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use leasehold_protocol::event_id::EventId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::activity::Activity;
use crate::peer_count::{Counted, PeerCount};
use crate::surround::{HttpService, Surround};
use crate::tls::{Accepted, Protocol};
use crate::{Identity, Peer, PeerAddress, ServerTls, limits};

/// One listening socket and what it serves.
#[derive(Debug)]
pub struct Endpoint<S> {
    /// Where connections come from.
    pub listener: Listener,
    /// What is served to them: a router, say. Each request has its [`Peer`] as an extension.
    pub service: S,
    /// How many, and how slow they may be.
    pub bounds: Bounds,
}

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// This machine; the kernel says who.
    Unix(UnixListener),
    /// The network, through TLS.
    Tls(TcpListener, Arc<ServerTls>),
}

/// What the connections of one endpoint may take up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once; whoever comes too much waits in the kernel's queue.
    pub connections: u32,
    /// Of them, those of one address. One more is closed at once. Addresses of this machine are not counted.
    pub connections_per_peer: u32,
    /// For a whole TLS handshake, its first byte included.
    pub handshake: Duration,
    /// For a whole request head, and between two requests of HTTP/1.1.
    pub head: Duration,
    /// For a connection on which nothing happens.
    pub idle: Duration,
    /// For such a connection to end in good order.
    pub linger: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: limits::CONNECTIONS,
            connections_per_peer: limits::CONNECTIONS_PER_PEER,
            handshake: limits::HANDSHAKE_TIMEOUT,
            head: limits::HEAD_TIMEOUT,
            idle: limits::IDLE_TIMEOUT,
            linger: limits::LINGER,
        }
    }
}

impl<S: HttpService> Endpoint<S> {
    /// Serves until `drain` ends, then until every request under way has been answered.
    pub async fn serve(self, drain: impl Future<Output = ()>) {
        let Self { listener, service, bounds } = self;
        let service = Surround::new(service);
        let slots = Arc::new(Semaphore::new(bounds.connections as usize));
        let peers = PeerCount::new(bounds.connections_per_peer);
        let (stop, draining) = watch::channel(false);
        let mut drain = pin!(drain);
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &slots) => accepted,
                () = &mut drain => break,
            };
            match accepted {
                Ok((socket, slot)) => {
                    let Some(counted) = socket.count(&peers) else { continue };
                    let served = Served { service: service.clone(), bounds, draining: draining.clone() };
                    tokio::spawn(async move {
                        let _held = (slot, counted);
                        served.socket(socket).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(event_id = %EventId::AcceptFailed, %error, "cannot accept a connection");
                    tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        stop.send_replace(true);
        let all = slots.acquire_many(bounds.connections).await;
        drop(all.expect("the semaphore is never closed"));
    }
}

/// Accepts only when there is a slot.
async fn accept(listener: &Listener, slots: &Arc<Semaphore>) -> io::Result<(Socket, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
    let socket = match listener {
        Listener::Unix(listener) => Socket::Unix(listener.accept().await?.0),
        Listener::Tls(listener, tls) => {
            let (stream, address) = listener.accept().await?;
            Socket::Tls(stream, address, Arc::clone(tls))
        }
    };
    Ok((socket, slot))
}

/// An accepted connection.
enum Socket {
    Unix(UnixStream),
    Tls(TcpStream, SocketAddr, Arc<ServerTls>),
}

/// A connection's place among those of its address, if they are counted.
enum Place {
    Local,
    Counted(#[expect(dead_code, reason = "held until the connection ends")] Counted),
}

impl Socket {
    /// A place among the connections of its address, unless there is none left.
    fn count(&self, peers: &Arc<PeerCount>) -> Option<Place> {
        let Self::Tls(_, address, _) = self else { return Some(Place::Local) };
        let Some(group) = PeerAddress::Tcp(*address).group() else { return Some(Place::Local) };
        let counted = peers.enter(group);
        if counted.is_none() {
            tracing::debug!(%address, "an address has as many connections as it may");
        }
        counted.map(Place::Counted)
    }
}

/// What one connection is served, and until when.
struct Served<S> {
    service: Surround<S>,
    bounds: Bounds,
    draining: watch::Receiver<bool>,
}

impl<S: HttpService> Served<S> {
    async fn socket(mut self, socket: Socket) {
        match socket {
            Socket::Unix(stream) => match stream.peer_cred() {
                Ok(credentials) => {
                    let identity = Identity::Uid(credentials.uid());
                    self.http_1(stream, Peer::new(identity, PeerAddress::Unix)).await;
                }
                Err(error) => {
                    tracing::warn!(event_id = %EventId::PeerUnknown, %error, "the kernel does not say who connects");
                }
            },
            Socket::Tls(stream, address, tls) => {
                let Some(Accepted { stream, protocol, identity }) =
                    self.handshake(stream, address, &tls).await
                else {
                    return;
                };
                let peer = Peer::new(identity, PeerAddress::Tcp(address));
                match protocol {
                    Protocol::Http1 => self.http_1(stream, peer).await,
                    Protocol::Http2 => self.http_2(stream, peer).await,
                }
            }
        }
    }

    /// A handshake is no request under way: draining ends it.
    async fn handshake(
        &mut self,
        stream: TcpStream,
        address: SocketAddr,
        tls: &ServerTls,
    ) -> Option<Accepted> {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%address, %error, "a connection ended early");
            return None;
        }
        let shaken = tokio::time::timeout(self.bounds.handshake, tls.accept(stream));
        tokio::select! {
            shaken = shaken => match shaken {
                Ok(Ok(accepted)) => Some(accepted),
                Ok(Err(error)) => {
                    tracing::debug!(%address, %error, "a handshake failed");
                    None
                }
                Err(_) => {
                    tracing::debug!(%address, "a handshake took too long");
                    None
                }
            },
            () = drained(&mut self.draining) => None,
        }
    }

    async fn http_1(self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static, peer: Peer) {
        let Self { service, bounds, draining } = self;
        let activity = Activity::new();
        let answers = Answers { service, peer, activity: activity.clone() };
        let service = service_fn(move |request| answers.clone().answer(request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.head)
            .max_buf_size(limits::HEAD_BYTES)
            .max_headers(limits::HEADERS)
            .serve_connection(TokioIo::new(stream), service);
        drive(connection, &activity, bounds, draining).await;
    }

    async fn http_2(self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static, peer: Peer) {
        let Self { service, bounds, draining } = self;
        let activity = Activity::new();
        let answers = Answers { service, peer, activity: activity.clone() };
        let service = service_fn(move |request| answers.clone().answer(request));
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(limits::HEAD_BYTES).unwrap_or(u32::MAX))
            .max_concurrent_streams(limits::STREAMS)
            .initial_stream_window_size(limits::WINDOW_BYTES)
            .initial_connection_window_size(limits::WINDOW_BYTES)
            .max_send_buf_size(limits::WINDOW_BYTES as usize)
            .serve_connection(TokioIo::new(stream), service);
        drive(connection, &activity, bounds, draining).await;
    }
}

/// How the requests of one connection are answered.
#[derive(Clone)]
struct Answers<S> {
    service: Surround<S>,
    peer: Peer,
    activity: Activity,
}

impl<S: HttpService> Answers<S> {
    async fn answer(self, mut request: Request<Incoming>) -> Result<Response, Infallible> {
        let Self { service, peer, activity } = self;
        let under_way = activity.begin();
        request.extensions_mut().insert(peer);
        let answer = service.answer(request.map(Body::new)).await;
        drop(under_way);
        Ok(activity.watch(answer))
    }
}

/// Lets a connection live until it ends, nothing happens on it any more, or the service drains.
async fn drive<C>(connection: C, activity: &Activity, bounds: Bounds, mut draining: watch::Receiver<bool>)
where
    C: GracefulConnection,
    C::Error: std::fmt::Display,
{
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = activity.idle(bounds.idle) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(bounds.linger, connection).await.unwrap_or(Ok(()))
        }
        () = drained(&mut draining) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = activity.idle(bounds.idle) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Returns when the endpoint drains. An endpoint that is gone drains, too.
async fn drained(draining: &mut watch::Receiver<bool>) {
    let _ = draining.wait_for(|draining| *draining).await;
}
