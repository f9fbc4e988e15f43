//! Whether anything happens on a connection.
//!
//! hyper times out a slow head of HTTP/1.1 and nothing else. A connection that sends no preface, opens no stream, or
//! takes nothing of its answer is seen here, the same way for both protocols.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::limits;

/// When something last happened on a connection, and how many requests its service is at.
#[derive(Clone, Debug)]
pub(crate) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    last: Instant,
    under_way: u32,
}

/// A request that the service is at.
pub(crate) struct UnderWay(Activity);

impl Activity {
    /// Of a connection that begins now.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { last: Instant::now(), under_way: 0 })))
    }

    /// A request has come.
    pub(crate) fn begin(&self) -> UnderWay {
        self.change(|state| state.under_way += 1);
        UnderWay(self.clone())
    }

    /// Sees to it that taking the answer counts as something happening. A short one is taken at once.
    pub(crate) fn watch(&self, answer: Response) -> Response {
        if answer.body().size_hint().exact().is_some_and(|bytes| bytes <= limits::SHORT_ANSWER_BYTES) {
            return answer;
        }
        answer.map(|body| Body::new(Watched { body, activity: self.clone() }))
    }

    /// Returns when nothing has happened for `limit`.
    pub(crate) async fn idle(&self, limit: Duration) {
        let mut wake = Instant::now() + limit;
        loop {
            tokio::time::sleep_until(wake).await;
            let now = Instant::now();
            let end = match *self.state() {
                State { last, under_way: 0 } => last + limit,
                State { .. } => now + limit,
            };
            if end <= now {
                return;
            }
            wake = end;
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.last = Instant::now();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.change(|state| state.under_way -= 1);
    }
}

/// The body of an answer that tells when it is asked for more.
struct Watched {
    body: Body,
    activity: Activity,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.activity.change(|_| {});
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_and_work_does_not() {
        let start = Instant::now();
        let activity = Activity::new();
        activity.idle(LIMIT).await;
        assert_eq!(start.elapsed(), LIMIT);

        let work = activity.begin();
        assert!(tokio::time::timeout(LIMIT * 9, activity.idle(LIMIT)).await.is_err(), "it is at work");
        drop(work);
        let start = Instant::now();
        activity.idle(LIMIT).await;
        assert_eq!(start.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn taking_an_answer_is_something() {
        let activity = Activity::new();
        let mut body = activity.watch(Response::new(Body::from("answer".repeat(11_000)))).into_body();
        tokio::time::advance(LIMIT / 2).await;
        let start = Instant::now();
        let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap().len(), 66_000);
        activity.idle(LIMIT).await;
        assert_eq!(start.elapsed(), LIMIT);
    }
}
