//! Batch signatures of a frame's tickets, and tickets rebuilt from their frame: the same bytes each time.

use std::sync::Arc;

use leasehold_journal::Frame;
use leasehold_node_core::SeatReply;
use leasehold_protocol::api::{Seat, stop_in_ms};
use leasehold_protocol::envelope::{Realm, TicketBatch};
use leasehold_protocol::keys::{KeyId, Signer, SignerFailed};
use leasehold_protocol::limits::BATCH_TICKETS;
use leasehold_protocol::merkle::Hash;

/// All batches of one frame; leaf n of the frame is leaf n % 64 of batch n / 64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SignedLeaves(Vec<Arc<TicketBatch>>);

/// A seat with everything its ticket is made of.
#[derive(Debug)]
pub(crate) struct SignedSeat {
    seat: SeatReply,
    batch: Arc<TicketBatch>,
}

impl SignedLeaves {
    /// Signs the leaves of a new frame.
    pub(crate) fn sign(realm: &Realm, leaves: &[Hash], signer: &dyn Signer) -> Result<Self, SignerFailed> {
        let batches = leaves.chunks(BATCH_TICKETS);
        let signed = batches.map(|leaves| TicketBatch::sign(realm, leaves, signer).map(Arc::new));
        signed.collect::<Result<_, _>>().map(Self)
    }

    /// The batches of a stored frame, which the key of this id has signed.
    pub(crate) fn of_frame(frame: &Frame, key_id: KeyId) -> Self {
        let batches = frame.leaf_hashes.chunks(BATCH_TICKETS).zip(&frame.signatures);
        let signed =
            batches.map(|(leaves, &signature)| Arc::new(TicketBatch::signed(key_id, leaves, signature)));
        Self(signed.collect())
    }

    /// One per batch, in order.
    pub(crate) fn signatures(&self) -> Vec<[u8; 64]> {
        self.0.iter().map(|batch| batch.signature()).collect()
    }

    /// The seat with the batch that holds its ticket; none if the frame has no such leaf.
    pub(crate) fn seat(&self, seat: SeatReply) -> Option<SignedSeat> {
        let leaf = usize::from(seat.place.leaf);
        let batch = self.0.get(leaf / BATCH_TICKETS).filter(|batch| leaf % BATCH_TICKETS < batch.len())?;
        Some(SignedSeat { seat, batch: Arc::clone(batch) })
    }
}

impl SignedSeat {
    /// The seat as the API says it, its ticket included.
    pub(crate) fn to_api(&self) -> Seat {
        let SeatReply { ref ticket, ttl_ms, age_ms, .. } = self.seat;
        let mut slots: Vec<u32> = self.seat.slots.iter().collect();
        let single = if slots.len() == 1 { slots.pop() } else { None };
        Seat {
            code: self.seat.code,
            lease_id: self.seat.lease,
            epoch: self.seat.epoch,
            pool_id: self.seat.pool,
            slot: single,
            slots: (!slots.is_empty()).then_some(slots),
            product: self.seat.product.clone(),
            features: ticket.features.clone(),
            holder: ticket.holder.to_string(),
            ttl_ms,
            age_ms,
            expires_in_ms: ttl_ms.saturating_sub(age_ms).max(0),
            stop_in_ms: stop_in_ms(ttl_ms, age_ms),
            ticket: self.ticket(),
            chain: self.seat.chain,
        }
    }

    fn ticket(&self) -> String {
        let index = self.seat.place.leaf % u16::try_from(BATCH_TICKETS).expect("BATCH_TICKETS is 64");
        self.batch.line(&self.seat.ticket, index).expect("the batch was chosen for its leaf")
    }
}

#[cfg(test)]
mod tests {
    use leasehold_journal::chain::Chain;
    use leasehold_node_core::TicketPlace;
    use leasehold_protocol::armour::unarmour;
    use leasehold_protocol::artefact::{Extensions, Holder, HolderProof, Interval, LeaseTicket, TicketFlags};
    use leasehold_protocol::bytes::Digest;
    use leasehold_protocol::code::Code;
    use leasehold_protocol::envelope::{KeyRing, Mode, RealmId, Verified, verify};
    use leasehold_protocol::ids::{LeaseId, PoolId};
    use leasehold_protocol::seq::Seq;
    use leasehold_protocol::slots::SlotSet;
    use leasehold_protocol::time::{BootId, Stamp, SvcMs, UnixMs};

    use super::*;
    use crate::signing::NodeKey;

    const REALM: Realm = Realm { id: RealmId([1; 16]), mode: Mode::Live };

    #[test]
    fn every_ticket_of_a_frame_verifies_and_is_rebuilt_byte_for_byte() {
        let key = NodeKey::generate().unwrap();
        let key_id = key.public_key().id();
        let ring = KeyRing::of_one(REALM, key.public_key());
        for (tickets, trees) in [(1, 1), (63, 1), (64, 1), (65, 2), (129, 3)] {
            let seats: Vec<SeatReply> = (0..tickets).map(seat).collect();
            let leaves: Vec<Hash> =
                seats.iter().map(|seat| TicketBatch::leaf(&REALM, &seat.ticket)).collect();
            let signed = SignedLeaves::sign(&REALM, &leaves, &key).unwrap();
            assert_eq!(signed.signatures().len(), trees);
            let stored = SignedLeaves::of_frame(&frame(leaves, signed.signatures()), key_id);
            assert_eq!(stored, signed);
            for seat in seats {
                let api = signed.seat(seat.clone()).unwrap().to_api();
                let envelope = unarmour(api.ticket.as_bytes()).unwrap();
                let ticket: Verified<LeaseTicket> = verify(&envelope, &ring).unwrap();
                assert_eq!(*ticket, *seat.ticket);
                assert_eq!(stored.seat(seat).unwrap().to_api(), api);
            }
            assert!(signed.seat(seat(tickets)).is_none(), "there is no leaf {tickets}");
        }
    }

    #[test]
    fn remaining_times_shrink_with_age_and_never_below_nothing_left() {
        let key = NodeKey::generate().unwrap();
        let mut old = seat(0);
        let leaves = [TicketBatch::leaf(&REALM, &old.ticket)];
        let signed = SignedLeaves::sign(&REALM, &leaves, &key).unwrap();
        for (age_ms, expires_in_ms, stop_in_ms) in
            [(0, 900_000, 720_000), (720_000, 180_000, 0), (900_001, 0, -180_001)]
        {
            old.age_ms = age_ms;
            let api = signed.seat(old.clone()).unwrap().to_api();
            assert_eq!((api.expires_in_ms, api.stop_in_ms), (expires_in_ms, stop_in_ms));
            assert_eq!((api.slot, api.slots), (Some(0), None));
        }
    }

    fn seat(leaf: u16) -> SeatReply {
        let slots = SlotSet::range(u32::from(leaf), 1);
        let lease = LeaseId([7; 16]);
        let holder =
            Holder { user: "ann".into(), host: "cad1".into(), process: None, proof: HolderProof::Asserted };
        let ticket = LeaseTicket {
            lease,
            serial: 1,
            allocation: Digest([2; 32]),
            slots: slots.clone(),
            count: 1,
            holder,
            features: Vec::new(),
            generation: 1,
            epoch: u64::from(leaf) + 1,
            ttl_ms: 900_000,
            issued: Interval { floor: UnixMs(0), hi: UnixMs(1) },
            flags: TicketFlags(0),
            ext: Extensions::NONE,
        };
        SeatReply {
            code: Code::Allowed,
            lease,
            epoch: ticket.epoch,
            pool: PoolId([3; 16]),
            slots,
            count: 1,
            product: "cad".into(),
            ttl_ms: 900_000,
            age_ms: 0,
            ticket: Arc::new(ticket),
            place: TicketPlace { frame: Seq(1), leaf },
            chain: Digest([4; 32]),
        }
    }

    fn frame(leaf_hashes: Vec<Hash>, signatures: Vec<[u8; 64]>) -> Frame {
        let stamp = Stamp {
            svc: SvcMs(0),
            floor: UnixMs::MIN,
            hi: UnixMs::MAX,
            wall: UnixMs(0),
            boottime_ms: 0,
            slew_ms: 0,
            boot_id: BootId::default(),
            suspect: false,
            kernel_synced: false,
        };
        Frame { first_seq: Seq(1), stamp, prev: Chain([0; 32]), records: Vec::new(), leaf_hashes, signatures }
    }
}
