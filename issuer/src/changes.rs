//! Accounts that somebody follows, and how far each has come.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use leasehold_protocol::ids::AccountId;
use leasehold_protocol::seq::Seq;
use tokio::sync::watch;

use crate::limits;

/// Tells those who follow an account of its new records, and wakes nobody else.
#[derive(Clone, Default)]
pub(crate) struct Changes(Arc<Mutex<BTreeMap<AccountId, watch::Sender<Seq>>>>);

impl Changes {
    /// Follows an account. Its last record is not later than what is seen here: at first, the last of the journal.
    pub(crate) fn follow(
        &self,
        account: AccountId,
        last_record: impl FnOnce() -> Seq,
    ) -> watch::Receiver<Seq> {
        let mut followed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if followed.len() >= limits::FOLLOWED_ACCOUNTS {
            followed.retain(|_, told| told.receiver_count() > 0);
        }
        followed.entry(account).or_insert_with(|| watch::Sender::new(last_record())).subscribe()
    }

    /// Says that durable records up to `seq` concern `account`.
    pub(crate) fn recorded(&self, account: AccountId, seq: Seq) {
        let followed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = followed.get(&account) {
            told.send_replace(seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: usize) -> AccountId {
        AccountId((number as u128).to_be_bytes())
    }

    #[test]
    fn only_who_follows_an_account_hears_of_it() {
        let changes = Changes::default();
        let (mut one, two) = (changes.follow(account(1), || Seq(7)), changes.follow(account(2), || Seq(7)));
        assert_eq!(*one.borrow_and_update(), Seq(7));
        changes.recorded(account(1), Seq(8));
        assert_eq!((one.has_changed().unwrap(), *one.borrow()), (true, Seq(8)));
        assert!(!two.has_changed().unwrap());
        assert_eq!(*changes.follow(account(1), || Seq(9)).borrow(), Seq(8), "one word for all");
    }

    #[test]
    fn accounts_that_nobody_follows_any_more_are_forgotten() {
        let changes = Changes::default();
        let kept = changes.follow(account(0), || Seq(1));
        for number in 1..limits::FOLLOWED_ACCOUNTS {
            changes.follow(account(number), || Seq(1));
        }
        let followed = || changes.0.lock().unwrap().len();
        assert_eq!(followed(), limits::FOLLOWED_ACCOUNTS);
        changes.follow(account(limits::FOLLOWED_ACCOUNTS), || Seq(1));
        assert_eq!(followed(), 2);
        changes.recorded(account(0), Seq(2));
        assert_eq!(*kept.borrow(), Seq(2));
    }
}
