//! Puts a vector through the crate, as another implementation would put it through itself.

use data_encoding::HEXLOWER;
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::artefact::{
    Allocation, Artefact, Bundle, Grant, Head, Kind, LeaseTicket, Manifest, NodeCertificate, Pool, Receipt,
    Request, Root, SeatProof, TimeStatement,
};
use leasehold_protocol::bundle::open_bundle;
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{
    Candidate, Envelope, KeyRing, Mode, Realm, VerifyError, digest_of, verify,
};
use leasehold_protocol::keys::PublicKey;
use leasehold_protocol::proof::verify_proof;
use leasehold_protocol::request::{JoinSecret, open_request};
use leasehold_protocol::time::UnixMs;
use leasehold_protocol::trust_root::{RootError, TrustRoot};

use super::vector::{Check, OK, Vector};

/// What comes out, and the sentence if it is a refusal.
type Verdict = Result<(), (String, String)>;

/// Whether the crate says what the vector expects; else what it says.
pub(super) fn judge(vector: &Vector) -> Result<(), String> {
    let (found, sentence) = match verdict(vector) {
        Ok(()) => (OK.to_owned(), String::new()),
        Err(refusal) => refusal,
    };
    let reason = vector.reason.as_deref().unwrap_or_default();
    if found == vector.expect && sentence.contains(reason) {
        return Ok(());
    }
    Err(format!("expected {} ({reason}), found {found} ({sentence})", vector.expect))
}

fn verdict(vector: &Vector) -> Verdict {
    let envelope = || bytes(vector.envelope.as_ref());
    match vector.check {
        Check::Signed => verified(vector, &ring(vector)),
        Check::Rooted => verified(vector, &root(vector).ring(kind(vector))),
        Check::Pin => TrustRoot::pin(&envelope()).map(|_| ()).map_err(|error| of_root(&error)),
        Check::Advance => root(vector).advance(&envelope()).map(|_| ()).map_err(|error| of_root(&error)),
        Check::Request => {
            open_request(&envelope(), realm(vector)).map(|_| ()).map_err(|error| of_verify(&error))
        }
        Check::Join => joined(vector),
        Check::Bundle => {
            let opened = open_bundle(&root(vector), &envelope()).map(|_| ());
            opened.map_err(|error| (error.code().to_string(), error.to_string()))
        }
        Check::Proof => proved(vector),
        Check::Chain => {
            let chain = SeatProof::from_bytes(&envelope()).unwrap().chain;
            same(Some(&chain.digest().to_string()), vector.digest.as_ref())
        }
        Check::Id => {
            let bytes = envelope();
            let envelope = Envelope::parse(&bytes).unwrap();
            let id = digest_of(envelope.kind, &realm(vector), envelope.payload).to_string();
            same(Some(&id), vector.digest.as_ref())
        }
        Check::Text => {
            let text = unarmour(vector.text.as_ref().unwrap().as_bytes());
            let read = text.map_err(|error| (Code::Malformed.to_string(), error.to_string()))?;
            same(Some(&HEXLOWER.encode(&read)), vector.envelope.as_ref())
        }
    }
}

fn verified(vector: &Vector, ring: &KeyRing) -> Verdict {
    fn one<T: Artefact>(bytes: &[u8], ring: &KeyRing) -> Verdict {
        verify::<T>(bytes, ring).map(|_| ()).map_err(|error| of_verify(&error))
    }
    let bytes = bytes(vector.envelope.as_ref());
    match kind(vector) {
        Kind::Root => one::<Root>(&bytes, ring),
        Kind::Head => one::<Head>(&bytes, ring),
        Kind::Manifest => one::<Manifest>(&bytes, ring),
        Kind::Grant => one::<Grant>(&bytes, ring),
        Kind::Pool => one::<Pool>(&bytes, ring),
        Kind::Allocation => one::<Allocation>(&bytes, ring),
        Kind::NodeCertificate => one::<NodeCertificate>(&bytes, ring),
        Kind::LeaseTicket => one::<LeaseTicket>(&bytes, ring),
        Kind::TimeStatement => one::<TimeStatement>(&bytes, ring),
        Kind::Request => one::<Request>(&bytes, ring),
        Kind::Bundle => one::<Bundle>(&bytes, ring),
        Kind::Receipt => one::<Receipt>(&bytes, ring),
        other => panic!("a {other} is not signed"),
    }
}

fn joined(vector: &Vector) -> Verdict {
    let opened = open_request(&bytes(vector.envelope.as_ref()), realm(vector)).unwrap();
    let secret = JoinSecret(bytes(vector.secret.as_ref()).try_into().unwrap());
    let accepted = opened.join.is_some_and(|join| secret.accepts(&join, opened.sign_key, &opened.tls_keys));
    if accepted { Ok(()) } else { Err((Code::JoinCodeInvalid.to_string(), String::new())) }
}

fn proved(vector: &Vector) -> Verdict {
    let seat = verify_proof(&root(vector), &bytes(vector.envelope.as_ref()));
    let (_, seat) = seat.map_err(|error| (error.step.to_string(), error.fault.to_string()))?;
    match vector.at {
        Some(at) if !seat.is_live(UnixMs(at)) => Err((Code::ProofNotLive.to_string(), String::new())),
        _ => Ok(()),
    }
}

fn same(found: Option<&String>, expected: Option<&String>) -> Verdict {
    if found == expected { Ok(()) } else { Err(("differs".into(), format!("{found:?}"))) }
}

fn of_verify(error: &VerifyError) -> (String, String) {
    (error.code().to_string(), error.to_string())
}

fn of_root(error: &RootError) -> (String, String) {
    (error.code().to_string(), error.to_string())
}

fn ring(vector: &Vector) -> KeyRing {
    let candidate = |key: &String| Candidate {
        key: PublicKey::admit(key.parse().unwrap()).unwrap(),
        role: None,
        not_before: UnixMs::MIN,
        not_after: UnixMs::MAX,
        caps: None,
    };
    KeyRing::new(realm(vector), vector.threshold.unwrap(), 1, vector.keys.iter().map(candidate).collect())
}

fn root(vector: &Vector) -> TrustRoot {
    TrustRoot::pin(&bytes(vector.root.as_ref())).unwrap()
}

fn realm(vector: &Vector) -> Realm {
    let mode = match vector.mode.as_deref().unwrap() {
        "live" => Mode::Live,
        "sandbox" => Mode::Sandbox,
        other => panic!("no mode {other}"),
    };
    Realm { id: vector.realm.as_ref().unwrap().parse().unwrap(), mode }
}

fn kind(vector: &Vector) -> Kind {
    let name = vector.kind.as_deref().unwrap();
    Kind::ALL.into_iter().find(|kind| kind.name() == name).unwrap()
}

fn bytes(hex: Option<&String>) -> Vec<u8> {
    HEXLOWER.decode(hex.unwrap().as_bytes()).unwrap()
}
