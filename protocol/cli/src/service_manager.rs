//! What a daemon tells the service manager that started it (`sd_notify`). Without one nobody listens.

use sd_notify::NotifyState;

use crate::limits;

/// It answers.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It reads its configuration again; [`ready`] follows.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the service manager was not told"),
    }
}

/// It finishes what is under way and ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells that a daemon still turns, where the service manager wants to know.
#[derive(Debug)]
pub struct Watchdog {
    wanted: bool,
    last_fed_ms: i64,
}

impl Watchdog {
    /// As the service manager asked of this process.
    pub fn new() -> Self {
        Self { wanted: sd_notify::watchdog_enabled().is_some(), last_fed_ms: i64::MIN }
    }

    /// To be called with each turn; `now_ms` is boottime. It is passed on once a second.
    pub fn feed(&mut self, now_ms: i64) {
        if self.wanted && self.last_fed_ms.saturating_add(limits::WATCHDOG_MS) <= now_ms {
            self.last_fed_ms = now_ms;
            tell(&[NotifyState::Watchdog]);
        }
    }
}

impl Default for Watchdog {
    fn default() -> Self {
        Self::new()
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager was not told");
    }
}
