//! What an artefact says, as JSON, verified or not: the caller must say which.

use serde_json::{Value, json};

use crate::artefact::{
    Allocation, Artefact, Bundle, Grant, Head, Kind, LeaseTicket, Manifest, NodeCertificate, Pool,
    ProofBytesError, Receipt, Request, Root, SeatProof, TimeStatement,
};
use crate::canonical;
use crate::envelope::{Envelope, digest_of};
use crate::trust_root::TrustRoot;

/// Describes an envelope: type, signers, content; with the digest and what it carries if a root is at hand.
pub fn describe(bytes: &[u8], root: Option<&TrustRoot>) -> Result<Value, ProofBytesError> {
    let envelope = Envelope::parse(bytes)?;
    let content = content(&envelope, root)?;
    let signers: Vec<_> = envelope.signatures.iter().map(|entry| entry.key_id().to_string()).collect();
    let mut description = json!({
        "type": envelope.kind.name(),
        "version": envelope.version,
        "bytes": bytes.len(),
        "signed_by": signers,
        "content": content,
    });
    if let (Some(root), Some(fields)) = (root, description.as_object_mut()) {
        let digest = digest_of(envelope.kind, &root.realm(), envelope.payload);
        fields.insert("digest".into(), json!(digest));
    }
    Ok(description)
}

fn content(envelope: &Envelope<'_>, root: Option<&TrustRoot>) -> Result<Value, ProofBytesError> {
    let payload = envelope.payload;
    match envelope.kind {
        Kind::Root => plain::<Root>(payload),
        Kind::Head => plain::<Head>(payload),
        Kind::Manifest => plain::<Manifest>(payload),
        Kind::Grant => plain::<Grant>(payload),
        Kind::Pool => plain::<Pool>(payload),
        Kind::Allocation => plain::<Allocation>(payload),
        Kind::NodeCertificate => plain::<NodeCertificate>(payload),
        Kind::LeaseTicket => plain::<LeaseTicket>(payload),
        Kind::TimeStatement => plain::<TimeStatement>(payload),
        Kind::Request => plain::<Request>(payload),
        Kind::Receipt => plain::<Receipt>(payload),
        Kind::Bundle => bundle(payload, root),
        Kind::SeatProof => proof(payload, root),
    }
}

fn plain<T: Artefact>(payload: &[u8]) -> Result<Value, ProofBytesError> {
    let value: T = canonical::decode(payload)?;
    value.check()?;
    Ok(json!(value))
}

fn bundle(payload: &[u8], root: Option<&TrustRoot>) -> Result<Value, ProofBytesError> {
    let bundle: Bundle = canonical::decode(payload)?;
    bundle.check()?;
    let items =
        bundle.items.iter().map(|item| carried(&item.envelope.0, root)).collect::<Result<Vec<_>, _>>()?;
    let mut content = json!(bundle);
    content["items"] = json!(items);
    Ok(content)
}

fn proof(payload: &[u8], root: Option<&TrustRoot>) -> Result<Value, ProofBytesError> {
    let SeatProof { chain, ticket, .. } = canonical::decode(payload)?;
    let roots = chain.roots.iter().map(|bytes| carried(&bytes.0, root)).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({
        "roots": roots,
        "grant": carried(&chain.grant.0, root)?,
        "pool": carried(&chain.pool.0, root)?,
        "allocation": carried(&chain.allocation.0, root)?,
        "certificate": carried(&chain.certificate.0, root)?,
        "ticket": carried(&ticket.0, root)?,
    }))
}

/// Describes an envelope inside another one. Containers do not nest, so neither does this.
fn carried(bytes: &[u8], root: Option<&TrustRoot>) -> Result<Value, ProofBytesError> {
    match Envelope::parse(bytes)?.kind {
        kind @ (Kind::Bundle | Kind::SeatProof) => Err(ProofBytesError::Not(kind)),
        _ => describe(bytes, root),
    }
}
