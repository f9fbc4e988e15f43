//! The one thread that does everything of a blocking client.

use std::pin::Pin;
use std::sync::mpsc as std_mpsc;
use std::thread::{self, JoinHandle};

use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::limits::FAREWELL;

/// A thread with a runtime, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Background {
    /// Not bounded by itself: whoever adds to it waits for the outcome, or gives back a seat that was held.
    work: Option<mpsc::UnboundedSender<Work>>,
    thread: Option<JoinHandle<()>>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Background {
    pub(super) fn start() -> Result<Self, Problem> {
        let failed = |error: std::io::Error| {
            let detail = format!("the thread of the client cannot start: {error}");
            Problem::new(Code::Internal, detail, "check the limits of this process")
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (work, arriving) = mpsc::unbounded_channel();
        let thread = thread::Builder::new().name("leasehold".to_owned());
        let thread = thread.spawn(move || serve(&runtime, arriving)).map_err(failed)?;
        Ok(Self { work: Some(work), thread: Some(thread) })
    }

    /// Has the thread do this, and waits for the outcome.
    pub(super) fn wait_for<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Problem> {
        if self.is_this_thread() {
            let detail = "a listener waits for the client that calls it, which would never end";
            return Err(Problem::new(Code::InvalidRequest, detail, "hand the work to another thread"));
        }
        let (tell, told) = std_mpsc::sync_channel(1);
        self.leave_to(async move {
            // Whoever asked waits for it below.
            let _ = tell.send(work.await);
        });
        told.recv().map_err(|_| {
            Problem::new(
                Code::Internal,
                "the thread of the client ended early",
                "see what a listener printed",
            )
        })
    }

    /// Has the thread do this some time.
    pub(super) fn leave_to(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(thread) = &self.work {
            // A thread that ended, ended by a panic that was printed.
            let _ = thread.send(Box::pin(work));
        }
    }

    fn is_this_thread(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| thread.thread().id() == thread::current().id())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.work = None;
        // A listener may hold the last handle: the thread that runs it cannot wait for itself.
        if !self.is_this_thread()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// Until there is no handle any more; then what is under way may come to its end for a while.
fn serve(runtime: &Runtime, mut arriving: mpsc::UnboundedReceiver<Work>) {
    runtime.block_on(async {
        let mut under_way = JoinSet::new();
        while let Some(work) = arriving.recv().await {
            under_way.spawn(work);
            while under_way.try_join_next().is_some() {}
        }
        let farewell = async { while under_way.join_next().await.is_some() {} };
        // Late: seats that could not be given back end by themselves.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    });
}
