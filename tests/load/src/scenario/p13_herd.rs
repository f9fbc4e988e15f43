//! P13: everybody starts work at nine. 10 000 clients within ten seconds, each on a connection of its own; a fifth of them
//! ask twice under one key, as a client does whose first answer is late; and there are seats for 250.
//!
//! And overload: many times as many at once as it takes to be busy get as much done together, whoever wants a seat of
//! another pool is served as often as they are, and clients that never end what they say slow nobody down.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use leasehold_protocol::api::Decision;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::LeaseId;

use super::CONNECTIONS;
use super::rounds::{Cycles, verify};
use super::transport::Transport;
use crate::amount::amount;
use crate::bench::Bench;
use crate::cli::Number;
use crate::contest::{Contender, median, take_turns};
use crate::drive::{Arrival, Latency, Measured, Met};
use crate::report::{Cost, Quantity, Row, Target, Unit};
use crate::setup::{Cycle, Medium, Request, Sale, fresh_key};

const CLIENTS: u32 = 10_000;
const WITHIN: Duration = Duration::from_secs(10);
/// Of so many clients in a row, the last repeats the one before.
const DUPLICATE_EVERY: u32 = 5;
const SEATS: Sale = Sale { product: "cad", seats: 250 };
/// Who wants seats at once where there are too many of them: 16 times those that keep the node busy.
const CROWD: u32 = 1024;
/// Who want seats of another pool meanwhile.
const CALM: u32 = 16;
/// The number of the first of them.
const FIRST_CALM: u64 = CROWD as u64;
/// Connections that stop in the middle of a request.
const STALLED: usize = 1000;
/// What the node may take up while the herd passes.
const RESIDENT_BYTES: f64 = 350e6;

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (transport, within_s) in [(Transport::Plain, 5.0), (Transport::Tls, 10.0)] {
        rows.extend(herd(bench, transport, within_s)?);
    }
    rows.push(overload(bench)?);
    rows.push(fairness(bench)?);
    rows.push(slow_clients(bench)?);
    Ok(rows)
}

/// What the quick get done, beside very many who have said half of a request and say no more.
fn slow_clients(bench: &Bench) -> Result<Row> {
    let sale = Sale { product: "cad", seats: 2 * CROWD };
    let site = bench.vendor.site("stalled", Medium::Disk, &[sale])?;
    let node = site.run()?;
    let transport = Transport::Plain;
    let quick = || {
        Cycles { bench, site: &site, node: &node, sale, transport, connections: CONNECTIONS }
            .run(bench.scale.load())
    };
    let mut request = Vec::new();
    Request::checkout(&site.sku(sale.product))?.write(0, 0, &mut request);
    let half = &request[..request.len() / 2];
    let [alone, beside] = take_turns(
        bench.scale.rounds,
        [
            Contender::new("alone", quick),
            Contender::new("beside", || {
                let stalled = bench.generator.stall(transport.node(&node), half, STALLED)?;
                let measured = quick()?;
                drop(stalled);
                Ok(measured)
            }),
        ],
    )?;
    let what = format!("checkout + release beside {STALLED} stalled connections");
    let row =
        Row::against(Number::P13, what, (&beside, ("alone", &alone)), Unit::PerSecond, Measured::per_second);
    Ok(row.target(Target::RatioAtLeast(0.8)).cost(Cost::of(&beside, None)))
}

/// How often the few of one pool are served, by how often each of the crowd of another one is.
fn fairness(bench: &Bench) -> Result<Row> {
    let crowded = Sale { product: "cad", seats: CROWD };
    let calm = Sale { product: "cam", seats: CALM };
    let site = bench.vendor.site("fairness", Medium::Disk, &[crowded, calm])?;
    let node = site.run()?;
    let mut each = Vec::new();
    for _ in 0..bench.scale.rounds {
        let mut all = Cycle::users(&Request::checkout(&site.sku(crowded.product))?, 0..FIRST_CALM);
        let few = FIRST_CALM..FIRST_CALM + u64::from(CALM);
        all.extend(Cycle::users(&Request::checkout(&site.sku(calm.product))?, few));
        let (_, all) = bench.generator.run(&node.plain, all, bench.scale.load(), &[node.process()])?;
        verify(bench, &node, all.iter().flat_map(Cycle::samples).map(Vec::as_slice))?;
        let (few, crowd): (Vec<_>, Vec<_>) = all.into_iter().partition(|user| user.user() >= FIRST_CALM);
        each.push((mean_checkouts(&few), mean_checkouts(&crowd)));
    }
    let ratios = each.iter().map(|(few, crowd)| few / crowd).collect();
    let count = |of: fn(&(f64, f64)) -> f64| {
        let amount = median(each.iter().map(of).collect());
        Quantity { amount, unit: Unit::Count }
    };
    let what = format!("checkouts of each of {CALM}, {CROWD} others at another pool");
    let row = Row::new(Number::P13, what, count(|each| each.0));
    Ok(row.with_ratios("each other", count(|each| each.1), ratios).target(Target::RatioAtLeast(0.8)))
}

fn mean_checkouts(users: &[Cycle]) -> f64 {
    users.iter().map(|user| amount(user.checkouts())).sum::<f64>() / amount(users.len() as u64)
}

/// What gets done at the busiest, and with so many more who wait all the time.
fn overload(bench: &Bench) -> Result<Row> {
    let sale = Sale { product: "cad", seats: 2 * CROWD };
    let site = bench.vendor.site("overload", Medium::Disk, &[sale])?;
    let node = site.run()?;
    let cycles = |connections| {
        let transport = Transport::Plain;
        Cycles { bench, site: &site, node: &node, sale, transport, connections }.run(bench.scale.load())
    };
    let [busy, crowded] = take_turns(
        bench.scale.rounds,
        [
            Contender::new("busy", || cycles(CONNECTIONS)),
            Contender::new("crowded", || cycles(CROWD as usize)),
        ],
    )?;
    let what = format!("checkout + release, {CROWD} connections");
    let busy = ("64 connections", &busy);
    let row = Row::against(Number::P13, what, (&crowded, busy), Unit::PerSecond, Measured::per_second);
    Ok(row.target(Target::RatioAtLeast(0.8)).cost(Cost::of(&crowded, None)))
}

fn herd(bench: &Bench, transport: Transport, within_s: f64) -> Result<Vec<Row>> {
    let site = bench.vendor.site(&format!("herd-{}", transport.name()), Medium::Disk, &[SEATS])?;
    let node = site.run()?;
    let arrivals = arrivals(&Request::checkout(&site.sku(SEATS.product))?);
    let met = bench.generator.herd(transport.node(&node), arrivals)?;
    let Fates { leases, wrong } = Fates::of(&met);
    let latency: Latency = met.iter().map(|met| met.after).collect();
    let (p50, p99) = (latency.percentile(50.0), latency.percentile(99.0));
    let resident = node.process().resident()?;
    let cost = Cost { p50: Some(p50), p99: Some(p99), resident_bytes: Some(resident), ..Cost::default() };
    let row = |figure: &str, amount, unit| {
        let what = format!("herd, {}: {figure}", transport.name());
        Row::new(Number::P13, what, Quantity { amount, unit })
    };
    Ok(vec![
        row("p99", p99.as_secs_f64(), Unit::Seconds).target(Target::ValueAtMost(within_s)).cost(cost),
        row("leases", f64::from(leases), Unit::Count).target(Target::Exactly(f64::from(SEATS.seats))),
        row("unanswered or wrong", f64::from(wrong), Unit::Count).target(Target::Exactly(0.0)),
        row("RSS", amount(resident), Unit::Bytes).target(Target::ValueAtMost(RESIDENT_BYTES)),
    ])
}

/// Evenly spread; each duplicate comes right behind its first.
fn arrivals(request: &Request) -> Vec<Arrival> {
    let mut key = 0;
    let mut user = 0;
    let arrivals = (0..CLIENTS).map(|client| {
        if !is_duplicate(client) {
            (user, key) = (u64::from(client), fresh_key());
        }
        let mut bytes = Vec::new();
        request.write(user, key, &mut bytes);
        Arrival { at: WITHIN / CLIENTS * client, request: bytes }
    });
    arrivals.collect()
}

const fn is_duplicate(client: u32) -> bool {
    client % DUPLICATE_EVERY == DUPLICATE_EVERY - 1
}

/// What the answers say together.
struct Fates {
    leases: u32,
    /// No answer, or one that must not be.
    wrong: u32,
}

/// What one answer says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Seat(LeaseId),
    /// The pool is exhausted.
    NoSeat,
    /// Anything else, or nothing.
    Wrong,
}

impl Fates {
    fn of(met: &[Met]) -> Self {
        let fates = met.iter().map(|met| met.answer.as_ref().map_or(Fate::Wrong, |answer| Fate::of(answer)));
        let mut leases = BTreeSet::new();
        let (mut wrong, mut before) = (0, Fate::Wrong);
        for (client, fate) in (0_u32..).zip(fates) {
            let expected = match fate {
                // A seat that was given under a key is given again, and to nobody else.
                Fate::Seat(lease) => leases.insert(lease) || (is_duplicate(client) && before == fate),
                Fate::NoSeat => true,
                Fate::Wrong => false,
            };
            wrong += u32::from(!expected);
            before = fate;
        }
        Self { leases: u32::try_from(leases.len()).unwrap_or(u32::MAX), wrong }
    }
}

impl Fate {
    fn of(answer: &[u8]) -> Self {
        match serde_json::from_slice(answer) {
            Ok(Decision::Allow(seat)) => Self::Seat(seat.lease_id),
            Ok(Decision::Deny(denial)) if denial.code == Code::PoolExhausted => Self::NoSeat,
            _ => Self::Wrong,
        }
    }
}
