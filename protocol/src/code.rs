//! The registry of stable codes: every decision, refusal and failure that leaves a process is named here.
//!
//! Append-only: a row is never changed, renumbered or removed, and a number is never used twice, because scripts,
//! journals and dashboards of released versions rely on them. A new code takes the next free number of its family.
//! `vectors/codes.tsv` is the same table for other languages; a test keeps both equal.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The exit codes of the three programs. 0 to 6 are ours, 64 to 78 follow `sysexits.h`.
pub mod exit {
    /// Done or allowed.
    pub const DONE: u8 = 0;
    /// A bug or an unforeseen condition of ours.
    pub const INTERNAL: u8 = 1;
    /// Denied: not entitled, policy, revoked, expired.
    pub const DENIED: u8 = 2;
    /// No seat free, or more asked than the pool has.
    pub const NO_SEAT: u8 = 3;
    /// Stale, clock, trust state, unprovisioned, damaged journal.
    pub const STATE: u8 = 4;
    /// Unreachable or timed out.
    pub const UNREACHABLE: u8 = 5;
    /// Bad artefact: signature, realm, wrong node, rollback, replay, proof.
    pub const BAD_ARTEFACT: u8 = 6;
    /// The command line is wrong.
    pub const USAGE: u8 = 64;
    /// Input data is malformed.
    pub const DATA: u8 = 65;
    /// What was named does not exist.
    pub const NOT_FOUND: u8 = 66;
    /// A durable write failed.
    pub const STORE: u8 = 70;
    /// Exists already, or cannot be created.
    pub const CANNOT_CREATE: u8 = 73;
    /// Conflict or busy.
    pub const CONFLICT: u8 = 75;
    /// Bad configuration.
    pub const CONFIG: u8 = 78;
}

/// A text that names no code of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a known code")]
pub struct UnknownCode(pub String);

impl Code {
    /// The number: stable for ever, for compact records.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The code with this number, if this version knows it.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.number() == number)
    }

    /// The code as it is written: `UPPER_SNAKE`.
    pub const fn as_str(self) -> &'static str {
        self.row().text
    }

    /// The HTTP status. A decision, allow or deny, is an answer and not an error: 200.
    pub const fn http(self) -> u16 {
        self.row().http
    }

    /// The exit code of a program that ends with this code, one of [`exit`].
    pub const fn exit(self) -> u8 {
        self.row().exit
    }

    /// The same request, unchanged, may succeed when sent again soon, without anybody changing what was sold or set up.
    pub const fn retryable(self) -> bool {
        matches!(self.row().again, Again::Retry)
    }

    /// What the code means, in a few words, lower case.
    pub const fn title(self) -> &'static str {
        self.row().title
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What the registry says of one code.
struct Row {
    text: &'static str,
    http: u16,
    exit: u8,
    again: Again,
    title: &'static str,
}

/// Whether sending the same request again soon can help.
enum Again {
    Final,
    Retry,
}

macro_rules! registry {
    ($( $variant:ident = $number:literal $text:literal $http:literal $exit:ident $again:ident $title:literal; )+) => {
        /// A stable code. Its number, HTTP status, exit code and retry class are columns of one table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum Code {
            $( #[doc = $title] $variant = $number, )+
        }

        impl Code {
            /// Every code, by ascending number.
            pub const ALL: &[Self] = &[$( Self::$variant, )+];

            const fn row(self) -> Row {
                match self {
                    $( Self::$variant => Row {
                        text: $text, http: $http, exit: exit::$exit, again: Again::$again, title: $title,
                    }, )+
                }
            }
        }
    };
}

#[rustfmt::skip]
registry! {
    Allowed = 100 "ALLOWED" 200 DONE Final "allowed";
    AllowedGrace = 101 "ALLOWED_GRACE" 200 DONE Final "allowed, the grant has ended and its grace is running";
    AllowedOverage = 102 "ALLOWED_OVERAGE" 200 DONE Final "allowed, on a seat of the overdraft";
    AllowedObserve = 103 "ALLOWED_OBSERVE" 200 DONE Final "allowed, the rule is only observed";

    NoGrant = 200 "NO_GRANT" 200 DENIED Final "nothing was granted for this product";
    NotYetEffective = 201 "NOT_YET_EFFECTIVE" 200 DENIED Final "the grant has not begun";
    Expired = 202 "EXPIRED" 200 DENIED Final "the grant and its grace have ended";
    Suspended = 203 "SUSPENDED" 200 DENIED Final "the grant is on hold";
    Revoked = 204 "REVOKED" 200 DENIED Final "the right was revoked";
    FeatureNotInPlan = 205 "FEATURE_NOT_IN_PLAN" 200 DENIED Final "no pool of the product has the feature";
    QuotaExceeded = 206 "QUOTA_EXCEEDED" 200 DENIED Final "the quota is used up";
    DeniedByOverride = 207 "DENIED_BY_OVERRIDE" 200 DENIED Final "an override denies it";
    DeniedRegion = 208 "DENIED_REGION" 200 DENIED Final "not granted for this region";
    DeniedEnvironment = 209 "DENIED_ENVIRONMENT" 200 DENIED Final "not granted for this environment";
    BindingMismatch = 210 "BINDING_MISMATCH" 200 DENIED Final "the machine is not the one the grant is bound to";
    RehostLimit = 211 "REHOST_LIMIT" 200 DENIED Final "the grant was moved between machines too often";
    VersionNotCovered = 212 "VERSION_NOT_COVERED" 200 DENIED Final "the grant does not cover this version";
    NotAllowedByPolicy = 213 "NOT_ALLOWED_BY_POLICY" 200 DENIED Final "the policy of the site forbids it";
    MaxReached = 214 "MAX_REACHED" 200 DENIED Retry "the holder has as many seats as the policy of the site allows";
    BorrowLimit = 215 "BORROW_LIMIT" 200 DENIED Final "no more may be borrowed, or not for so long";
    Draining = 216 "DRAINING" 200 DENIED Final "the right is being wound down and gives no new promises";
    NotAuthorised = 217 "NOT_AUTHORISED" 403 DENIED Final "the caller may not do this";
    AllocationFixed = 218 "ALLOCATION_FIXED" 409 DENIED Final "the allocation is fixed until its node is provisioned anew";
    JoinCodeExpired = 219 "JOIN_CODE_EXPIRED" 403 DENIED Final "the join code has expired";
    GrantRevoked = 220 "GRANT_REVOKED" 409 DENIED Final "the grant was revoked";
    Unauthenticated = 221 "UNAUTHENTICATED" 401 DENIED Final "the caller has not proved who it is";
    IdleTimeout = 222 "IDLE_TIMEOUT" 200 DENIED Final "the seat was not used for longer than its pool allows";

    PoolExhausted = 300 "POOL_EXHAUSTED" 200 NO_SEAT Retry "every seat of the pool is in use";
    Queued = 301 "QUEUED" 200 NO_SEAT Retry "waiting in the queue for a seat";
    Reserved = 302 "RESERVED" 200 NO_SEAT Retry "the free seats are reserved for others";
    AllocationExceedsPool = 303 "ALLOCATION_EXCEEDS_POOL" 409 NO_SEAT Final "the pool has fewer unallocated seats than asked";

    ClockUntrusted = 400 "CLOCK_UNTRUSTED" 200 STATE Final "the node cannot bound the true time";
    ClockRolledBack = 401 "CLOCK_ROLLED_BACK" 200 STATE Final "the clock is behind proven time";
    ClockImplausible = 402 "CLOCK_IMPLAUSIBLE" 409 STATE Final "the clock is implausibly far ahead";
    AllocationEnded = 403 "ALLOCATION_ENDED" 200 STATE Final "the allocation may have ended";
    NodeUnprovisioned = 404 "NODE_UNPROVISIONED" 200 STATE Final "the node has no allocation yet";
    Recovering = 405 "RECOVERING" 200 STATE Final "the ledger may have regressed and is being recovered";
    ManifestStale = 406 "MANIFEST_STALE" 200 STATE Final "the last word of the issuer is too old";
    EpochNotReached = 407 "EPOCH_NOT_REACHED" 409 STATE Retry "the state asked for has not arrived here";
    JournalDamaged = 408 "JOURNAL_DAMAGED" 503 STATE Final "the journal is damaged or incomplete";
    ProofNotLive = 409 "PROOF_NOT_LIVE" 422 STATE Final "the proof is valid but not live at the time asked";
    IssuerRecovering = 410 "ISSUER_RECOVERING" 409 STATE Final "the issuer may have forgotten what it signed, and sells nothing until its nodes have reported";
    NodeForked = 411 "NODE_FORKED" 409 STATE Final "the node says something else than it said before: it was restored, or runs twice";
    RecoveryUnattested = 412 "RECOVERY_UNATTESTED" 409 STATE Final "nobody has attested that no copy of the node runs";

    Unreachable = 500 "UNREACHABLE" 502 UNREACHABLE Retry "nobody answers at the address";
    Timeout = 501 "TIMEOUT" 504 UNREACHABLE Retry "no answer in time";
    RequestTimeout = 502 "REQUEST_TIMEOUT" 408 UNREACHABLE Retry "the request did not arrive in time";

    BadSignature = 600 "BAD_SIGNATURE" 422 BAD_ARTEFACT Final "a signature does not verify";
    BundleWrongNode = 601 "BUNDLE_WRONG_NODE" 422 BAD_ARTEFACT Final "the bundle was made for another node or request";
    BundleWrongRealm = 602 "BUNDLE_WRONG_REALM" 422 BAD_ARTEFACT Final "the bundle is of another realm or mode";
    BundleRollback = 603 "BUNDLE_ROLLBACK" 422 BAD_ARTEFACT Final "the bundle is older than what was applied";
    ProofInvalid = 604 "PROOF_INVALID" 422 BAD_ARTEFACT Final "the proof does not verify";
    WrongEnvironment = 605 "WRONG_ENVIRONMENT" 403 BAD_ARTEFACT Final "live and sandbox are mixed up";
    JoinCodeUsed = 606 "JOIN_CODE_USED" 409 BAD_ARTEFACT Final "the join code was used by another key";
    JoinCodeInvalid = 607 "JOIN_CODE_INVALID" 403 BAD_ARTEFACT Final "the join code does not fit the request";
    JournalUnverified = 608 "JOURNAL_UNVERIFIED" 422 BAD_ARTEFACT Final "the journal does not verify";
    ArtefactRefused = 609 "ARTEFACT_REFUSED" 422 BAD_ARTEFACT Final "the artefact is signed but says what it may not say";
    RevocationRollback = 610 "REVOCATION_ROLLBACK" 422 BAD_ARTEFACT Final "a known revocation is missing";
    PeerUntrusted = 611 "PEER_UNTRUSTED" 502 BAD_ARTEFACT Final "the other end has not proved the key it must have";

    Usage = 700 "USAGE" 400 USAGE Final "the command line is wrong";
    Ambiguous = 701 "AMBIGUOUS" 409 USAGE Final "the name fits several things";
    Malformed = 702 "MALFORMED" 400 DATA Final "the input cannot be read as what it should be";
    InvalidRequest = 703 "INVALID_REQUEST" 400 DATA Final "the request is not valid";
    BodyTooLarge = 704 "BODY_TOO_LARGE" 413 DATA Final "the body is larger than allowed";
    UnsupportedMediaType = 705 "UNSUPPORTED_MEDIA_TYPE" 415 DATA Final "the content type is not accepted here";
    UnsupportedVersion = 706 "UNSUPPORTED_VERSION" 422 DATA Final "the format version is not known here";
    LimitExceeded = 707 "LIMIT_EXCEEDED" 422 DATA Final "a bound of the product is exceeded";
    HeadersTooLarge = 708 "HEADERS_TOO_LARGE" 431 DATA Final "the request head is larger than allowed";
    NotFound = 709 "NOT_FOUND" 404 NOT_FOUND Final "no such thing";
    LeaseUnknown = 710 "LEASE_UNKNOWN" 404 NOT_FOUND Final "no such lease of this caller";
    NotInitialised = 711 "NOT_INITIALISED" 503 NOT_FOUND Final "there is no state here yet";
    MethodNotAllowed = 712 "METHOD_NOT_ALLOWED" 405 USAGE Final "the resource does not know this method";

    AlreadyExists = 800 "ALREADY_EXISTS" 409 CANNOT_CREATE Final "it exists already";
    CannotCreate = 801 "CANNOT_CREATE" 500 CANNOT_CREATE Final "it cannot be created";
    KeyConflict = 802 "KEY_CONFLICT" 409 CONFLICT Final "the key was used with other parameters";
    LeaseLost = 803 "LEASE_LOST" 409 CONFLICT Final "the lease was lost and its seat is gone";
    LeaseEnded = 804 "LEASE_ENDED" 409 CONFLICT Final "the lease has ended";
    TicketNeeded = 805 "TICKET_NEEDED" 409 CONFLICT Retry "the lease is not known here, its ticket must be shown";
    Conflict = 806 "CONFLICT" 409 CONFLICT Retry "somebody changed it meanwhile";
    Busy = 807 "BUSY" 503 CONFLICT Retry "another process is using it";
    Overloaded = 808 "OVERLOADED" 503 CONFLICT Retry "too much is waiting already";
    IdempotencyMismatch = 809 "IDEMPOTENCY_MISMATCH" 422 CONFLICT Final "the idempotency key was used for another request";
    ShuttingDown = 810 "SHUTTING_DOWN" 503 CONFLICT Retry "the service is shutting down";
    RateLimited = 811 "RATE_LIMITED" 429 CONFLICT Retry "the caller asks too often";
    PreconditionFailed = 812 "PRECONDITION_FAILED" 412 CONFLICT Final "it is no longer as the request expects";
    PreconditionRequired = 813 "PRECONDITION_REQUIRED" 428 CONFLICT Final "the request must say which version it means";
    ArtefactsNeeded = 814 "ARTEFACTS_NEEDED" 409 CONFLICT Retry "the issuer must see what the node stands on";

    Internal = 900 "INTERNAL" 500 INTERNAL Final "an internal error";
    Unrecognised = 901 "UNRECOGNISED" 500 INTERNAL Final "a newer peer answered with a code unknown here";
    StoreFailed = 902 "STORE_FAILED" 503 STORE Retry "a durable write failed";
    ConfigInvalid = 903 "CONFIG_INVALID" 500 CONFIG Final "the configuration is not valid";
    PassphraseNeeded = 904 "PASSPHRASE_NEEDED" 500 CONFIG Final "a passphrase is needed";
    PassphraseWrong = 905 "PASSPHRASE_WRONG" 500 CONFIG Final "the passphrase is wrong";
    TrustRootMissing = 906 "TRUST_ROOT_MISSING" 500 CONFIG Final "no trust root is configured";
    StoreUnreadable = 907 "STORE_UNREADABLE" 503 STORE Retry "stored bytes cannot be read";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write;

    use super::*;

    const PUBLISHED: &str = include_str!("../vectors/codes.tsv");

    #[test]
    fn the_published_table_is_this_table() {
        let mut table = String::from("code\tnumber\thttp\texit\tretryable\n");
        for code in Code::ALL {
            let (number, http, exit, retryable) = (code.number(), code.http(), code.exit(), code.retryable());
            writeln!(table, "{code}\t{number}\t{http}\t{exit}\t{retryable}").unwrap();
        }
        assert_eq!(
            table, PUBLISHED,
            "vectors/codes.tsv is append-only: add rows for new codes, never change or remove one"
        );
    }

    #[test]
    fn numbers_ascend_and_texts_are_unique() {
        assert!(Code::ALL.is_sorted_by_key(|code| code.number()));
        let numbers: BTreeSet<_> = Code::ALL.iter().map(|code| code.number()).collect();
        let texts: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!((numbers.len(), texts.len()), (Code::ALL.len(), Code::ALL.len()));
    }

    #[test]
    fn every_code_survives_text_number_and_json() {
        for &code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
            assert_eq!(Code::from_number(code.number()), Some(code));
            let json = serde_json::to_string(&code).unwrap();
            assert_eq!(json, format!("\"{code}\""));
            assert_eq!(serde_json::from_str::<Code>(&json).unwrap(), code);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "allowed", "ALLOWED ", "NO_SUCH_CODE"] {
            assert_eq!(text.parse::<Code>(), Err(UnknownCode(text.to_owned())));
        }
        assert!(serde_json::from_str::<Code>("\"NO_SUCH_CODE\"").is_err());
        assert!(serde_json::from_str::<Code>("100").is_err());
    }

    #[test]
    fn every_row_is_plausible() {
        for code in Code::ALL {
            assert!(code.as_str().bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{code}");
            assert!(matches!(code.http(), 200 | 400..=599), "{code}");
            assert!(matches!(code.exit(), 0..=6 | 64 | 65 | 66 | 70 | 73 | 75 | 78), "{code}");
            assert_eq!(code.exit() == exit::DONE, code.as_str().starts_with("ALLOWED"), "{code}");
            assert!(!code.title().ends_with('.') && !code.title().is_empty(), "{code}");
        }
    }
}
