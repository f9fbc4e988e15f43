//! What a hang-up (SIGHUP) reads again: the configuration, of which the log level changes while the daemon runs.

use std::path::PathBuf;

use leasehold_cli::log::DaemonLog;
use leasehold_cli::service_manager;
use leasehold_protocol::event_id::EventId;

use crate::config;

/// What can change while the daemon runs.
pub(crate) struct Reload {
    /// The configuration file, if one was named.
    pub(crate) config: Option<PathBuf>,
    /// The log.
    pub(crate) log: DaemonLog,
}

impl Reload {
    /// Reads it again. What is wrong is logged, and all stays as it was.
    pub(crate) fn run(&self) {
        service_manager::reloading();
        match config::load(self.config.as_deref()) {
            Ok(config) => {
                self.log.reload(config.log);
                tracing::info!(event_id = %EventId::ConfigReloaded, "the configuration was read again");
            }
            Err(failure) => {
                let problem = failure.problem();
                let (detail, hint) = (&problem.detail, &problem.hint);
                tracing::warn!(event_id = %EventId::ConfigRefused, detail, hint, "the configuration stays as it was");
            }
        }
        service_manager::ready();
    }
}
