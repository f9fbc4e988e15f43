//! The loop around a core: carry its calls, read the clocks, hand on its events.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use leasehold_client_core::{
    Answer, Call, Effect, Effects, Event, Input, Patience, RequestId, SeatCore, Task,
};
use leasehold_net::Address;
use leasehold_protocol::code::Code;
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::ClockReading;
use leasehold_protocol::trust_root::TrustRoot;

use crate::connection::Connection;
use crate::limits::LOOK;
use crate::reach::Reach;

/// One core and its connections.
pub(crate) struct Driver {
    core: SeatCore,
    reach: Arc<Reach>,
    /// The connection used last, and for which address.
    kept: Option<(usize, Connection)>,
    under_way: Option<UnderWay>,
    events: VecDeque<Event>,
}

/// A call on its way; dropping it cuts its connection.
type UnderWay = Pin<Box<dyn Future<Output = Arrived> + Send>>;

struct Arrived {
    to: RequestId,
    answer: Answer,
    kept: Option<(usize, Connection)>,
}

impl Driver {
    pub(crate) fn new(
        trust: TrustRoot,
        reach: Arc<Reach>,
        patience: Patience,
        task: Task,
    ) -> Result<Self, Problem> {
        let core = SeatCore::new(&clocks()?, trust, reach.addresses.len(), patience, task);
        let mut driver = Self { core, reach, kept: None, under_way: None, events: VecDeque::new() };
        driver.input(Input::Tick)?;
        Ok(driver)
    }

    /// The next event; `None` after the last. May be dropped and called again: nothing is lost.
    pub(crate) async fn next_event(&mut self) -> Result<Option<Event>, Problem> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if self.core.is_over() {
                return Ok(None);
            }
            let pause = self.pause()?;
            let input = tokio::select! {
                Arrived { to, answer, kept } = arrival(&mut self.under_way) => {
                    (self.under_way, self.kept) = (None, kept);
                    if let Answer::Problem(problem) | Answer::Unproven(problem) = &answer {
                        tracing::debug!(number = to.0, code = %problem.code, "no answer: {problem}");
                    }
                    Input::Answer { to, answer }
                }
                () = tokio::time::sleep(pause) => Input::Tick,
            };
            self.input(input)?;
        }
    }

    /// The application wants the seat no more.
    pub(crate) fn leave(&mut self) -> Result<(), Problem> {
        self.input(Input::Release)
    }

    /// The application uses the seat.
    pub(crate) fn used(&mut self) -> Result<(), Problem> {
        self.input(Input::Used)
    }

    fn input(&mut self, input: Input) -> Result<(), Problem> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| {
            Problem::new(
                Code::Internal,
                format!("the system gives no randomness: {error}"),
                "repair the system",
            )
        })?;
        let mut effects = Effects::default();
        self.core.handle(&clocks()?, &mut Entropy::new(seed), input, &mut effects);
        for effect in effects.0 {
            match effect {
                Effect::Send { id, address, call, timeout_ms } => self.send(id, address.0, call, timeout_ms),
                Effect::Event(event) => self.events.push_back(event),
            }
        }
        Ok(())
    }

    fn send(&mut self, to: RequestId, index: usize, call: Call, timeout_ms: i64) {
        let reach = Arc::clone(&self.reach);
        let kept = self.kept.take().filter(|(of, _)| *of == index).map(|(_, connection)| connection);
        let mut connection = kept.unwrap_or_else(|| Connection::new(Arc::clone(&reach), index));
        let timeout = Duration::from_millis(timeout_ms.max(0).unsigned_abs());
        tracing::debug!(address = %reach.addresses[index], call = name(&call), number = to.0, "asking");
        self.under_way = Some(Box::pin(async move {
            match tokio::time::timeout(timeout, connection.call(&call)).await {
                Ok(answer) => Arrived { to, answer, kept: Some((index, connection)) },
                Err(_) => Arrived { to, answer: timed_out(&reach.addresses[index], timeout), kept: None },
            }
        }));
    }

    fn pause(&self) -> Result<Duration, Problem> {
        let Some(deadline) = self.core.next_deadline() else { return Ok(LOOK) };
        let left_ms = deadline.saturating_sub(clocks()?.boottime_ms).max(0);
        Ok(LOOK.min(Duration::from_millis(left_ms.unsigned_abs())))
    }
}

/// The end of the call under way, if there is one.
async fn arrival(under_way: &mut Option<UnderWay>) -> Arrived {
    match under_way {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

/// One reading of all clocks.
pub(crate) fn clocks() -> Result<ClockReading, Problem> {
    leasehold_clock::read().map_err(|error| {
        Problem::new(
            Code::Internal,
            format!("the clocks cannot be read: {error}"),
            "check that /proc is mounted",
        )
    })
}

const fn name(call: &Call) -> &'static str {
    match call {
        Call::Checkout(_) => "checkout",
        Call::Renew { .. } | Call::Show { .. } => "renew",
        Call::Release(_) => "release",
        Call::Chain(_) => "proof",
    }
}

fn timed_out(address: &Address, timeout: Duration) -> Answer {
    let detail = format!("no answer from {address} within {} ms", timeout.as_millis());
    Answer::Problem(Box::new(Problem::new(
        Code::Timeout,
        detail,
        "check that the node runs and is not overloaded",
    )))
}
