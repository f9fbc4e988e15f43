//! The API: REST under `/v1` for every command there is. Parse, hand to the writer, map the answer; nothing is decided
//! here but who may ask for what.
//!
//! One router serves them all: users of this machine at the admin socket, holders of API keys over TLS, and the
//! commands of this program that run without a daemon. Its description, `/openapi.json`, is made of the same code.

mod account;
mod allocation;
mod amendment;
mod api_key;
mod artefact;
mod audit;
mod bundle;
mod caller;
mod change;
mod docs;
mod etag;
mod grant;
mod heads;
mod health;
mod history;
mod link;
mod metrics;
mod node;
mod node_peer;
mod page;
mod permission;
mod pool;
mod problem;
mod product;
mod query;
mod rates;
mod recovery;
mod revision;
mod revocation;
mod scope;
mod seats;
mod status;
mod timestamp;
mod trust_root;
mod verbs;

use std::sync::Arc;

use axum::extract::FromRef;
use axum::{Json, Router, middleware};
use leasehold_issuer_core::Issuer;
use leasehold_net::Refusal;
use leasehold_net::body::BodyRoom;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceBuilder;
use tower::util::MapRequestLayer;
use utoipa::{IntoParams, ToSchema};

pub(crate) use self::account::{AccountCreate, AccountCreated, AccountDocument, AccountList, External};
pub(crate) use self::allocation::{
    AllocationCreate, AllocationCreated, AllocationDocument, AllocationList, AllocationShrink,
    AllocationShrunk, Life, Movement,
};
pub(crate) use self::amendment::{GrantAmend, GrantAmended};
pub(crate) use self::api_key::{ApiKeyCreate, ApiKeyDocument, ApiKeyList, ApiKeySecret};
pub(crate) use self::artefact::ReceiptDocument;
pub(crate) use self::audit::{AuditQuery, AuditRecords, ExportQuery, Format};
pub(crate) use self::bundle::BundleCreated;
use self::caller::Caller;
pub(crate) use self::change::{ChangeQuery, Changed, IDEMPOTENCY_KEY};
pub(crate) use self::grant::{GrantCreate, GrantDocument, GrantList};
pub(crate) use self::node::{
    Class, NodeAttestedDocument, NodeDocument, NodeList, NodeRegister, NodeRegistered, NodeState,
};
pub(crate) use self::page::{AccountPageQuery, PageKey};
pub(crate) use self::pool::{PoolDocument, PoolList};
pub(crate) use self::problem::odd_fact;
pub(crate) use self::product::{ProductCreate, ProductCreated, ProductDocument, ProductList};
pub(crate) use self::rates::{Counted, Rates};
pub(crate) use self::recovery::{AccountsAttested, Attest, RecoverEntered, RecoveryDocument};
pub(crate) use self::revocation::{ExposureState, GrantRevoke, RevocationDocument};
pub(crate) use self::status::StatusDocument;
pub(crate) use self::timestamp::{Moment, Timestamp};
pub(crate) use self::trust_root::KeyList;
use crate::limits;
use crate::metrics::Meter;
use crate::state_dir::StateDir;
use crate::writer::{Durable, Writer};

/// What all handlers share.
#[derive(Clone)]
pub(crate) struct Service {
    writer: Writer,
    dir: StateDir,
    page_key: PageKey,
    rates: Rates,
    meter: Meter,
    phase: watch::Receiver<Phase>,
    body_room: BodyRoom,
    heads: heads::Heads,
    /// Bounds how many read the whole journal at once.
    journal_readers: Arc<Semaphore>,
}

/// How far the life of a service has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It answers.
    Serving,
    /// It finishes what is under way.
    Draining,
}

/// What every read accepts in its query
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReadQuery {
    /// Answer only if the issuer has got as far as this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_revision: Option<u64>,
}

/// A request that says all in its path; its body is `{}` or absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

type Answered<T> = Result<Json<T>, Refusal>;

impl Service {
    pub(crate) fn new(
        writer: Writer,
        dir: StateDir,
        page_key: PageKey,
        rates: Rates,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        Self {
            writer,
            dir,
            page_key,
            rates,
            meter: Meter::default(),
            phase,
            body_room: BodyRoom::new(),
            heads: heads::Heads::default(),
            journal_readers: Arc::new(Semaphore::new(limits::JOURNAL_READERS)),
        }
    }

    /// The same with room for bodies of its own: what one listener takes up is not another's.
    pub(crate) fn with_own_room(&self) -> Self {
        Self { body_room: BodyRoom::new(), ..self.clone() }
    }

    /// Whether it is not about to end.
    fn is_serving(&self) -> bool {
        *self.phase.borrow() == Phase::Serving
    }

    /// All routes.
    pub(crate) fn router(self) -> Router {
        let (routes, api) = docs::routes().split_for_parts();
        let layers = ServiceBuilder::new()
            .layer(middleware::from_fn_with_state(self.clone(), metrics::count))
            .layer(MapRequestLayer::new(verbs::split))
            .layer(middleware::from_fn(link::next))
            .layer(middleware::from_fn_with_state(self.clone(), revision::mark))
            .layer(middleware::from_fn_with_state(self.clone(), caller::identify));
        let routes = routes
            .route_layer(middleware::from_fn(metrics::note_route))
            .merge(docs::documentation(api))
            .fallback(unknown_route)
            .method_not_allowed_fallback(unknown_method)
            .with_state(self);
        // Around the router, not inside of it: a verb decides where a request goes.
        Router::new().fallback_service(layers.service(routes))
    }

    /// Sees the durable state.
    async fn look<T, F>(&self, look: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Issuer) -> T + Send + 'static,
    {
        self.writer.look(move |durable: &mut Durable<'_>| look(durable.issuer)).await
    }

    /// Answers with what the durable state shows, if there is anything to show.
    async fn try_read<T, F>(&self, read: F) -> Answered<T>
    where
        T: Send + 'static,
        F: FnOnce(&Issuer) -> Result<T, Problem> + Send + 'static,
    {
        Ok(Json(self.look(read).await??))
    }

    /// Reads the whole journal beside the writer.
    async fn read_journal<T, F>(&self, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&StateDir) -> Result<T, Problem> + Send + 'static,
    {
        let (dir, turn) = (self.dir.clone(), self.journal_turn().await?);
        let read = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            read(&dir)
        });
        read.await
            .map_err(|panic| Problem::new(Code::Internal, panic.to_string(), "report this, with the log"))?
    }

    /// Waits until few enough read the journal, but not for long: others may read slowly.
    async fn journal_turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = Arc::clone(&self.journal_readers).acquire_owned();
        match tokio::time::timeout(limits::JOURNAL_TURN, turn).await {
            Ok(turn) => Ok(turn.expect("the semaphore is never closed")),
            Err(_) => Err(Problem::new(
                Code::Overloaded,
                "too many requests read the whole journal already",
                "send the same request again soon",
            )),
        }
    }
}

impl FromRef<Service> for BodyRoom {
    fn from_ref(service: &Service) -> Self {
        service.body_room.clone()
    }
}

async fn unknown_route() -> Refusal {
    Refusal::new(Code::NotFound, "there is nothing at this path", "see /openapi.json for what there is")
}

async fn unknown_method() -> Refusal {
    Refusal::new(Code::MethodNotAllowed, "this path does not know this method", "see /openapi.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::tests::issuer;
    use crate::writer::Ending;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_long_for_the_journal_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let store = issuer(&place);
        let dir = store.dir.clone();
        let (writer, _thread) = Writer::spawn(store, Ending::Writer).unwrap();
        let (_phase, phases) = watch::channel(Phase::Serving);
        let service = Service::new(writer, dir, PageKey::new([0; 32]), Rates::NONE, phases);
        let mut turns = Vec::new();
        for _ in 0..limits::JOURNAL_READERS {
            turns.push(service.journal_turn().await.unwrap());
        }
        assert_eq!(service.journal_turn().await.unwrap_err().code, Code::Overloaded);
        turns.pop();
        turns.push(service.journal_turn().await.unwrap());
    }
}
