//! The least that an HTTP service can do: a word from axum, behind the same accept loop, the same TLS and the same bounds
//! as a node's. A process of its own, as the node is one.

use std::future;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Result, ensure};
use axum::Router;
use axum::routing::get;
use leasehold_net::unix_socket::{Listening, SocketMode};
use leasehold_net::{Bounds, Endpoint, Listener, ServerFiles, ServerTls, TlsKey, bind_tcp};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;

use crate::drive::{Operation, Place, Talk, http};
use crate::process::{Process, Server};

/// The process that greets.
pub(crate) struct Hello {
    server: Server,
    pub(crate) plain: Place,
    pub(crate) tls: Place,
}

impl Hello {
    /// Starts this very program as a greeter, with a socket in `dir`.
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        let socket = dir.join("hello.sock");
        let mut command = Command::new(std::env::current_exe()?);
        let server = Server::start(command.arg("hello").arg(&socket), &dir.join("hello.log"))?;
        let tls = Place::Tls(server.word("https://")?.parse()?);
        Ok(Self { server, plain: Place::Unix(socket), tls })
    }

    pub(crate) fn process(&self) -> Process {
        self.server.process()
    }
}

/// Serves until it is killed: on a Unix socket, and with TLS on a free port.
pub(crate) fn serve(socket: &Path) -> Result<()> {
    Runtime::new()?.block_on(async {
        let (unix, _place) = Listening::bind(socket, SocketMode::OWNER)?.split();
        let tcp = bind_tcp(([127, 0, 0, 1], 0).into())?;
        println!("ready https://{} unix:{}", tcp.local_addr()?, socket.display());
        let listeners =
            [Listener::Unix(UnixListener::from_std(unix)?), Listener::Tls(tcp, Arc::new(identity()?))];
        let [unix, tls] = listeners.map(|listener| {
            let router = Router::new().route("/", get(|| future::ready("hello")));
            Endpoint { listener, service: router, bounds: Bounds::default() }.serve(future::pending())
        });
        let served = tokio::join!(tokio::spawn(unix), tokio::spawn(tls));
        Ok(served.0.and(served.1)?)
    })
}

/// A key of its own, made anew.
fn identity() -> Result<ServerTls> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    Ok(ServerTls::new(&TlsKey::from_pkcs8(&key.serialize_der())?, &ServerFiles::default())?)
}

/// Asks to be greeted.
pub(crate) struct Greeted;

impl Talk for Greeted {
    fn ask(&mut self, closing: bool, out: &mut Vec<u8>) -> Option<Operation> {
        if closing {
            return None;
        }
        out.extend_from_slice(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
        Some(Operation::Hello)
    }

    fn hear(&mut self, received: &[u8]) -> Result<Option<usize>> {
        let Some(answer) = http::Answer::read(received)? else { return Ok(None) };
        ensure!(answer.ok()? == b"hello", "the greeter says something else");
        Ok(Some(answer.bytes))
    }
}
