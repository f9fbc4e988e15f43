//! What is remembered of leases that have ended, until newer ones displace it: each release is one more, so this is on
//! the way of every second request.

use std::collections::{BTreeSet, VecDeque};

use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::seq::Seq;
use serde::{Deserialize, Serialize};

use crate::input::Principal;
use crate::limits;
use crate::record::EndCause;

/// What is remembered of one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) lease: LeaseId,
    pub(crate) key: [u8; 16],
    pub(crate) principal: Principal,
    pub(crate) params_hash: [u8; 8],
    pub(crate) cause: EndCause,
}

/// Those that ended last, numbered in the order of their ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndedLeases {
    ring: VecDeque<(Seq, Ended)>,
    /// The number of the first in the ring; the next one is one more, and after the last comes 0 again.
    first: u32,
    by_id: BTreeSet<(LeaseId, u32)>,
    by_key: BTreeSet<([u8; 16], u32)>,
}

impl EndedLeases {
    pub(crate) const fn new() -> Self {
        Self { ring: VecDeque::new(), first: 0, by_id: BTreeSet::new(), by_key: BTreeSet::new() }
    }

    /// All of them with the seqs of their grants, in the order of their ends.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Seq, &Ended)> {
        self.ring.iter().map(|(grant, ended)| (*grant, ended))
    }

    pub(crate) fn by_id(&self, id: LeaseId) -> Option<&Ended> {
        self.of(&self.by_id, id).next().map(|(_, ended)| ended)
    }

    /// The last one of that key: it was free to be used again once an earlier lease was forgotten.
    pub(crate) fn by_key(&self, key: &[u8; 16]) -> Option<&Ended> {
        self.of(&self.by_key, *key).max_by_key(|&(place, _)| place).map(|(_, ended)| ended)
    }

    /// Remembers one more, and forgets the oldest if they are too many.
    pub(crate) fn push(&mut self, grant: Seq, ended: Ended) {
        if self.ring.len() >= limits::ENDED_LEASES {
            self.forget_oldest();
        }
        let place = u32::try_from(self.ring.len()).expect("ENDED_LEASES is far below 2³²");
        let number = self.first.wrapping_add(place);
        self.by_id.insert((ended.lease, number));
        self.by_key.insert((ended.key, number));
        self.ring.push_back((grant, ended));
    }

    fn forget_oldest(&mut self) {
        let Some((_, ended)) = self.ring.pop_front() else { return };
        self.by_id.remove(&(ended.lease, self.first));
        self.by_key.remove(&(ended.key, self.first));
        self.first = self.first.wrapping_add(1);
    }

    /// Those of that name, each with its place in the ring.
    fn of<N: Ord + Copy>(&self, index: &BTreeSet<(N, u32)>, name: N) -> impl Iterator<Item = (u32, &Ended)> {
        let same = index.range((name, u32::MIN)..=(name, u32::MAX));
        same.filter_map(|&(_, number)| {
            let place = number.wrapping_sub(self.first);
            self.ring.get(place as usize).map(|(_, ended)| (place, ended))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_found_also_where_numbers_begin_again() {
        let kept = u32::try_from(limits::ENDED_LEASES).unwrap();
        let mut ended = EndedLeases { first: u32::MAX - 5, ..EndedLeases::new() };
        let all = kept + 20;
        for number in 0..all {
            ended.push(Seq(number.into()), one(number, number));
        }
        assert_eq!(ended.iter().count(), limits::ENDED_LEASES);
        for (number, known) in
            [(0, false), (19, false), (20, true), (21, true), (all - 1, true), (all, false)]
        {
            assert_eq!(ended.by_id(id(number)).is_some(), known, "{number}");
            assert_eq!(ended.by_key(&id(number).0).map(|ended| ended.lease), known.then(|| id(number)));
        }
        assert_eq!((ended.by_id.len(), ended.by_key.len()), (limits::ENDED_LEASES, limits::ENDED_LEASES));
    }

    #[test]
    fn a_key_used_again_names_the_younger_lease() {
        let mut ended = EndedLeases { first: u32::MAX, ..EndedLeases::new() };
        for lease in [9, 2, 5] {
            ended.push(Seq(lease.into()), one(lease, 7));
        }
        assert_eq!(ended.by_key(&id(7).0).unwrap().lease, id(5));
        ended.forget_oldest();
        assert_eq!(ended.by_key(&id(7).0).unwrap().lease, id(5));
    }

    fn one(lease: u32, key: u32) -> Ended {
        Ended {
            lease: id(lease),
            key: id(key).0,
            principal: Principal::Anonymous,
            params_hash: [0; 8],
            cause: EndCause::Released,
        }
    }

    fn id(number: u32) -> LeaseId {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        LeaseId(id)
    }
}
