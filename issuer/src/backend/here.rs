//! The API in this process, over the state opened for one request.

use axum::body::{Body, Bytes};
use axum::http::Response;
use http_body_util::{BodyExt as _, Limited};
use leasehold_cli::{Failure, PassphraseArgs};
use leasehold_net::{HttpService as _, Identity, Peer, PeerAddress, Surround};
use leasehold_protocol::code::Code;
use nix::unistd::Uid;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::Call;
use crate::api::{PageKey, Phase, Rates, Service};
use crate::entropy::random;
use crate::limits;
use crate::state_dir::StateDir;
use crate::store::Store;
use crate::writer::{Ending, Writer};

/// Carries out one request: a change under the lock of the state, a read without it.
pub(super) fn exchange(
    runtime: &Runtime,
    dir: &StateDir,
    passphrase: &PassphraseArgs,
    call: Call,
) -> Result<Response<Bytes>, Failure> {
    let open = if call.reads() { Store::read } else { Store::open };
    let store = open(dir, passphrase)?;
    let page_key = PageKey::new(random()?);
    let (writer, thread) = Writer::spawn(store, Ending::Writer).map_err(|error| broken(&error))?;
    let (_phase, phases) = watch::channel(Phase::Serving);
    let service = Surround::new(Service::new(writer, dir.clone(), page_key, Rates::NONE, phases).router());
    let mut request = call.into_request::<Body>();
    request.extensions_mut().insert(Peer::new(Identity::Uid(Uid::effective().as_raw()), PeerAddress::Unix));
    let answer = runtime.block_on(async move {
        let (head, body) = service.answer(request).await.into_parts();
        drop(service);
        let body = Limited::new(body, limits::ANSWER_BYTES).collect().await.map_err(|error| {
            Failure::new(Code::JournalDamaged, error.to_string(), "see what `audit verify` says")
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    });
    // The last way to the writer has been dropped with the service: it closes the journal and ends.
    thread.join().map_err(|_| Failure::new(Code::Internal, "the writer panicked", "report this"))?;
    answer
}

fn broken(error: &std::io::Error) -> Failure {
    Failure::new(
        Code::Internal,
        format!("cannot start the writer: {error}"),
        "check the limits of this process",
    )
}
