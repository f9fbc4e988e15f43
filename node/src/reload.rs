//! What a hang-up (SIGHUP) reads again: the configuration, of which log level and certificates change while the daemon
//! runs, and the keys.

use std::path::PathBuf;
use std::sync::Arc;

use leasehold_cli::log::DaemonLog;
use leasehold_cli::{Failure, service_manager};
use leasehold_net::ServerTls;
use leasehold_protocol::event_id::EventId;
use leasehold_protocol::problem::Problem;

use crate::api_keys::KeyRing;
use crate::config;
use crate::data_dir::DataDir;
use crate::signing::{self, KeyName};

/// What can change while the daemon runs.
pub(crate) struct Reload {
    /// The configuration file, if one was named.
    pub(crate) config: Option<PathBuf>,
    /// The log.
    pub(crate) log: DaemonLog,
    /// Its state, where the keys lie.
    pub(crate) dir: DataDir,
    /// The node in TLS, if it listens at a TCP address.
    pub(crate) tls: Option<Arc<ServerTls>>,
    /// The bearer keys.
    pub(crate) keys: Arc<KeyRing>,
}

impl Reload {
    /// Reads it again, each part by itself. What is wrong with a part is logged, and the part stays as it was.
    pub(crate) fn run(&self) {
        service_manager::reloading();
        match config::load(self.config.as_deref()) {
            Ok(config) => {
                self.log.reload(config.log);
                tracing::info!(event_id = %EventId::ConfigReloaded, "the configuration was read again");
                if let Err(failure) = self.certificates(&config.tls) {
                    let Problem { detail, hint, .. } = failure.problem();
                    tracing::warn!(event_id = %EventId::TlsRefused, detail, hint, "the certificates stay as they were");
                }
            }
            Err(failure) => {
                let Problem { detail, hint, .. } = failure.problem();
                tracing::warn!(event_id = %EventId::ConfigRefused, detail, hint, "the configuration stays as it was");
            }
        }
        if let Err(failure) = self.keys.reload(&self.dir) {
            let Problem { detail, hint, .. } = failure.problem();
            tracing::warn!(event_id = %EventId::ApiKeysRefused, detail, hint, "the bearer keys stay as they were");
        }
        service_manager::ready();
    }

    fn certificates(&self, config: &config::Tls) -> Result<(), Failure> {
        let Some(tls) = &self.tls else { return Ok(()) };
        let key = signing::load(&self.dir, KeyName::Tls)?.tls_key();
        Ok(tls.reload(&key, &config.0).map_err(Problem::from)?)
    }
}
