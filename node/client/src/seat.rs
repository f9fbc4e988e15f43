//! A seat that is kept for as long as its guard lives.

use std::sync::Arc;
use std::time::Duration;

use leasehold_client_core::{Event, ProvenSeat};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use tokio::sync::{Notify, oneshot, watch};

use crate::Error;
use crate::checkout::{Listeners, Warning};
use crate::client::ended;
use crate::driver::{Driver, clocks};

/// A seat. A task renews it until it is released or dropped.
#[derive(Debug)]
pub struct Seat {
    state: watch::Receiver<SeatState>,
    /// The seat is in use.
    used: Arc<Notify>,
    /// Closed by dropping the guard, which is a release without an answer.
    leave: oneshot::Sender<Leave>,
}

/// What became of a seat.
#[derive(Clone, Debug)]
pub enum SeatState {
    /// The node has not decided yet.
    Wanted,
    /// Held: it may be used while its term is live.
    Held(Arc<ProvenSeat>),
    /// It must not be used; the task tries to get one again.
    Lost,
    /// Given back, or given up.
    Over,
}

/// Where to tell that the seat is given back.
type Leave = oneshot::Sender<Result<bool, Error>>;

impl Seat {
    /// Whether the seat may be used right now, by the clock of this moment.
    pub fn is_live(&self) -> bool {
        let now = clocks();
        match (&*self.state.borrow(), now) {
            (SeatState::Held(seat), Ok(now)) => seat.term.is_live(&now),
            _ => false,
        }
    }

    /// The seat with its newest ticket; `None` while it is lost.
    pub fn proven(&self) -> Option<Arc<ProvenSeat>> {
        match &*self.state.borrow() {
            SeatState::Held(seat) => Some(Arc::clone(seat)),
            SeatState::Wanted | SeatState::Lost | SeatState::Over => None,
        }
    }

    /// What became of it up to now.
    pub fn state(&self) -> SeatState {
        self.state.borrow().clone()
    }

    /// Every change of its state.
    pub fn watch(&self) -> watch::Receiver<SeatState> {
        self.state.clone()
    }

    /// Tells that the seat is in use at this moment. From the first time on, renewals say how long it was not: a pool may
    /// let leases end that are idle for too long. An application that never calls it is taken to use its seat always.
    pub fn used(&self) {
        self.used.notify_one();
    }

    /// Gives the seat back and waits for the node's word. False: it had ended before.
    pub async fn release(self) -> Result<bool, Error> {
        let (tell, told) = oneshot::channel();
        let Self { leave, .. } = self;
        if leave.send(tell).is_err() {
            return Ok(false);
        }
        told.await.unwrap_or(Ok(false))
    }

    /// Starts the task, and waits for the first decision.
    pub(crate) async fn keep(driver: Driver, listeners: Listeners) -> Result<Self, Error> {
        let (tell_state, state) = watch::channel(SeatState::Wanted);
        let (leave, left) = oneshot::channel();
        let (decide, decided) = oneshot::channel();
        // From here on a dropped future closes `leave`, and the task gives back what it gets.
        let used = Arc::new(Notify::new());
        let seat = Self { state, used: Arc::clone(&used), leave };
        tokio::spawn(Keeper { driver, state: tell_state, used, listeners, decide: Some(decide) }.run(left));
        match decided.await {
            Ok(Ok(())) => Ok(seat),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ended(None)),
        }
    }
}

/// The task behind a seat.
struct Keeper {
    driver: Driver,
    state: watch::Sender<SeatState>,
    used: Arc<Notify>,
    listeners: Listeners,
    decide: Option<oneshot::Sender<Result<(), Error>>>,
}

impl Keeper {
    async fn run(mut self, mut left: oneshot::Receiver<Leave>) {
        let outcome = loop {
            tokio::select! {
                event = self.driver.next_event() => match event {
                    Ok(Some(Event::Released(released))) => break Ok(released),
                    Ok(Some(event @ (Event::Denied(_) | Event::Failed(_))) ) => break Err(ended(Some(event))),
                    Ok(Some(event)) => self.on_event(event),
                    Ok(None) => break Ok(false),
                    Err(problem) => break Err(problem.into()),
                },
                () = self.used.notified() => {
                    if let Err(problem) = self.driver.used() {
                        break Err(problem.into());
                    }
                }
                tell = &mut left => {
                    let outcome = self.give_back().await;
                    self.state.send_replace(SeatState::Over);
                    if let Ok(tell) = tell {
                        // Whoever asked may be gone by now.
                        let _ = tell.send(outcome);
                    }
                    return;
                }
            }
        };
        self.state.send_replace(SeatState::Over);
        if let (Some(decide), Err(error)) = (self.decide, outcome) {
            let _ = decide.send(Err(error));
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Acquired(seat) => {
                self.state.send_replace(SeatState::Held(Arc::from(seat)));
                if let Some(decide) = self.decide.take() {
                    // If nobody waits any more, `left` is closed as well.
                    let _ = decide.send(Ok(()));
                }
            }
            Event::Renewed(seat) => {
                self.state.send_replace(SeatState::Held(Arc::from(seat)));
            }
            Event::Regained(seat) => {
                let seat = Arc::from(seat);
                self.state.send_replace(SeatState::Held(Arc::clone(&seat)));
                tell(self.listeners.regained.as_deref(), &seat);
            }
            Event::Lost => {
                self.state.send_replace(SeatState::Lost);
                tell(self.listeners.lost.as_deref(), &());
            }
            Event::Warning { cause, stop_in_ms } => {
                let stop_in = Duration::from_millis(stop_in_ms.max(0).unsigned_abs());
                tell(self.listeners.warning.as_deref(), &Warning { cause: *cause, stop_in });
            }
            Event::Denied(_) | Event::Failed(_) | Event::Released(_) => {}
        }
    }

    /// Gives the seat back, or whatever the checkout under way brings.
    async fn give_back(&mut self) -> Result<bool, Error> {
        self.driver.leave()?;
        loop {
            match self.driver.next_event().await? {
                Some(Event::Released(released)) => return Ok(released),
                Some(Event::Failed(problem)) => return Err(Error::Failed(problem)),
                Some(_) => {}
                None => {
                    return Err(
                        Problem::new(Code::Internal, "the seat's core ended early", "report this").into()
                    );
                }
            }
        }
    }
}

fn tell<T>(listener: Option<&(dyn Fn(&T) + Send + Sync)>, what: &T) {
    if let Some(listener) = listener {
        listener(what);
    }
}
