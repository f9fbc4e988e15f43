//! `SQLite` behind a small server of our own: the same accept loop, the same bodies as a node, one thread that owns the
//! database, and one transaction per request. `WAL`, `synchronous = FULL`: durable before the answer.

use std::future;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context as _, Result};
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::{delete, post};
use axum::{Json, Router};
use leasehold_net::unix_socket::{Listening, SocketMode};
use leasehold_net::{Bounds, Endpoint, Listener};
use leasehold_protocol::api::CheckoutRequest;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::{Peer, SEATS, TTL_S, hold};
use crate::drive::{Generator, Load, Measured, Place};
use crate::process::Server;
use crate::setup::{Cycle, Dir, Medium, Request};

/// Requests that may wait for the database.
const INBOX: usize = 4096;

pub(crate) struct Sqlite {
    server: Server,
    place: Place,
    _dir: Dir,
}

impl Sqlite {
    pub(crate) fn start(disk: &Path) -> Result<Self> {
        let dir = Dir::new(Medium::Disk, disk)?;
        let mut serve = Command::new(std::env::current_exe()?);
        serve.arg("sqlite").arg(dir.path());
        let server = Server::start(&mut serve, &dir.join("sqlite.log"))?;
        Ok(Self { server, place: Place::Unix(socket(dir.path())), _dir: dir })
    }
}

impl Peer for Sqlite {
    fn round(&self, generator: &Generator, users: usize, load: Load) -> Result<Measured> {
        let users = Cycle::users(&Request::checkout("cad")?, 0..users as u64);
        hold(generator, (&self.place, self.server.process()), users, load)
    }
}

/// Serves until it is killed.
pub(crate) fn serve(dir: &Path) -> Result<()> {
    let database = open(&dir.join("leases.db"))?;
    let (inbox, jobs) = sync_channel(INBOX);
    std::thread::spawn(move || work(database, &jobs));
    Runtime::new()?.block_on(async {
        let (unix, _place) = Listening::bind(&socket(dir), SocketMode::OWNER)?.split();
        let listener = Listener::Unix(UnixListener::from_std(unix)?);
        println!("ready unix:{}", socket(dir).display());
        let router = Router::new()
            .route("/v1/leases", post(checkout))
            .route("/v1/leases/{id}", delete(release))
            .with_state(inbox);
        Endpoint { listener, service: router, bounds: Bounds::default() }.serve(future::pending()).await;
        Ok(())
    })
}

/// What one transaction does, and whom it answers.
struct Job {
    change: Change,
    answer: oneshot::Sender<rusqlite::Result<Answer>>,
}

enum Change {
    Checkout(CheckoutRequest),
    Release(String),
}

/// As a node says it, but without anything that proves it.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Decision(Decision),
    Released { released: bool },
}

#[derive(Serialize)]
#[serde(tag = "decision", rename_all = "lowercase")]
enum Decision {
    Allow { lease_id: String },
    Deny,
}

async fn checkout(
    State(inbox): State<SyncSender<Job>>,
    Json(request): Json<CheckoutRequest>,
) -> Result<Json<Answer>, StatusCode> {
    ask(&inbox, Change::Checkout(request)).await
}

async fn release(
    State(inbox): State<SyncSender<Job>>,
    UrlPath(lease): UrlPath<String>,
) -> Result<Json<Answer>, StatusCode> {
    ask(&inbox, Change::Release(lease)).await
}

async fn ask(inbox: &SyncSender<Job>, change: Change) -> Result<Json<Answer>, StatusCode> {
    let (answer, answered) = oneshot::channel();
    inbox.try_send(Job { change, answer }).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let answer = answered.await.ok().and_then(Result::ok);
    answer.map(Json).ok_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn open(path: &Path) -> Result<Connection> {
    let database = Connection::open(path).context("no database")?;
    database.execute_batch(
        "pragma journal_mode = wal; pragma synchronous = full;
         create table lease (id text primary key, key text unique, holder text, ends integer) without rowid;",
    )?;
    Ok(database)
}

fn work(mut database: Connection, jobs: &Receiver<Job>) {
    while let Ok(Job { change, answer }) = jobs.recv() {
        let done = match &change {
            Change::Checkout(request) => take(&mut database, request),
            Change::Release(lease) => give_back(&mut database, lease),
        };
        // Whoever went away will ask again.
        let _ = answer.send(done);
    }
}

fn take(database: &mut Connection, request: &CheckoutRequest) -> rusqlite::Result<Answer> {
    let transaction = database.transaction()?;
    let (key, holder) = (request.key.to_string(), format!("{}@{}", request.holder.user, request.holder.host));
    let known: Option<String> = transaction
        .prepare_cached("select id from lease where key = ?1")?
        .query_row([&key], |row| row.get(0))
        .optional()?;
    let in_use: u32 =
        transaction.prepare_cached("select count(*) from lease")?.query_row([], |row| row.get(0))?;
    if known.is_none() && in_use >= SEATS {
        return Ok(Answer::Decision(Decision::Deny));
    }
    let lease = known.clone().unwrap_or_else(|| format!("lse_{key}"));
    if known.is_none() {
        transaction
            .prepare_cached("insert into lease values (?1, ?2, ?3, unixepoch() + ?4)")?
            .execute(params![lease, key, holder, TTL_S])?;
    }
    transaction.commit()?;
    Ok(Answer::Decision(Decision::Allow { lease_id: lease }))
}

fn give_back(database: &mut Connection, lease: &str) -> rusqlite::Result<Answer> {
    let transaction = database.transaction()?;
    let ended = transaction.prepare_cached("delete from lease where id = ?1")?.execute([lease])?;
    transaction.commit()?;
    Ok(Answer::Released { released: ended == 1 })
}

fn socket(dir: &Path) -> std::path::PathBuf {
    dir.join("sqlite.sock")
}
