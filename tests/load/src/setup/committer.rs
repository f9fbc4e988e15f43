//! The journal on its own, used as the node's writer uses it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow};
use ed25519_dalek::{Signer as _, SigningKey};
use leasehold_journal::{Draft, FileHome, Genesis, Home as _};
use leasehold_protocol::envelope::{Mode, Realm, RealmId, TicketBatch};
use leasehold_protocol::keys::{PublicKey, PublicKeyBytes, Signer, SignerFailed};
use leasehold_protocol::limits::BATCH_TICKETS;
use leasehold_protocol::merkle::{Hash, leaf_hash};
use leasehold_protocol::time::{Stamp, SvcMs, UnixMs};

use crate::drive::Latency;

const REALM: Realm = Realm { id: RealmId([7; 16]), mode: Mode::Live };

/// Commits the same frame over and over.
pub(crate) struct Committer {
    home: FileHome,
    key: Key,
    stamp: Stamp,
    records: Vec<Vec<u8>>,
    leaves: Vec<Hash>,
}

impl Committer {
    /// A new journal at `path`, whose frames have so many tickets, each with this record.
    pub(crate) fn create(path: &Path, record: &[u8], tickets: usize) -> Result<Self> {
        let genesis = Genesis::new("bench", REALM.id.0, [7; 16])?;
        let now = leasehold_clock::read()?;
        let stamp = Stamp {
            svc: SvcMs(1),
            floor: now.wall_ms,
            hi: UnixMs::MAX,
            wall: now.wall_ms,
            boottime_ms: now.boottime_ms,
            slew_ms: 0,
            boot_id: now.boot_id,
            suspect: false,
            kernel_synced: now.kernel_synced,
        };
        Ok(Self {
            home: FileHome::create(path, &genesis)?,
            key: Key::new()?,
            stamp,
            records: vec![record.to_vec(); tickets],
            leaves: (0..tickets).map(|ticket| leaf_hash(&ticket.to_be_bytes())).collect(),
        })
    }

    /// Bytes of one frame.
    pub(crate) fn frame_bytes(&self) -> Result<usize> {
        Ok(self.draft()?.after(self.home.tail()).encode()?.bytes.len())
    }

    /// Signs and commits frames for so long.
    pub(crate) fn commit(&mut self, lasting: Duration) -> Result<Latency> {
        Latency::of_repeating(lasting, || {
            let draft = self.draft()?;
            self.home.commit(draft)?;
            Ok(())
        })
    }

    fn draft(&self) -> Result<Draft> {
        let batches = self.leaves.chunks(BATCH_TICKETS);
        let batches = batches.map(|leaves| TicketBatch::sign(&REALM, leaves, &self.key));
        let signatures = batches.map(|batch| batch.map(|batch| batch.signature()));
        Ok(Draft {
            stamp: self.stamp,
            records: self.records.clone(),
            leaf_hashes: self.leaves.clone(),
            signatures: signatures.collect::<Result<_, _>>()?,
        })
    }
}

/// A key that is nobody's.
struct Key {
    secret: SigningKey,
    public: PublicKey,
}

impl Key {
    fn new() -> Result<Self> {
        let secret = SigningKey::from_bytes(&[7; 32]);
        let public = PublicKey::admit(PublicKeyBytes(secret.verifying_key().to_bytes()));
        Ok(Self { secret, public: public.map_err(|error| anyhow!("{error}"))? })
    }
}

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerFailed> {
        Ok(self.secret.sign(message).to_bytes())
    }
}
