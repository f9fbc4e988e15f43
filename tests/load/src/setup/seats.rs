//! What applications ask of a node, byte for byte as the SDK sends it.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail};
use leasehold_protocol::api::{CheckoutRequest, HolderName, IdempotencyKey};

use super::vendor::FEATURE;
use crate::drive::http::{Answer, find, text_after};
use crate::drive::{Operation, Talk};

/// A day: nothing runs out while it is measured.
const TTL_MS: i64 = 24 * 3_600_000;
/// Answers of one connection that are kept to be verified.
const SAMPLES: usize = 4;
/// Between two of them.
const SAMPLE_EVERY: u64 = 500;

/// The wish for a seat, ready but for who wishes.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    user_at: usize,
    host_at: usize,
    key_at: usize,
}

/// Digits of a user's and a host's number.
const DIGITS: usize = 8;

impl Request {
    /// One seat of a product.
    pub(crate) fn checkout(sku: &str) -> Result<Self> {
        let (user, host) = ("user00000000", "ws00000000");
        let body = serde_json::to_vec(&CheckoutRequest {
            product: Some(sku.to_owned()),
            pool: None,
            features: vec![FEATURE.to_owned()],
            count: 1,
            holder: HolderName {
                user: user.to_owned(),
                host: format!("{host}.plant.example.com"),
                process: Some("designer 2027.1".to_owned()),
            },
            key: IdempotencyKey([0; 16]),
            ttl_ms: Some(TTL_MS),
        })?;
        let head = format!(
            "POST /v1/leases HTTP/1.1\r\ncontent-type: application/json\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let bytes = [head.as_bytes(), &body].concat();
        let digits_of = |field: &str, name: &str| {
            let at =
                find(&bytes, format!("\"{field}\":\"{name}").as_bytes()).context("the field is there")?;
            Ok::<_, anyhow::Error>(at + field.len() + 4 + name.len() - DIGITS)
        };
        let (user_at, host_at) = (digits_of("user", user)?, digits_of("host", host)?);
        let key_at = find(&bytes, &[b'0'; 32]).context("the key is there")?;
        Ok(Self { bytes, user_at, host_at, key_at })
    }

    /// Appends the wish of this user, on a machine of its own, under this key.
    pub(crate) fn write(&self, user: u64, key: u128, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&self.bytes);
        for (at, radix, digits, number) in [
            (self.user_at, 10, DIGITS, u128::from(user)),
            (self.host_at, 10, DIGITS, u128::from(user)),
            (self.key_at, 16, 32, key),
        ] {
            put_digits(&mut out[begin + at..][..digits], number, radix);
        }
    }

    #[cfg(test)]
    fn body_bytes(&self) -> usize {
        self.bytes.len() - find(&self.bytes, b"\r\n\r\n").unwrap() - 4
    }
}

fn put_digits(place: &mut [u8], mut number: u128, radix: u128) {
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789abcdef"[usize::try_from(number % radix).unwrap_or(0)];
        number /= radix;
    }
}

/// A key that no other call of this process gives. Spread like random ones, so that no index has it easier than in life.
pub(crate) fn fresh_key() -> u128 {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    u128::from(mixed(number)) << 64 | u128::from(number)
}

/// The finaliser of `SplitMix64`, a bijection.
const fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The id of the lease in an answer to a checkout or renewal.
fn lease(body: &[u8]) -> Result<&[u8]> {
    let lease = text_after(body, br#""lease_id":""#).filter(|_| body.starts_with(br#"{"decision":"allow""#));
    lease.with_context(|| format!("no seat: {}", String::from_utf8_lossy(body)))
}

/// A user who takes a seat and gives it back, over and over.
pub(crate) struct Cycle {
    request: Request,
    user: u64,
    /// `lse_…` while there is one.
    held: Option<Vec<u8>>,
    checkouts: u64,
    samples: Vec<Vec<u8>>,
}

impl Cycle {
    pub(crate) fn users(request: &Request, users: std::ops::Range<u64>) -> Vec<Self> {
        let users = users.map(|user| {
            let request = request.clone();
            Self { request, user, held: None, checkouts: 0, samples: Vec::new() }
        });
        users.collect()
    }

    /// Who it is.
    pub(crate) const fn user(&self) -> u64 {
        self.user
    }

    /// How many seats it has had.
    pub(crate) const fn checkouts(&self) -> u64 {
        self.checkouts
    }

    /// Answers to be verified.
    pub(crate) fn samples(&self) -> &[Vec<u8>] {
        &self.samples
    }

    fn checked_out(&mut self, body: &[u8]) -> Result<()> {
        self.held = Some(lease(body)?.to_vec());
        if self.checkouts.is_multiple_of(SAMPLE_EVERY) && self.samples.len() < SAMPLES {
            self.samples.push(body.to_vec());
        }
        self.checkouts += 1;
        Ok(())
    }
}

impl Talk for Cycle {
    fn ask(&mut self, closing: bool, out: &mut Vec<u8>) -> Option<Operation> {
        if let Some(lease) = &self.held {
            out.extend_from_slice(b"DELETE /v1/leases/");
            out.extend_from_slice(lease);
            out.extend_from_slice(b" HTTP/1.1\r\nhost: localhost\r\n\r\n");
            return Some(Operation::Release);
        }
        if closing {
            return None;
        }
        self.request.write(self.user, fresh_key(), out);
        Some(Operation::Checkout)
    }

    fn hear(&mut self, received: &[u8]) -> Result<Option<usize>> {
        let Some(answer) = Answer::read(received)? else { return Ok(None) };
        let body = answer.ok()?;
        match self.held.take() {
            None => self.checked_out(body)?,
            Some(_) if body == br#"{"released":true}"# => {}
            Some(_) => bail!("not released: {}", String::from_utf8_lossy(body)),
        }
        Ok(Some(answer.bytes))
    }
}

/// Users who come one after the other, each with a seat that is kept.
pub(crate) struct Holding {
    request: Request,
    /// Who are still to come.
    users: std::ops::Range<u64>,
    sample: Option<Vec<u8>>,
}

impl Holding {
    /// So many users, spread over so many connections.
    pub(crate) fn users(request: &Request, users: std::ops::Range<u64>, connections: u64) -> Vec<Self> {
        let (begin, count) = (users.start, users.end - users.start);
        let shares = (0..connections).map(|share| {
            let users = begin + count * share / connections..begin + count * (share + 1) / connections;
            Self { request: request.clone(), users, sample: None }
        });
        shares.collect()
    }

    /// The last answer.
    pub(crate) fn sample(&self) -> Option<&[u8]> {
        self.sample.as_deref()
    }
}

impl Talk for Holding {
    fn ask(&mut self, _closing: bool, out: &mut Vec<u8>) -> Option<Operation> {
        let user = self.users.next()?;
        self.request.write(user, fresh_key(), out);
        Some(Operation::Checkout)
    }

    fn hear(&mut self, received: &[u8]) -> Result<Option<usize>> {
        let Some(answer) = Answer::read(received)? else { return Ok(None) };
        lease(answer.ok()?)?;
        if self.users.is_empty() {
            self.sample = Some(answer.body.to_vec());
        }
        Ok(Some(answer.bytes))
    }
}

/// A user who takes a seat once and keeps it alive as fast as it can.
pub(crate) struct Renewing {
    request: Request,
    user: u64,
    held: Option<Vec<u8>>,
    sample: Option<Vec<u8>>,
}

impl Renewing {
    pub(crate) fn users(request: &Request, count: usize) -> Vec<Self> {
        let user = |user| Self { request: request.clone(), user, held: None, sample: None };
        (0..count as u64).map(user).collect()
    }

    /// One answer of this round.
    pub(crate) fn take_sample(&mut self) -> Option<Vec<u8>> {
        self.sample.take()
    }
}

impl Talk for Renewing {
    fn ask(&mut self, closing: bool, out: &mut Vec<u8>) -> Option<Operation> {
        if closing {
            return None;
        }
        let Some(lease) = &self.held else {
            self.request.write(self.user, fresh_key(), out);
            return Some(Operation::Checkout);
        };
        out.extend_from_slice(b"POST /v1/leases/");
        out.extend_from_slice(lease);
        out.extend_from_slice(b"/renew HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n");
        Some(Operation::Renew)
    }

    fn hear(&mut self, received: &[u8]) -> Result<Option<usize>> {
        let Some(answer) = Answer::read(received)? else { return Ok(None) };
        let lease = lease(answer.ok()?)?;
        match &self.held {
            Some(held) if held == lease => {}
            Some(_) => bail!("another lease was renewed"),
            None => self.held = Some(lease.to_vec()),
        }
        if self.sample.is_none() {
            self.sample = Some(answer.body.to_vec());
        }
        Ok(Some(answer.bytes))
    }
}

/// A user who is told again and again that there is no seat.
pub(crate) struct Denied {
    request: Request,
    user: u64,
}

impl Denied {
    pub(crate) fn users(request: &Request, count: usize) -> Vec<Self> {
        (0..count as u64).map(|user| Self { request: request.clone(), user }).collect()
    }
}

impl Talk for Denied {
    fn ask(&mut self, closing: bool, out: &mut Vec<u8>) -> Option<Operation> {
        if closing {
            return None;
        }
        self.request.write(self.user, fresh_key(), out);
        Some(Operation::Denial)
    }

    fn hear(&mut self, received: &[u8]) -> Result<Option<usize>> {
        let Some(answer) = Answer::read(received)? else { return Ok(None) };
        let body = answer.ok()?;
        if !body.starts_with(br#"{"decision":"deny","code":"POOL_EXHAUSTED""#) {
            bail!("not denied: {}", String::from_utf8_lossy(body));
        }
        Ok(Some(answer.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_says_who_and_is_otherwise_always_the_same() {
        let request = Request::checkout("cad-x").unwrap();
        let mut out = b"before".to_vec();
        request.write(12_345_678, 0xabc << 100 | 0xdef, &mut out);
        let body = &out[find(&out, b"\r\n\r\n").unwrap() + 4..];
        assert_eq!(body.len(), request.body_bytes());
        let wish: CheckoutRequest = serde_json::from_slice(body).unwrap();
        assert_eq!(wish.product.as_deref(), Some("cad-x"));
        assert_eq!(wish.holder.user, "user12345678");
        assert_eq!(wish.holder.host, "ws12345678.plant.example.com");
        assert_eq!(wish.key.0, (0xabc_u128 << 100 | 0xdef).to_be_bytes());
    }

    #[test]
    fn keys_are_spread_and_never_the_same() {
        let keys: std::collections::BTreeSet<u128> = (0..1000).map(|_| fresh_key()).collect();
        let beginnings: std::collections::BTreeSet<u128> = keys.iter().map(|key| key >> 124).collect();
        assert_eq!((keys.len(), beginnings.len()), (1000, 16));
    }

    #[test]
    fn every_user_comes_once() {
        let request = Request::checkout("cad").unwrap();
        let users: Vec<u64> =
            Holding::users(&request, 10..110, 7).into_iter().flat_map(|share| share.users).collect();
        assert_eq!(users, (10..110).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_not_the_answer_that_must_come_is_an_error() {
        let request = Request::checkout("cad").unwrap();
        let answer = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let seat = answer(r#"{"decision":"allow","code":"ALLOWED","lease_id":"lse_1"}"#);
        let no = answer(r#"{"decision":"deny","code":"POOL_EXHAUSTED","detail":""}"#);
        let mut cycle = Cycle::users(&request, 0..1).remove(0);
        assert!(cycle.hear(no.as_bytes()).is_err());
        assert!(cycle.hear(seat.as_bytes()).unwrap().is_some());
        let mut out = Vec::new();
        assert_eq!(cycle.ask(true, &mut out), Some(Operation::Release));
        assert!(out.starts_with(b"DELETE /v1/leases/lse_1 HTTP/1.1\r\n"));
        assert!(cycle.hear(answer(r#"{"released":false}"#).as_bytes()).is_err());
        assert_eq!(cycle.ask(true, &mut out), None);
        let mut denied = Denied::users(&request, 1).remove(0);
        assert!(denied.hear(seat.as_bytes()).is_err());
        assert!(denied.hear(no.as_bytes()).unwrap().is_some());
    }
}
