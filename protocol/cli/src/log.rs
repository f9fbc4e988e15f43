//! The log, on standard error: JSON for machines, text for people, and a level that can change while a daemon runs.
//!
//! Lines of `INFO` and above carry the field `event_id`, a name of [`leasehold_protocol::event_id::EventId`]. Nothing
//! secret is ever logged, and no user's name at `INFO` and above.

use std::io::{self, IsTerminal as _};

use serde::Deserialize;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::GlobalArgs;

/// The section `[log]` of a daemon's configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The least serious lines that are written; `-v` and `--quiet` win.
    pub level: Level,
    /// Their form.
    pub format: Format,
}

/// How serious a line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The process ends, or something it promised is broken.
    Error,
    /// Somebody should look at it.
    Warn,
    /// What changes in the state or in the world around it.
    #[default]
    Info,
    /// For those who look for a fault.
    Debug,
    /// Everything.
    Trace,
}

/// The form of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Begins the log of a command: text, and only what people want to see.
pub fn begin(global: GlobalArgs) {
    let level = global.log_level().parse().unwrap_or(LevelFilter::WARN);
    let lines = tracing_subscriber::fmt().with_writer(io::stderr).with_target(false).with_ansi(false);
    lines.with_max_level(level).without_time().init();
}

/// Begins the log of a daemon.
pub fn begin_daemon(global: GlobalArgs, config: LogConfig) -> DaemonLog {
    let lines = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(false)
        .with_max_level(LevelFilter::TRACE);
    let level = level(global, config);
    let level = if config.format.is_json() {
        let (filter, level) = reload::Layer::new(level);
        lines.json().flatten_event(true).with_current_span(false).finish().with(filter).init();
        Box::new(move |new| level.reload(new)) as SetLevel
    } else {
        let (filter, level) = reload::Layer::new(level);
        lines.finish().with(filter).init();
        Box::new(move |new| level.reload(new)) as SetLevel
    };
    DaemonLog { global, level }
}

/// The log of a running daemon.
pub struct DaemonLog {
    global: GlobalArgs,
    level: SetLevel,
}

type SetLevel = Box<dyn Fn(LevelFilter) -> Result<(), reload::Error> + Send + Sync>;

impl DaemonLog {
    /// Takes over the level of a configuration that was read again. The form stays.
    pub fn reload(&self, config: LogConfig) {
        if let Err(error) = (self.level)(level(self.global, config)) {
            tracing::debug!(%error, "the log level stays as it was");
        }
    }
}

impl Format {
    fn is_json(self) -> bool {
        match self {
            Self::Auto => !io::stderr().is_terminal(),
            Self::Json => true,
            Self::Text => false,
        }
    }
}

/// Flags win over the configuration.
fn level(global: GlobalArgs, config: LogConfig) -> LevelFilter {
    if global.quiet || global.verbose > 0 {
        return global.log_level().parse().unwrap_or(LevelFilter::INFO);
    }
    match config.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_configuration() {
        let config = LogConfig { level: Level::Trace, format: Format::Json };
        for (quiet, verbose, expected) in [
            (false, 0, LevelFilter::TRACE),
            (true, 0, LevelFilter::ERROR),
            (false, 1, LevelFilter::INFO),
            (false, 2, LevelFilter::DEBUG),
        ] {
            assert_eq!(level(GlobalArgs { json: false, quiet, verbose }, config), expected);
        }
        assert_eq!(level(GlobalArgs::default(), LogConfig::default()), LevelFilter::INFO);
    }
}
