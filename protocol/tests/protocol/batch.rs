//! SPEC BATCH: one signature over up to 64 lease tickets.

use leasehold_protocol::artefact::LeaseTicket;
use leasehold_protocol::canonical::encode;
use leasehold_protocol::envelope::{
    BatchSignature, Envelope, EnvelopeError, KeyRing, Mode, Realm, RealmId, SignatureEntry, TicketBatch,
    VerifyError, verify,
};
use leasehold_protocol::ids::LeaseId;
use leasehold_protocol::keys::Signer;
use leasehold_protocol::merkle::Hash;

use crate::fixture::{REALM, World, joined, key, message, ring_of};

struct Tree {
    tickets: Vec<LeaseTicket>,
    leaves: Vec<Hash>,
    batch: TicketBatch,
}

fn tree(size: u16) -> Tree {
    let ticket = |at: u16| LeaseTicket {
        lease: LeaseId([u8::try_from(at).unwrap(); 16]),
        epoch: u64::from(at),
        ..World::new().ticket
    };
    let tickets: Vec<_> = (0..size).map(ticket).collect();
    let leaves: Vec<_> = tickets.iter().map(|ticket| TicketBatch::leaf(&REALM, ticket)).collect();
    let batch = TicketBatch::sign(&REALM, &leaves, &key("node")).unwrap();
    Tree { tickets, leaves, batch }
}

impl Tree {
    fn envelope(&self, index: u16) -> Vec<u8> {
        let ticket = &self.tickets[usize::from(index)];
        self.batch.envelope(ticket, index).unwrap()
    }

    /// The envelope of `index` with its place in the tree changed.
    fn with_place(&self, index: u16, change: impl FnOnce(&mut BatchSignature)) -> Result<(), VerifyError> {
        let bytes = self.envelope(index);
        let mut envelope = Envelope::parse(&bytes).unwrap();
        let SignatureEntry::Batch(place) = &mut envelope.signatures[0] else {
            panic!("tickets are batch-signed")
        };
        change(place);
        verdict(&envelope.to_bytes(), &ring_of("node"))
    }
}

fn verdict(bytes: &[u8], ring: &KeyRing) -> Result<(), VerifyError> {
    verify::<LeaseTicket>(bytes, ring).map(|_| ())
}

fn forged() -> Result<(), VerifyError> {
    Err(VerifyError::BadSignature(key("node").id()))
}

#[test]
fn every_ticket_of_every_size_verifies_at_its_place() {
    for size in 1..=64 {
        let tree = tree(size);
        let indexes: Vec<u16> =
            if (9..=62).contains(&size) { vec![0, size / 2, size - 1] } else { (0..size).collect() };
        for index in indexes {
            let bytes = tree.envelope(index);
            let ticket = verify::<LeaseTicket>(&bytes, &ring_of("node")).unwrap();
            assert_eq!(*ticket, tree.tickets[usize::from(index)]);
            assert_eq!(tree.envelope(index), bytes, "rebuilt byte for byte");
            let path_hashes = (bytes.len() - 12 - encode(&*ticket).len() - 1 - 1 - 8 - 4 - 64) / 32;
            assert!(path_hashes <= 6, "{path_hashes} hashes");
        }
    }
}

/// Leaf and root as they are specified, made here from the description.
#[test]
fn leaf_and_root_are_hashed_as_specified() {
    use sha2::{Digest as _, Sha256};
    let tree = tree(2);
    let leaf = |ticket: &LeaseTicket| {
        let message = message(b"lh/lease/1", 4, &REALM, &encode(ticket));
        Sha256::new().chain_update([0]).chain_update(message).finalize()
    };
    let [left, right] = [leaf(&tree.tickets[0]), leaf(&tree.tickets[1])];
    assert_eq!(tree.leaves, [<Hash>::from(left), right.into()]);
    let root = Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize();
    let signed = joined(&[b"LH1", b"lease-batch", &[4], &REALM.id.0, &[1], b"", &2_u16.to_le_bytes(), &root]);
    assert_eq!(key("node").sign(&signed).unwrap(), tree.batch.signature());
}

#[test]
fn a_batch_holds_1_to_64_tickets() {
    let leaf = tree(1).leaves[0];
    for (count, fits) in [(0, false), (1, true), (63, true), (64, true), (65, false), (70_000, false)] {
        assert_eq!(TicketBatch::sign(&REALM, &vec![leaf; count], &key("node")).is_ok(), fits, "{count}");
    }
}

#[test]
fn another_place_in_the_tree_is_refused() {
    let tree = tree(8);
    assert_eq!(tree.with_place(3, |_| {}), Ok(()));
    assert_eq!(tree.with_place(3, |place| place.index = 2), forged());
    // The path of this place has the same length in a tree of 7, but the size is signed.
    assert_eq!(tree.with_place(3, |place| place.size = 7), forged());
    assert_eq!(tree.with_place(3, |place| place.path[0][0] ^= 1), forged());
    assert_eq!(tree.with_place(3, |place| place.path.swap(0, 1)), forged());
    assert_eq!(tree.with_place(3, |place| place.signature[0] ^= 1), forged());
}

#[test]
fn an_impossible_place_is_no_envelope() {
    let tree = tree(8);
    let impossible = Err(VerifyError::Envelope(EnvelopeError::BatchPlace));
    assert_eq!(tree.with_place(3, |place| place.index = 8), impossible);
    assert_eq!(tree.with_place(3, |place| place.size = 0), impossible);
    assert_eq!(tree.with_place(3, |place| place.size = 65), impossible);
    let cut = Err(VerifyError::Envelope(EnvelopeError::Truncated));
    assert_eq!(tree.with_place(3, |place| place.path.truncate(2)), cut);
    let trailing = Err(VerifyError::Envelope(EnvelopeError::TrailingBytes));
    assert_eq!(tree.with_place(3, |place| place.path.push([0; 32])), trailing);
    assert_eq!(tree.with_place(3, |place| place.size = 4), trailing);
}

#[test]
fn a_ticket_of_another_tree_is_refused() {
    let (tree, other) = (tree(8), tree(4));
    assert_eq!(tree.with_place(3, |place| place.signature = other.batch.signature()), forged());
    let mut mixed = other.leaves.clone();
    mixed.extend_from_slice(&tree.leaves[4..]);
    mixed[0][0] ^= 1;
    let mixed = TicketBatch::signed(key("node").id(), &mixed, tree.batch.signature());
    let bytes = mixed.envelope(&tree.tickets[3], 3).unwrap();
    assert_eq!(verdict(&bytes, &ring_of("node")), forged());
}

#[test]
fn a_leaf_is_no_node_and_a_root_is_no_ticket() {
    let tree = tree(2);
    let plain = key("node").sign(&message(b"lh/lease/1", 4, &REALM, &encode(&tree.tickets[0]))).unwrap();
    assert_eq!(tree.with_place(0, |place| place.signature = plain), forged());
}

#[test]
fn a_ticket_of_another_realm_key_or_mode_is_refused() {
    let ticket = World::new().ticket;
    for realm in
        [Realm { id: RealmId([9; 16]), mode: Mode::Live }, Realm { id: REALM.id, mode: Mode::Sandbox }]
    {
        let leaves = [TicketBatch::leaf(&REALM, &ticket)];
        let batch = TicketBatch::sign(&realm, &leaves, &key("node")).unwrap();
        let bytes = batch.envelope(&ticket, 0).unwrap();
        assert_eq!(verdict(&bytes, &ring_of("node")), forged(), "only the leaf is ours");
    }
    let tree = tree(1);
    let unknown = Err(VerifyError::UnknownKey(key("node").id()));
    assert_eq!(verdict(&tree.envelope(0), &ring_of("other node")), unknown);
}
