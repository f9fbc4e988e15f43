//! Making a receipt: which bundle is in force, and what the node gives back.

use leasehold_protocol::api::IdempotencyKey;
use leasehold_protocol::artefact::{Extensions, Issue, JournalTail, Receipt};
use leasehold_protocol::entropy::Entropy;
use leasehold_protocol::ids::ReceiptId;
use leasehold_protocol::seq::Seq;
use serde::{Deserialize, Serialize};

use crate::core::{NodeCore, refuse, reply, unprovisioned};
use crate::effect::{Effects, Reply};
use crate::input::{Cause, ReplyTo};
use crate::limits;
use crate::record::Record;

/// A receipt under an idempotency key, to be answered alike when it is asked again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MadeReceipt {
    key: IdempotencyKey,
    receipt: Receipt,
    seq: Seq,
}

impl NodeCore {
    pub(crate) fn make_receipt(
        &mut self,
        to: ReplyTo,
        cause: Cause,
        journal: JournalTail,
        entropy: &mut Entropy,
        out: &mut Effects,
    ) {
        if let Err(problem) = cause.check() {
            return refuse(to, problem, out);
        }
        let made = self.receipts.iter().find(|made| Some(made.key) == cause.idempotency_key);
        if let Some(MadeReceipt { receipt, seq, .. }) = made {
            return reply(to, *seq, Reply::Receipt(Box::new(receipt.clone())), out);
        }
        let Some(provision) = &self.provision else { return refuse(to, unprovisioned(), out) };
        let serial = self.reports.saturating_add(1);
        let wall = self.clock.wall().recorded();
        let receipt = Box::new(Receipt {
            issue: Issue { id: ReceiptId::new(wall, &entropy.draw()), serial, issued_at: wall },
            account: provision.account,
            node: provision.node,
            generation: provision.generation,
            bundle: provision.last_bundle.digest,
            ratchet: provision.ratchet,
            report_seq: serial,
            released: self.told_releases(),
            journal,
            ext: Extensions::NONE,
        });
        let seq = self.emit(Record::ReceiptMade { cause, receipt: receipt.clone() }, out);
        reply(to, seq, Reply::Receipt(receipt), out);
    }

    pub(crate) fn apply_receipt(&mut self, seq: Seq, cause: &Cause, receipt: &Receipt) {
        self.reports = self.reports.saturating_add(1);
        if let Some(key) = cause.idempotency_key {
            self.receipts.push_back(MadeReceipt { key, receipt: receipt.clone(), seq });
        }
        if self.receipts.len() > limits::KEPT_ANSWERS {
            self.receipts.pop_front();
        }
    }
}
