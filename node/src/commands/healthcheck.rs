//! `healthcheck`: the running daemon's health as a monitoring plugin tells it (Icinga, Nagios, Zabbix).
//!
//! One line, `LEASEHOLD STATE: why | seats per pool`, and the exit 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. It asks the
//! daemon only: without one there is nothing to be well.

use leasehold_cli::{Exit, Failure, Output, People};
use leasehold_protocol::api::{PoolStatus, StatusAnswer, TrustState};
use serde::Serialize;
use serde_json::Value;

use super::pools::{taken_back, trust_word};
use crate::admin::Admin;
use crate::cli::PlaceArgs;
use crate::config::Config;
use crate::data_dir::DataDir;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum State {
    Ok,
    Warning,
    Critical,
    Unknown,
}

#[derive(Debug, Serialize)]
struct Health {
    state: State,
    detail: String,
    pools: Vec<Usage>,
}

#[derive(Debug, Serialize)]
struct Usage {
    pool_id: String,
    in_use: u32,
    /// Null: unlimited.
    seats: Option<u32>,
}

pub(super) fn run(
    place: &PlaceArgs,
    config: Result<Config, Failure>,
    output: Output,
) -> Result<Exit, Failure> {
    let dir = config.and_then(|config| place.data_dir(&config));
    let health = dir.map_or_else(|failure| Health::without_pools(State::Unknown, &failure), |dir| ask(&dir));
    output.answer(&health, &People::sentence(health.in_words()))?;
    Ok(Exit::status(health.state.exit()))
}

fn ask(dir: &DataDir) -> Health {
    let status = match daemon(dir).and_then(|admin| admin.get::<StatusAnswer>("/v1/status")) {
        Ok(status) => status,
        Err(health) => return Health::without_pools(State::Critical, &health),
    };
    let ready = daemon(dir).and_then(|admin| admin.get::<Value>("/readyz"));
    Health::of(&status, ready.err().as_ref())
}

fn daemon(dir: &DataDir) -> Result<Admin, Failure> {
    Admin::find(dir)?.ok_or_else(|| {
        let detail = format!("no daemon runs on {}", dir.path().display());
        Failure::new(leasehold_protocol::code::Code::Unreachable, detail, "start it")
    })
}

impl State {
    const fn exit(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }
}

impl Health {
    fn without_pools(state: State, failure: &Failure) -> Self {
        Self { state, detail: failure.problem().detail.clone(), pools: Vec::new() }
    }

    fn of(status: &StatusAnswer, unready: Option<&Failure>) -> Self {
        let mut findings: Vec<(State, String)> = Vec::new();
        if let Some(failure) = unready {
            findings.push((State::Critical, failure.problem().detail.clone()));
        } else {
            findings.extend(of_trust(status.trust_state, "the node", &status.trust_cause));
        }
        for pool in &status.pools {
            // What the whole node suffers from is not told again for each pool.
            if pool.trust_state != status.trust_state && pool.trust_state != TrustState::Revoked {
                findings.extend(of_trust(pool.trust_state, &pool.product, &pool.trust_cause));
            }
        }
        findings.extend(
            taken_back(&status.pools)
                .map(|pool| (State::Warning, format!("{} is REVOKED: {}", pool.product, pool.trust_cause))),
        );
        if status.clock.status == "SUSPECT" {
            findings.push((State::Warning, "the clock is SUSPECT".to_owned()));
        }
        let state = findings.iter().map(|(state, _)| *state).max().unwrap_or(State::Ok);
        let details: Vec<String> = findings.into_iter().map(|(_, detail)| detail).collect();
        let detail = if details.is_empty() { in_use(&status.pools) } else { details.join("; ") };
        let pools = status.pools.iter().map(|pool| Usage {
            pool_id: pool.pool_id.to_string(),
            in_use: pool.in_use,
            seats: pool.seats,
        });
        Self { state, detail, pools: pools.collect() }
    }

    fn in_words(&self) -> String {
        let state = match self.state {
            State::Ok => "OK",
            State::Warning => "WARNING",
            State::Critical => "CRITICAL",
            State::Unknown => "UNKNOWN",
        };
        // The bar separates the figures.
        let detail = self.detail.replace(['|', '\n'], " ");
        let line = format!("LEASEHOLD {state}: {detail}");
        if self.pools.is_empty() {
            return line;
        }
        let figures: Vec<String> = self.pools.iter().map(Usage::figure).collect();
        format!("{line} | {}", figures.join(" "))
    }
}

impl Usage {
    /// `label=value;warn;crit;min;max`
    fn figure(&self) -> String {
        let max = self.seats.map(|seats| seats.to_string()).unwrap_or_default();
        format!("'{}'={};;;0;{max}", self.pool_id, self.in_use)
    }
}

fn of_trust(trust: TrustState, whose: &str, cause: &str) -> Option<(State, String)> {
    let state = match trust {
        TrustState::Fresh => return None,
        TrustState::Stale | TrustState::Grace => State::Warning,
        _ => State::Critical,
    };
    Some((state, format!("{whose} is {}: {cause}", trust_word(trust))))
}

fn in_use(pools: &[PoolStatus]) -> String {
    let pools: Vec<String> = pools
        .iter()
        .map(|pool| match pool.seats {
            Some(seats) => format!("{} of {seats} seats of {} in use", pool.in_use, pool.product),
            None => format!("{} seats of {} in use", pool.in_use, pool.product),
        })
        .collect();
    if pools.is_empty() { "no pools".to_owned() } else { pools.join(", ") }
}
