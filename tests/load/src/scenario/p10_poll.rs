//! P10, its first half: nodes that ask the issuer whether anything is new, and nothing is.

use anyhow::{Context as _, Result, ensure};

use super::rounds::hello;
use super::transport::Transport;
use super::{CONNECTIONS, SEATS};
use crate::amount::amount;
use crate::bench::Bench;
use crate::cli::Number;
use crate::contest::{Contender, take_turns};
use crate::drive::http::{Answer, find};
use crate::drive::{Measured, Operation, Place, Talk};
use crate::report::{Cost, Quantity, Row, Target, Unit};
use crate::setup::Medium;

/// Of a whole answer, its head included.
const ANSWER_BYTES: f64 = 300.0;

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    // An account that has something to ask for.
    bench.vendor.site("poll", Medium::Disk, &[SEATS])?;
    let issuer = bench.vendor.serve()?;
    let place = Place::Tls(issuer.word("https://")?.parse()?);
    let mut answer_bytes = 0;
    let polls = || {
        let nodes = (0..CONNECTIONS).map(|_| Polling::new(bench.vendor.account())).collect();
        let (measured, nodes) =
            bench.generator.run(&place, nodes, bench.scale.load(), &[issuer.process()])?;
        answer_bytes = nodes.iter().map(|node| node.answer_bytes).max().unwrap_or(0);
        Ok(measured)
    };
    let [greeted, own] = take_turns(
        bench.scale.rounds,
        [
            Contender::new("hello", || hello(bench, Transport::Tls, CONNECTIONS)),
            Contender::new("issuer", polls),
        ],
    )?;
    let cost =
        Cost { resident_bytes: Some(issuer.process().resident()?), ..Cost::of(&own, Some(Operation::Poll)) };
    let bytes = Quantity { amount: amount(answer_bytes as u64), unit: Unit::Bytes };
    let greeted = ("hello", &greeted);
    Ok(vec![
        Row::against(
            Number::P10,
            "unchanged head, TLS",
            (&own, greeted),
            Unit::PerSecond,
            Measured::per_second,
        )
        .target(Target::RatioAtLeast(0.7))
        .cost(cost),
        Row::new(Number::P10, "unchanged head: answer", bytes).target(Target::ValueAtMost(ANSWER_BYTES)),
    ])
}

/// A node that asks again and again.
struct Polling {
    path: String,
    /// Of the head that it has.
    etag: Option<Vec<u8>>,
    answer_bytes: usize,
}

impl Polling {
    fn new(account: &str) -> Self {
        Self { path: format!("/v1/accounts/{account}/head"), etag: None, answer_bytes: 0 }
    }
}

impl Talk for Polling {
    fn ask(&mut self, closing: bool, out: &mut Vec<u8>) -> Option<Operation> {
        if closing {
            return None;
        }
        out.extend_from_slice(b"GET ");
        out.extend_from_slice(self.path.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\nhost: localhost\r\n");
        if let Some(etag) = &self.etag {
            out.extend([&b"if-none-match: "[..], etag, b"\r\n"].concat());
        }
        out.extend_from_slice(b"\r\n");
        Some(Operation::Poll)
    }

    fn hear(&mut self, received: &[u8]) -> Result<Option<usize>> {
        let Some(answer) = Answer::read(received)? else { return Ok(None) };
        if self.etag.is_some() {
            ensure!(answer.status == 304, "HTTP {} instead of 304", answer.status);
            self.answer_bytes = answer.bytes;
            return Ok(Some(answer.bytes));
        }
        answer.ok()?;
        let begin = find(received, b"etag: ").context("the head of an account has an ETag")? + 6;
        let end = find(&received[begin..], b"\r\n").context("its line ends")?;
        self.etag = Some(received[begin..begin + end].to_vec());
        Ok(Some(answer.bytes))
    }
}
