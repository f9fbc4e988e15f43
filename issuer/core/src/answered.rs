//! What was done under idempotency keys.

use std::collections::BTreeMap;

use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::seq::Seq;
use serde::Serialize;

use crate::cause::Idempotency;
use crate::limits::IDEMPOTENCY_KEYS;

/// The newest keys, and which record did the work.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Answered {
    by_key: BTreeMap<IdempotencyKey, ([u8; 16], Seq)>,
    by_seq: BTreeMap<Seq, IdempotencyKey>,
}

impl Answered {
    /// The record that did the work of a request before.
    pub(crate) fn find(&self, Idempotency { key, params }: Idempotency) -> Result<Option<Seq>, Problem> {
        match self.by_key.get(&key) {
            None => Ok(None),
            Some(&(known, seq)) if known == params => Ok(Some(seq)),
            Some(&(_, seq)) => Err(Problem::new(
                Code::IdempotencyMismatch,
                format!("the idempotency key was used for another request, in record {seq}"),
                "use a new key for a new request",
            )),
        }
    }

    pub(crate) fn insert(&mut self, seq: Seq, idempotency: Idempotency) {
        self.by_key.insert(idempotency.key, (idempotency.params, seq));
        self.by_seq.insert(seq, idempotency.key);
        if self.by_seq.len() > IDEMPOTENCY_KEYS
            && let Some((_, oldest)) = self.by_seq.pop_first()
        {
            self.by_key.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(number: usize) -> Idempotency {
        Idempotency { key: IdempotencyKey((number as u128).to_be_bytes()), params: [1; 16] }
    }

    #[test]
    fn the_oldest_keys_are_forgotten_first() {
        let mut answered = Answered::default();
        for number in 1..IDEMPOTENCY_KEYS {
            answered.insert(Seq(number as u64), used(number));
        }
        let known = |answered: &Answered, number| answered.find(used(number)).unwrap().is_some();
        answered.insert(Seq(IDEMPOTENCY_KEYS as u64), used(IDEMPOTENCY_KEYS));
        assert!(known(&answered, 1) && known(&answered, IDEMPOTENCY_KEYS));
        let over = IDEMPOTENCY_KEYS + 1;
        answered.insert(Seq(over as u64), used(over));
        assert!(!known(&answered, 1) && known(&answered, 2) && known(&answered, over));
    }
}
