//! An issuer in a directory of its own, driven by its program, and the key of a node that asks it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ed25519_dalek::{Signer as _, SigningKey};
use leasehold_net::TlsKey;
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::artefact::{Extensions, Have, Issue, JournalTail, Ratchet, Request, Wants};
use leasehold_protocol::bundle::{OpenedBundle, open_bundle};
use leasehold_protocol::bytes::{Digest, Nonce};
use leasehold_protocol::envelope::{Realm, seal};
use leasehold_protocol::ids::RequestId;
use leasehold_protocol::join_code::JoinCode;
use leasehold_protocol::keys::{PublicKey, PublicKeyBytes, Signer, SignerFailed};
use leasehold_protocol::time::UnixMs;
use leasehold_protocol::trust_root::TrustRoot;
use serde_json::{Value, json};
use tempfile::TempDir;

/// An issuer in a directory of its own.
pub(crate) struct Issuer {
    place: TempDir,
    pub(crate) passphrase: PathBuf,
    pub(crate) join: Option<JoinCode>,
}

impl Issuer {
    /// A place without state.
    pub(crate) fn place() -> Self {
        let place = tempfile::tempdir().unwrap();
        let passphrase = place.path().join("passphrase");
        fs::write(&passphrase, "correct horse\n").unwrap();
        Self { place, passphrase, join: None }
    }

    pub(crate) fn new() -> Self {
        let issuer = Self::place();
        issuer.json(&["init", "--realm", "vendor", "--kdf-cost", "10"]);
        issuer
    }

    /// 100 seats of CAD for ACME, some of them allocated to the air-gapped node `plant`.
    pub(crate) fn sold(seats: u32) -> Self {
        let mut issuer = Self::new();
        issuer.json(&["account", "create", "--name", "ACME"]);
        issuer.json(&["product", "create", "--sku", "CAD", "--feature", "sim"]);
        let grant = ["grant", "create", "--account", "ACME", "--product", "CAD", "--seats", "100"];
        let year = ["--feature", "sim", "--from", "2026-06-01T00:00:00Z", "--to", "2099-06-01T00:00:00Z"];
        issuer.json(&[&grant[..], &year].concat());
        let node = ["node", "register", "--account", "ACME", "--name", "plant", "--class", "air-gapped"];
        let node = issuer.json(&node);
        issuer.join = Some(node["join_code"].as_str().unwrap().parse().unwrap());
        let seats = seats.to_string();
        let row =
            issuer.json(&["allocation", "create", "--pool", "CAD", "--node", "plant", "--seats", &seats]);
        assert_eq!((&row["seats"].to_string(), &row["mobility"]), (&seats, &json!("fixed")));
        issuer
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("issuer")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.program();
        command.args(args).arg("--json");
        command
    }

    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leasehold-issuer"));
        command.stdin(Stdio::null());
        command.env("LEASEHOLD_ISSUER_DATA", self.data()).env("LEASEHOLD_PASSPHRASE_FILE", &self.passphrase);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What people read of a command that does its work.
    pub(crate) fn words(&self, args: &[&str]) -> String {
        let output = self.program().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The answer of a command that does its work.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The problem of a command that does not.
    pub(crate) fn refused(&self, args: &[&str], exit: i32, code: &str) -> Value {
        let output = self.run(args);
        let problem = problem(&output);
        assert_eq!(
            (output.status.code(), &problem["code"]),
            (Some(exit), &json!(code)),
            "{args:?}: {problem}"
        );
        assert!(output.stdout.is_empty(), "{args:?}");
        problem
    }

    pub(crate) fn trust(&self) -> TrustRoot {
        let file = fs::read(self.data().join("trust-root.lh")).unwrap();
        TrustRoot::pin(&unarmour(&file).unwrap()).unwrap()
    }

    /// A file with the first request of a node that holds the join code.
    pub(crate) fn request(&self, key: u8) -> PathBuf {
        self.request_with(key, self.join)
    }

    pub(crate) fn request_with(&self, key: u8, join: Option<JoinCode>) -> PathBuf {
        let file = self.path(&format!("request-{key}.lh"));
        fs::write(&file, request(self.trust().realm(), &NodeKey::new(key), join)).unwrap();
        file
    }

    /// The bundle that answers a request.
    pub(crate) fn bundle(&self, request: &Path) -> Vec<u8> {
        let out = self.path("made.lh");
        let answer = self.json(&["bundle", "create", "--request", text(request), "--out", text(&out)]);
        let bundle = fs::read(out).unwrap();
        let opened = self.open(&bundle);
        assert_eq!(answer["bundle_id"], opened.bundle.issue.id.to_string());
        assert_eq!(answer["node_id"], opened.bundle.node.to_string());
        assert_eq!(answer["artefacts"], opened.bundle.items.len());
        bundle
    }

    pub(crate) fn open(&self, bundle: &[u8]) -> OpenedBundle {
        open_bundle(&self.trust(), bundle).unwrap()
    }
}

/// The key of a node, with which it signs, and connects.
pub(crate) struct NodeKey(SigningKey);

impl NodeKey {
    pub(crate) fn new(number: u8) -> Self {
        Self(SigningKey::from_bytes(&[number; 32]))
    }

    pub(crate) fn tls(&self) -> TlsKey {
        TlsKey::from_pkcs8(&[&PKCS8_PREFIX[..], &self.0.to_bytes()].concat()).unwrap()
    }
}

/// PKCS#8 of an Ed25519 key before the secret itself (RFC 8410).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

impl Signer for NodeKey {
    fn public_key(&self) -> PublicKey {
        PublicKey::admit(PublicKeyBytes(self.0.verifying_key().to_bytes())).unwrap()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerFailed> {
        Ok(self.0.sign(message).to_bytes())
    }
}

fn request(realm: Realm, key: &NodeKey, join: Option<JoinCode>) -> Vec<u8> {
    let sign_key = key.public_key().bytes();
    let tls_keys = vec![key.tls().digest()];
    let request = Request {
        issue: Issue { id: RequestId([1; 16]), serial: 1, issued_at: UnixMs(1_800_000_000_000) },
        account: None,
        node: None,
        name: "plant".to_owned(),
        generation: 0,
        sign_key,
        join: join.map(|code| code.secret.prove(sign_key, &tls_keys)),
        tls_keys,
        nonce: Nonce([2; 32]),
        have: Have::default(),
        ratchet: Ratchet { counter: 0, tip: Digest([0; 32]) },
        report_seq: 0,
        released: Vec::new(),
        usage: Vec::new(),
        journal: JournalTail { seq: 1, chain: Digest([0; 32]) },
        wants: Wants::ALL,
        recovery: None,
        presented: None,
        ext: Extensions::NONE,
    };
    seal(&realm, &request, &[key]).unwrap().envelope
}

/// The problem document, the last line on standard error.
pub(crate) fn problem(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with("error: ") && stderr.contains("\nhint: "), "{stderr}");
    serde_json::from_str(stderr.lines().last().unwrap()).unwrap()
}

pub(crate) fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[at] ^= 1;
    flipped
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
