//! One vector as it stands in its file.

use data_encoding::HEXLOWER;
use leasehold_protocol::artefact::Kind;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::Realm;
use leasehold_protocol::proof::Step;
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::fixture::{REALM, World, key};

pub(super) const OK: &str = "ok";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vector {
    pub(super) number: u16,
    pub(super) rule: String,
    pub(super) what: String,
    #[serde(skip)]
    name: &'static str,
    /// What is done with the envelope, see `vectors/README.md`.
    pub(super) check: Check,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) realm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) keys: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) threshold: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) envelope: Option<String>,
    pub(super) expect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Check {
    /// Verify against `keys`, of which `threshold` must sign.
    Signed,
    /// Verify against the keys that `root` names for the kind.
    Rooted,
    /// Take as the first root.
    Pin,
    /// Take as the root after `root`.
    Advance,
    /// Verify with the key inside.
    Request,
    /// Ask whether the request knows the join code `secret`.
    Join,
    /// Open as a bundle from `root` on.
    Bundle,
    /// Verify as a proof from `root` on; with `at`: whether it is live.
    Proof,
    /// Ask whether the chain of the proof has `digest`.
    Chain,
    /// Ask whether the artefact has the id `digest`.
    Id,
    /// Read `text`.
    Text,
}

impl Vector {
    /// A vector that is accepted until something else is said.
    pub(super) fn new(number: u16, rule: &str, name: &'static str, what: &str, check: Check) -> Self {
        Self {
            number,
            rule: rule.into(),
            what: what.into(),
            name,
            check,
            kind: None,
            realm: None,
            mode: None,
            keys: Vec::new(),
            threshold: None,
            root: None,
            at: None,
            secret: None,
            digest: None,
            text: None,
            envelope: None,
            expect: OK.into(),
            reason: None,
        }
    }

    /// An envelope of `kind`, verified against the keys of these names, one of which must sign.
    pub(super) fn signed(
        number: u16,
        rule: &str,
        name: &'static str,
        what: &str,
        by: (Kind, &[&str]),
    ) -> Self {
        let (kind, keys) = by;
        let mut vector = Self::new(number, rule, name, what, Check::Signed).of_kind(kind).in_realm(REALM);
        vector.keys = keys.iter().map(|name| key(name).bytes().to_string()).collect();
        vector.threshold = Some(1);
        vector
    }

    /// Something that is verified from the root of `world` on.
    pub(super) fn under(
        number: u16,
        rule: &str,
        name: &'static str,
        what: &str,
        by: (Check, &World),
    ) -> Self {
        let (check, world) = by;
        let mut vector = Self::new(number, rule, name, what, check);
        vector.root = Some(HEXLOWER.encode(&world.seal(&world.root)));
        vector
    }

    pub(super) fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind.name().into());
        self
    }

    pub(super) fn in_realm(mut self, realm: Realm) -> Self {
        self.realm = Some(realm.id.to_string());
        self.mode = serde_json::to_value(realm.mode).unwrap().as_str().map(str::to_owned);
        self
    }

    pub(super) fn threshold(mut self, threshold: usize) -> Self {
        self.threshold = Some(threshold);
        self
    }

    pub(super) fn at(mut self, at: UnixMs) -> Self {
        self.at = Some(at.0);
        self
    }

    pub(super) fn secret(mut self, secret: [u8; 16]) -> Self {
        self.secret = Some(HEXLOWER.encode(&secret));
        self
    }

    pub(super) fn digest(mut self, digest: [u8; 32]) -> Self {
        self.digest = Some(HEXLOWER.encode(&digest));
        self
    }

    pub(super) fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    pub(super) fn envelope(mut self, envelope: impl AsRef<[u8]>) -> Self {
        self.envelope = Some(HEXLOWER.encode(envelope.as_ref()));
        self
    }

    /// It is refused with this code; our sentence holds `reason`.
    pub(super) fn refused(mut self, code: Code, reason: &str) -> Self {
        self.expect = code.to_string();
        self.reason = Some(reason.into());
        self
    }

    pub(super) fn malformed(self, reason: &str) -> Self {
        self.refused(Code::Malformed, reason)
    }

    pub(super) fn forged(self, reason: &str) -> Self {
        self.refused(Code::BadSignature, reason)
    }

    /// The proof fails at this step.
    pub(super) fn fails_at(mut self, step: Step, reason: &str) -> Self {
        self.expect = step.to_string();
        self.reason = Some(reason.into());
        self
    }

    /// Two things that are compared are different.
    pub(super) fn differs(mut self) -> Self {
        self.expect = "differs".into();
        self
    }

    pub(super) fn file_name(&self) -> String {
        format!("{:03}-{}.json", self.number, self.name)
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap();
        text.push('\n');
        text
    }
}
