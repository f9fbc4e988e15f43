//! The issuer that the node talks to by itself: where it is, who it must prove to be, and when it is asked.

use leasehold_protocol::artefact::Head;
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::AccountId;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::time::{ClockReading, UnixMs};
use serde::{Deserialize, Serialize};

use crate::core::{NodeCore, refuse, reply};
use crate::effect::{Effects, Reply};
use crate::input::{Cause, ReplyTo};
use crate::limits;
use crate::provision::Provision;
use crate::record::Record;

/// Where the issuer is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedIssuer {
    /// `https://host:port`
    pub url: String,
    /// The TLS key that the join code named. It counts until a trust root names others.
    pub key: SpkiDigest,
}

/// What the shell needs to stay in contact.
#[derive(Clone, Copy, Debug)]
pub struct Contact<'a> {
    /// Where the issuer is.
    pub issuer: &'a NamedIssuer,
    /// Whose head is polled.
    pub account: AccountId,
    /// The head that is applied.
    pub head: &'a Head,
    /// Seats went back, and no answered report told of it, or the issuer is to answer RECOVER: an exchange is due.
    pub has_report: bool,
    /// By the node's clock the issuer's word wants to be renewed: an exchange is due.
    pub word_due: bool,
    /// How long that word lasts by what the issuer signed: before so much running time there is no use in asking again,
    /// whatever the node's clock says.
    pub word_ms: i64,
}

impl NodeCore {
    /// The contact with the issuer, if one was named and the node has an account there.
    pub fn contact(&self, now: &ClockReading) -> Option<Contact<'_>> {
        let (issuer, provision) = (self.issuer.as_ref()?, self.provision.as_ref()?);
        let wanted_from = wanted_from(provision);
        Some(Contact {
            issuer,
            account: provision.account,
            head: &provision.head,
            has_report: self.has_news(provision),
            word_due: self.clock_at(now).best().has_reached(wanted_from),
            word_ms: wanted_from.since(provision.last_bundle.issued_at),
        })
    }

    /// From when on the node wants to hear from the issuer without being told that there is something new, as `best`
    /// goes; none before the first bundle. That is at once if seats went back that no answered report told of, or the issuer is to answer RECOVER; else
    /// when a row asks to be renewed, the certificate is past half its life, or the issuer's last word grows old. What an
    /// answer did not renew, though it was time, is not asked for again before that.
    pub fn next_exchange_at(&self) -> Option<UnixMs> {
        let provision = self.provision.as_ref()?;
        Some(if self.has_news(provision) { UnixMs::MIN } else { wanted_from(provision) })
    }

    /// The issuer that was named last.
    pub const fn named_issuer(&self) -> Option<&NamedIssuer> {
        self.issuer.as_ref()
    }

    fn has_news(&self, provision: &Provision) -> bool {
        let told = provision.releases.newest_report().filter(|_| self.may_release());
        told.is_some_and(|report| self.answered_report < report) || self.wants_generation()
    }

    pub(crate) fn name_issuer(&mut self, to: ReplyTo, cause: Cause, issuer: NamedIssuer, out: &mut Effects) {
        if let Err(problem) = cause.check() {
            return refuse(to, problem, out);
        }
        if issuer.url.is_empty() || issuer.url.len() > limits::ISSUER_URL_BYTES {
            let detail = format!("the issuer's address must have 1 to {} bytes", limits::ISSUER_URL_BYTES);
            let problem = Problem::new(Code::InvalidRequest, detail, "write https://HOST:PORT");
            return refuse(to, problem, out);
        }
        let NamedIssuer { url, key } = issuer;
        let seq = self.emit(Record::IssuerNamed { cause, url, key }, out);
        reply(to, seq, Reply::IssuerNamed, out);
    }
}

fn wanted_from(provision: &Provision) -> UnixMs {
    let answered_at = provision.last_bundle.issued_at;
    let certificate = &provision.certificate;
    let half_ms = certificate.not_after.since(certificate.issue.issued_at) / 2;
    let rows = provision.rows.values().filter(|row| row.current).map(|row| row.allocation.renew_after);
    let renewals = rows.chain([certificate.issue.issued_at.plus(half_ms)]).filter(|&due| answered_at < due);
    let word_is_old = provision.head.issue.issued_at.plus(limits::EXCHANGE_MS);
    renewals.fold(word_is_old, UnixMs::min)
}
