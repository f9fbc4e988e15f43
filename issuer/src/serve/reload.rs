//! What a hang-up reads again: certificates and the level of the log. If that fails, all stays as it was.

use std::path::PathBuf;
use std::sync::Arc;

use leasehold_cli::log::DaemonLog;
use leasehold_cli::{Failure, service_manager};
use leasehold_net::{ServerTls, TlsKey};
use leasehold_protocol::event_id::EventId;
use leasehold_protocol::problem::Problem;

use super::config;

/// What can change while the service runs.
pub(super) struct Reload {
    pub(super) path: Option<PathBuf>,
    pub(super) log: DaemonLog,
    pub(super) tls: Arc<ServerTls>,
    pub(super) tls_key: TlsKey,
}

impl Reload {
    pub(super) fn run(&self) {
        service_manager::reloading();
        match self.take_over() {
            Ok(()) => tracing::info!(event_id = %EventId::ConfigReloaded, "the configuration was read again"),
            Err(failure) => {
                tracing::warn!(event_id = %EventId::ConfigRefused, code = %failure.code(), cause = %failure, "the configuration stays");
            }
        }
        service_manager::ready();
    }

    fn take_over(&self) -> Result<(), Failure> {
        let config = config::load(self.path.as_deref())?;
        self.tls.reload(&self.tls_key, &config.tls_files()).map_err(Problem::from)?;
        self.log.reload(config.log);
        Ok(())
    }
}
