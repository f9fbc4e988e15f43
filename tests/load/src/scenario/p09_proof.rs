//! P9: what it takes an application to believe a seat, offline; and what the signatures alone take.

use anyhow::{Context as _, Result, bail};
use leasehold_protocol::api::Decision;
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::artefact::{Chain, Extensions, SeatProof};
use leasehold_protocol::bytes::Bytes;
use leasehold_protocol::envelope::Envelope;
use leasehold_protocol::proof::{VerifiedChain, verify_proof};

use super::SEATS;
use crate::bench::Bench;
use crate::cli::Number;
use crate::contest::{Contender, take_turns};
use crate::drive::Load;
use crate::limit::signature::{Signed, time_of_one};
use crate::report::{Quantity, Row, Target, Unit};
use crate::setup::{Holding, Medium, Request, chain};

const TARGET: Target = Target::RatioAtMost(1.2);

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let (chain, ticket) = seat(bench)?;
    let (root, seconds) = (bench.vendor.trust_root()?, bench.scale.seconds);
    let Chain { grant, pool, allocation, certificate, .. } = &chain;
    let envelopes = [grant, pool, allocation, certificate, &ticket];
    let signatures = envelopes.iter().map(|envelope| Ok(Envelope::parse(&envelope.0)?.signatures.len()));
    let signatures = u32::try_from(signatures.sum::<Result<usize>>()?)?;
    let mean_bytes = envelopes.iter().map(|envelope| envelope.0.len()).sum::<usize>() / envelopes.len();
    let (whole, single) = (Signed::new(mean_bytes), Signed::new(ticket.0.len()));
    let known = VerifiedChain::verify(&root, &chain)?;
    let proof =
        SeatProof { chain: chain.clone(), ticket: ticket.clone(), ext: Extensions::default() }.to_bytes();
    let [signing, one, own_one, all, own_all] = take_turns(
        bench.scale.rounds,
        [
            Contender::new("sign", || single.signing(seconds)),
            Contender::new("verify_strict", || single.verifying(seconds)),
            Contender::new("ticket", || {
                time_of_one(seconds, || {
                    known.verify_ticket(&ticket.0).map(drop).context("the ticket is good")
                })
            }),
            Contender::new("verify_strict of all", || Ok(whole.verifying(seconds)? * signatures)),
            Contender::new("proof", || {
                time_of_one(seconds, || verify_proof(&root, &proof).map(drop).context("the proof is good"))
            }),
        ],
    )?;
    let seconds = |duration: &std::time::Duration| duration.as_secs_f64();
    let told = |what: &str, each: f64| {
        Row::new(Number::P9, what, Quantity { amount: 1.0 / each, unit: Unit::PerCpuSecond })
    };
    let against = |what: &str, own, limit| {
        Row::against(Number::P9, what, (own, ("signatures", limit)), Unit::Seconds, seconds).target(TARGET)
    };
    Ok(vec![
        against("proof of a seat, nothing known", &own_all, &all),
        against("proof of a seat, chain known", &own_one, &one),
        told("raw sign", signing.median(seconds)),
        told("raw key decode + verify_strict", one.median(seconds)),
    ])
}

/// What proves a seat: the chain, and the ticket.
fn seat(bench: &Bench) -> Result<(Chain, Bytes)> {
    let site = bench.vendor.site("proof", Medium::Disk, &[SEATS])?;
    let node = site.run()?;
    let users = Holding::users(&Request::checkout(&site.sku(SEATS.product))?, 0..1, 1);
    let (_, users) = bench.generator.run(&node.plain, users, Load::TO_THE_END, &[])?;
    let answer = users.first().and_then(Holding::sample).context("somebody has a seat")?;
    let Decision::Allow(seat) = serde_json::from_slice(answer)? else { bail!("no seat") };
    Ok((chain(&bench.generator, &node.plain, &seat)?, Bytes(unarmour(seat.ticket.as_bytes())?)))
}
