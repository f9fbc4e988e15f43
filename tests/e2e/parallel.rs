//! Many things at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does `work` for 0, 1, … `count` − 1, at most `width` of them at the same time. The results have no order.
pub(crate) fn for_each<T: Send>(count: usize, width: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(count));
    let take = || {
        std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed)).take_while(|&number| number < count)
    };
    thread::scope(|scope| {
        for _ in 0..width {
            scope.spawn(|| take().for_each(|number| push(&results, work(number))));
        }
    });
    results.into_inner().unwrap()
}

fn push<T>(results: &Mutex<Vec<T>>, result: T) {
    results.lock().unwrap().push(result);
}
