//! The heads that nodes poll: looked at, replaced and sealed once for all who ask, and kept while nothing changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use leasehold_issuer_core::Command;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::AccountId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::artefact::cause;
use super::bundle::seal_head;
use super::problem::odd_fact;
use crate::commit::{Intent, Order, Planned, Turn};
use crate::limits;
use crate::writer::{Durable, Writer};

/// The current heads of all accounts that somebody asked for, and who waits for others.
#[derive(Clone)]
pub(super) struct Heads {
    places: Arc<Mutex<BTreeMap<AccountId, Place>>>,
    waiters: Arc<Semaphore>,
}

/// Whoever holds the lock looks for everybody.
type Place = Arc<tokio::sync::Mutex<Option<Current>>>;

/// The standing head of an account.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) version: u64,
    pub(super) envelope: Bytes,
    /// When it is to be looked at again although nothing of the account was recorded.
    pub(super) until: Instant,
    /// The last record of the account that it knows of.
    as_of: Seq,
}

impl Default for Heads {
    fn default() -> Self {
        Self { places: Arc::default(), waiters: Arc::new(Semaphore::new(limits::HEAD_WAITERS)) }
    }
}

impl Heads {
    /// The standing head of an account, which knows of its record `as_of`.
    pub(super) async fn current(
        &self,
        writer: &Writer,
        account: AccountId,
        as_of: Seq,
    ) -> Result<Current, Problem> {
        let place = self.place(account);
        let mut kept = place.lock().await;
        let fresh = |kept: &&Current| kept.as_of >= as_of && Instant::now() < kept.until;
        if let Some(current) = kept.as_ref().filter(fresh) {
            return Ok(current.clone());
        }
        let known = kept.as_ref().map(|kept| (kept.version, kept.envelope.clone()));
        match look(writer, account, as_of, known).await {
            Ok(current) => Ok(kept.insert(current).clone()),
            Err(problem) => {
                self.forget(account);
                Err(problem)
            }
        }
    }

    /// A place among those who wait.
    pub(super) fn wait(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.waiters).try_acquire_owned().map_err(|_| {
            Problem::new(Code::Overloaded, "too many nodes wait for their heads already", "ask again soon")
        })
    }

    fn place(&self, account: AccountId) -> Place {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= limits::KEPT_HEADS && !places.contains_key(&account) {
            // Any other will do: it is sealed again, to the same bytes, when it is asked for.
            places.pop_first();
        }
        Arc::clone(places.entry(account).or_default())
    }

    fn forget(&self, account: AccountId) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).remove(&account);
    }
}

async fn look(
    writer: &Writer,
    account: AccountId,
    as_of: Seq,
    known: Option<(u64, Bytes)>,
) -> Result<Current, Problem> {
    let again = known.clone();
    let seen = writer.look(move |durable| standing(durable, account, as_of, known)).await??;
    if let Some(current) = seen {
        return Ok(current);
    }
    let order = move |_: &mut Turn<'_>| Ok(Planned::Command(Box::new(Command::IssueHead { account })));
    writer.ask(Order { cause: cause(), intent: Intent::Do, plan: Box::new(order) }).await?;
    // What was recorded since then is heard of, and looked at in its turn.
    writer.look(move |durable| issued(durable, account, as_of, again)).await?
}

/// None if it is to be replaced first.
fn standing(
    durable: &mut Durable<'_>,
    account: AccountId,
    as_of: Seq,
    known: Option<(u64, Bytes)>,
) -> Result<Option<Current>, Problem> {
    if durable.issuer.standing_head(durable.now, account)?.due {
        return Ok(None);
    }
    issued(durable, account, as_of, known).map(Some)
}

fn issued(
    durable: &mut Durable<'_>,
    account: AccountId,
    as_of: Seq,
    known: Option<(u64, Bytes)>,
) -> Result<Current, Problem> {
    let standing = durable.issuer.standing_head(durable.now, account)?;
    let head = standing.head.cloned().ok_or_else(odd_fact)?;
    // A revocation becomes effective without anybody doing anything.
    let scheduled = head.scheduled.iter().map(|entry| entry.effective_at.since(durable.now.wall_ms)).min();
    let scheduled = scheduled.map(|ms| Duration::from_millis(ms.max(1).unsigned_abs()));
    let envelope = match known {
        Some((version, envelope)) if version == head.version => envelope,
        _ => seal_head(durable, &head)?.into(),
    };
    let until = Instant::now() + scheduled.unwrap_or(limits::HEAD_WAIT).min(limits::HEAD_WAIT);
    Ok(Current { version: head.version, envelope, until, as_of })
}

#[cfg(test)]
mod tests {
    use leasehold_issuer_core::What;
    use tokio::task::JoinSet;

    use super::*;
    use crate::commit::tests::{account, issuer, order};
    use crate::writer::Ending;

    #[tokio::test]
    async fn a_head_is_sealed_once_for_all_who_ask_and_only_its_account_wakes_them() {
        let place = tempfile::tempdir().unwrap();
        let (writer, _thread) = Writer::spawn(issuer(&place), Ending::Writer).unwrap();
        let done = writer.ask(order(account("ACME"), Intent::Do)).await.unwrap();
        let What::AccountCreated(acme) = done.fact.what else { panic!("an account is made") };
        let (acme, heads) = (acme.id, Heads::default());
        let mut changes = writer.follow(acme);
        let as_of = *changes.borrow_and_update();
        let mut asking = JoinSet::new();
        for _ in 0..8 {
            let (heads, writer) = (heads.clone(), writer.clone());
            asking.spawn(async move { heads.current(&writer, acme, as_of).await.unwrap().envelope });
        }
        let sealed = asking.join_all().await;
        assert!(sealed.iter().all(|one| one.as_ptr() == sealed[0].as_ptr()), "the very same bytes");
        assert!(changes.has_changed().unwrap(), "a head was issued");
        let as_of = *changes.borrow_and_update();
        let again = heads.current(&writer, acme, as_of).await.unwrap();
        assert_eq!(again.envelope.as_ptr(), sealed[0].as_ptr(), "the same version is not sealed again");
        writer.ask(order(account("RIVAL"), Intent::Do)).await.unwrap();
        assert!(!changes.has_changed().unwrap(), "another account is no concern of this one");
        let nobody = AccountId([1; 16]);
        assert_eq!(heads.current(&writer, nobody, as_of).await.unwrap_err().code, Code::NotFound);
        assert_eq!(heads.places.lock().unwrap().len(), 1, "strangers leave nothing behind");
    }

    #[test]
    fn one_waiter_too_many_is_refused() {
        let heads = Heads::default();
        let mut waiting: Vec<_> = (1..limits::HEAD_WAITERS).map(|_| heads.wait().unwrap()).collect();
        waiting.push(heads.wait().unwrap());
        assert_eq!(heads.wait().unwrap_err().code, Code::Overloaded);
        waiting.pop();
        waiting.push(heads.wait().unwrap());
    }

    #[test]
    fn as_many_heads_are_kept() {
        let heads = Heads::default();
        let account = |number: usize| AccountId((number as u128).to_be_bytes());
        for number in 1..=limits::KEPT_HEADS + 1 {
            heads.place(account(number));
            let kept = heads.places.lock().unwrap().len();
            assert_eq!(kept, number.min(limits::KEPT_HEADS), "{number}");
        }
        heads.forget(account(limits::KEPT_HEADS + 1));
        assert_eq!(heads.places.lock().unwrap().len(), limits::KEPT_HEADS - 1);
    }
}
