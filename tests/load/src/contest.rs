//! Rounds: those who are compared take turns, so that what disturbs the machine disturbs all of them.

use anyhow::{Context as _, Result};

/// One of those who are compared, and how a round of it is run.
pub(crate) struct Contender<'a, T> {
    name: &'static str,
    round: Box<dyn FnMut() -> Result<T> + 'a>,
}

impl<'a, T> Contender<'a, T> {
    pub(crate) fn new(name: &'static str, round: impl FnMut() -> Result<T> + 'a) -> Self {
        Self { name, round: Box::new(round) }
    }
}

/// What the rounds of one contender brought.
#[derive(Clone, Debug)]
pub(crate) struct Rounds<T>(pub(crate) Vec<T>);

/// Runs so many rounds of each, in turn.
pub(crate) fn take_turns<T, const N: usize>(
    rounds: usize,
    mut contenders: [Contender<'_, T>; N],
) -> Result<[Rounds<T>; N]> {
    let mut results = std::array::from_fn(|_| Rounds(Vec::with_capacity(rounds)));
    for round in 1..=rounds {
        for (contender, Rounds(results)) in contenders.iter_mut().zip(&mut results) {
            let result = (contender.round)().with_context(|| format!("{}, round {round}", contender.name));
            results.push(result?);
        }
    }
    Ok(results)
}

impl<T> Rounds<T> {
    /// The median over the rounds.
    pub(crate) fn median(&self, of: impl Fn(&T) -> f64) -> f64 {
        median(self.0.iter().map(of).collect())
    }

    /// Of each round, the ratio to the same round of `limit`, next to which it was run.
    pub(crate) fn ratios(&self, limit: &Self, of: impl Fn(&T) -> f64) -> Vec<f64> {
        self.0.iter().zip(&limit.0).map(|(own, limit)| of(own) / of(limit)).collect()
    }
}

/// The middle value, or the mean of the two in the middle; NaN of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => f64::NAN,
        (count, middle) if count % 2 == 1 => values[middle],
        (_, middle) => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::amount::amount;

    #[test]
    fn contenders_take_turns() {
        let order = RefCell::new(Vec::new());
        let contender = |name: &'static str, factor: f64| {
            let order = &order;
            Contender::new(name, move || {
                order.borrow_mut().push(name);
                Ok(factor * amount(order.borrow().len() as u64))
            })
        };
        let [a, b] = take_turns(3, [contender("a", 1.0), contender("b", 2.0)]).unwrap();
        assert_eq!(*order.borrow(), ["a", "b", "a", "b", "a", "b"]);
        assert_eq!((a.0.as_slice(), b.0.as_slice()), (&[1.0, 3.0, 5.0][..], &[4.0, 8.0, 12.0][..]));
        assert!((a.median(|value| *value) - 3.0).abs() < 1e-9);
        assert!((median(b.ratios(&a, |value| *value)) - 8.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_failure_says_whose_and_when() {
        let failing = Contender::<f64>::new("x", || anyhow::bail!("no"));
        let error = take_turns(1, [failing]).unwrap_err();
        assert_eq!(format!("{error:#}"), "x, round 1: no");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, middle) in
            [(vec![3.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0, 2.0, 3.0], 2.5), (vec![7.0], 7.0)]
        {
            assert!((median(values) - middle).abs() < 1e-9);
        }
        assert!(median(Vec::new()).is_nan());
    }
}
