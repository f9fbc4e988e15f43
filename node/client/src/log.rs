//! What is going on, on standard error, for those who ask.

use std::io;

use leasehold_cli::GlobalArgs;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// With `-v` every attempt to reach a node and what came of it, with `-vv` what the libraries have to say, too.
pub(crate) fn log_to_stderr(global: GlobalArgs) {
    let others = global.log_level().parse().unwrap_or(LevelFilter::WARN);
    let own = if global.verbose > 0 { LevelFilter::DEBUG } else { others };
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    let lines = lines.with_target(false).without_time();
    let wanted = Targets::new().with_default(others).with_target("leasehold_client", own);
    tracing_subscriber::registry().with(lines).with(wanted).init();
}
