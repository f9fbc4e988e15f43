//! The search for an order (Wing and Gong 1993, with the memory of Lowe 2017): take an operation that began before
//! any answer to the others came, see whether the pool would have said the same, go on; go back where nothing fits.

use std::collections::HashSet;

use super::history::{History, Moment};
use super::pool::Pool;

/// Whether there is such an order.
pub(crate) fn is_linearizable(history: &History) -> bool {
    if !history.contradictions.is_empty() {
        return false;
    }
    let taken = vec![false; history.operations.len()];
    Search { history, taken, seen: HashSet::new() }.go_on(&Pool::default())
}

struct Search<'a> {
    history: &'a History,
    /// Operations that have their place in the order.
    taken: Vec<bool>,
    /// Places from which nothing fits.
    seen: HashSet<(Vec<bool>, Pool)>,
}

impl Search<'_> {
    fn go_on(&mut self, pool: &Pool) -> bool {
        let History { operations, seats, leases, .. } = self.history;
        let Some(first_answer) = self.first_answer() else { return true };
        if !self.seen.insert((self.taken.clone(), pool.clone())) {
            return false;
        }
        for (at, operation) in operations.iter().enumerate() {
            if self.taken[at] || operation.begun > first_answer {
                continue;
            }
            let Some(next) = pool.step(*seats, leases, operation) else { continue };
            if operation.told.is_none() && next == *pool {
                continue; // it need not have happened, and changes nothing where it did
            }
            self.taken[at] = true;
            if self.go_on(&next) {
                return true;
            }
            self.taken[at] = false;
        }
        false
    }

    /// When the first answer came to an operation that has no place yet. Without one, all that is left is unknown, and
    /// need not have happened.
    fn first_answer(&self) -> Option<Moment> {
        let left = self.history.operations.iter().zip(&self.taken).filter(|(_, taken)| !**taken);
        left.filter_map(|(operation, _)| Some(operation.told?.1)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::{Asked, Key, Operation, Seat, Told};
    use super::*;

    use Asked::{Checkout, List, Release, Renew};
    use Told::{Ended, Full, Live, Released};

    /// An operation from one moment to another.
    fn done(key: Key, asked: Asked, begun: Moment, told: Told, at: Moment) -> Operation {
        Operation { key, asked, begun, told: Some((told, at)) }
    }

    fn unknown(key: Key, asked: Asked, begun: Moment) -> Operation {
        Operation { key, asked, begun, told: None }
    }

    /// Of a pool with one seat; key k has the epoch k.
    fn check(operations: &[Operation], expected: bool) {
        check_with(1, &[], operations, expected);
    }

    fn check_with(seats: usize, leases: &[(Key, u64, u64)], operations: &[Operation], expected: bool) {
        let seat = |&(key, epoch, slot)| (key, Seat { lease: format!("lease {key}"), epoch, slot });
        let leases = leases.iter().map(seat).collect();
        let history = History { seats, operations: operations.to_vec(), leases, contradictions: Vec::new() };
        assert_eq!(is_linearizable(&history), expected, "{history:?}");
    }

    #[test]
    fn a_seat_is_given_to_one_at_a_time() {
        check(&[done(1, Checkout, 0, Live, 1), done(2, Checkout, 2, Full, 3)], true);
        check(&[done(1, Checkout, 0, Live, 1), done(2, Checkout, 2, Live, 3)], false);
        check(&[done(1, Checkout, 0, Live, 3), done(2, Checkout, 1, Live, 2)], false);
    }

    #[test]
    fn what_overlaps_may_have_either_order_and_what_does_not_may_not() {
        let free = done(1, Release, 2, Released, 5);
        check(&[done(1, Checkout, 0, Live, 1), free.clone(), done(2, Checkout, 3, Live, 4)], true);
        check(&[done(1, Checkout, 0, Live, 1), free.clone(), done(2, Checkout, 3, Full, 4)], true);
        check(&[done(1, Checkout, 0, Live, 1), free.clone(), done(2, Checkout, 6, Live, 7)], true);
        check(&[done(1, Checkout, 0, Live, 1), free, done(2, Checkout, 6, Full, 7)], false);
    }

    #[test]
    fn what_has_no_answer_took_effect_later_or_never() {
        let asked = [unknown(1, Checkout, 0)];
        check(&[&asked[..], &[done(2, Checkout, 1, Live, 2)]].concat(), true);
        check(&[&asked[..], &[done(2, Checkout, 1, Full, 2)]].concat(), true);
        check(&[&asked[..], &[done(2, Checkout, 1, Live, 2), done(1, List, 3, Live, 4)]].concat(), false);
        // Not before it was asked.
        check(&[done(2, Checkout, 0, Full, 1), unknown(1, Checkout, 2)], false);
        let given_back = [done(1, Checkout, 0, Live, 1), unknown(1, Release, 2)];
        check(
            &[&given_back[..], &[done(2, Checkout, 3, Full, 4), done(2, Checkout, 5, Live, 6)]].concat(),
            true,
        );
        check(
            &[&given_back[..], &[done(2, Checkout, 3, Live, 4), done(1, Renew, 5, Live, 6)]].concat(),
            false,
        );
    }

    #[test]
    fn a_key_names_one_lease_for_ever() {
        let life =
            [done(1, Checkout, 0, Live, 1), done(1, Checkout, 2, Live, 3), done(1, Release, 4, Released, 5)];
        check(&life, true);
        check(&[&life[..], &[done(1, Checkout, 6, Ended, 7), done(1, Release, 8, Ended, 9)]].concat(), true);
        check(&[&life[..], &[done(1, Checkout, 6, Live, 7)]].concat(), false);
        check(&[&life[..], &[done(1, Renew, 6, Live, 7)]].concat(), false);
        check(&[&life[..], &[done(1, Release, 6, Released, 7)]].concat(), false);
    }

    #[test]
    fn an_acknowledged_lease_is_not_forgotten() {
        check(&[done(1, Checkout, 0, Live, 1), done(1, List, 2, Live, 3)], true);
        check(&[done(1, Checkout, 0, Live, 1), done(1, List, 2, Ended, 3)], false);
    }

    #[test]
    fn epochs_increase_and_slots_are_held_by_one() {
        let two = [done(1, Checkout, 0, Live, 1), done(2, Checkout, 2, Live, 3)];
        check_with(2, &[(1, 1, 0), (2, 2, 1)], &two, true);
        check_with(2, &[(1, 2, 0), (2, 1, 1)], &two, false);
        check_with(2, &[(1, 1, 0), (2, 1, 1)], &two, false);
        check_with(2, &[(1, 1, 0), (2, 2, 0)], &two, false);
        let together = [done(1, Checkout, 0, Live, 2), done(2, Checkout, 1, Live, 3)];
        check_with(2, &[(1, 2, 0), (2, 1, 1)], &together, true);
    }
}
