//! Staying in contact with the issuer: its head is polled, and when that says something new, a request is exchanged for
//! a bundle. It is the exchange of the air gap without a courier. The node works on, unchanged, while none of it
//! succeeds: an issuer that is silent, wrong or lying takes nothing away.

mod issuer;
mod pause;
mod reach;
mod round;
mod wanted;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use leasehold_net::{Address, TlsKey};
use leasehold_protocol::artefact::Head;
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use leasehold_protocol::event_id::EventId;
use leasehold_protocol::ids::AccountId;
use leasehold_protocol::keys::PublicKeyBytes;
use leasehold_protocol::problem::Problem;
use leasehold_protocol::trust_root::TrustRoot;

pub(crate) use self::issuer::Issuer;
use self::pause::Pause;
pub(crate) use self::reach::Reach;
use self::round::Rounds;
use self::wanted::Wanted;
use crate::limits;
use crate::writer::Writer;

/// The task that keeps a daemon in contact.
pub(crate) struct Exchange {
    writer: Writer,
    key: TlsKey,
    reach: Arc<Reach>,
}

/// Whom to ask, and what the node has.
#[derive(Clone)]
struct Contact {
    url: String,
    keys: BTreeSet<SpkiDigest>,
    root: TrustRoot,
    account: AccountId,
    head: Head,
    wanted: Wanted,
}

impl Exchange {
    /// What it finds out is told to `reach`.
    pub(crate) const fn new(writer: Writer, key: TlsKey, reach: Arc<Reach>) -> Self {
        Self { writer, key, reach }
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(self) {
        let mut rounds = Rounds::new(self.writer.clone());
        let mut pause = Pause::default();
        let mut link: Option<(String, BTreeSet<SpkiDigest>, Issuer)> = None;
        loop {
            let Some(contact) = self.contact().await else {
                tokio::time::sleep(limits::CONTACT_LOOK).await;
                continue;
            };
            let known = link.take().filter(|(url, keys, _)| *url == contact.url && *keys == contact.keys);
            let opened = match known {
                Some((_, _, issuer)) => Ok(issuer),
                None => open(&contact, &self.key),
            };
            let failed = match opened {
                Ok(mut issuer) => {
                    let failed = rounds.next(&mut issuer, &contact).await.err().map(Problem::from);
                    link = Some((contact.url, contact.keys, issuer));
                    failed
                }
                Err(problem) => Some(problem),
            };
            self.tell(failed.as_ref());
            match failed {
                Some(_) => tokio::time::sleep(pause.after_failure(chance())).await,
                None => pause.reset(),
            }
        }
    }

    async fn contact(&self) -> Option<Contact> {
        let look = self.writer.look(|durable| {
            let root = durable.core.trust_root()?.clone();
            let contact = durable.core.contact(durable.now)?;
            Some(Contact {
                url: contact.issuer.url.clone(),
                keys: keys(&root.root().issuer_tls_keys, contact.issuer.key),
                account: contact.account,
                head: contact.head.clone(),
                wanted: Wanted::of(&contact),
                root,
            })
        });
        look.await.ok().flatten()
    }

    /// Each change is logged once: what fails in the same way again and again is no news.
    fn tell(&self, failed: Option<&Problem>) {
        let code = failed.map(|problem| problem.code);
        if self.reach.found(code) {
            match failed {
                None => tracing::info!(event_id = %EventId::IssuerReached, "the issuer answers"),
                Some(problem) => tracing::warn!(
                    event_id = %EventId::IssuerFailed,
                    code = %problem.code,
                    detail = problem.detail,
                    "no exchange with the issuer; seats are served on"
                ),
            }
        }
    }
}

/// The keys that prove the issuer: those of the root, which takes them back, too; as long as it names none, that of the
/// join code.
fn keys(of_root: &[PublicKeyBytes], of_join_code: SpkiDigest) -> BTreeSet<SpkiDigest> {
    if of_root.is_empty() {
        return BTreeSet::from([of_join_code]);
    }
    of_root.iter().map(PublicKeyBytes::spki_digest).collect()
}

/// The way to an issuer whose address is `url` and which proves one of the keys.
fn open(contact: &Contact, key: &TlsKey) -> Result<Issuer, Problem> {
    let address: Address = contact.url.parse().map_err(|error: leasehold_net::AddressError| {
        Problem::new(Code::ConfigInvalid, error.to_string(), "name the issuer again with `enroll`")
    })?;
    Ok(Issuer::new(address, contact.keys.clone(), key)?)
}

fn chance() -> u32 {
    // Without randomness all nodes come at once: bad, but not wrong.
    getrandom::u32().unwrap_or(u32::MAX)
}

/// A short wait before an exchange, so that the nodes of an account do not all come in the same moment.
fn jitter() -> Duration {
    limits::EXCHANGE_JITTER.mul_f64(f64::from(chance()) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_join_code_counts_until_the_root_names_others() {
        let (old, new) = (PublicKeyBytes([1; 32]), PublicKeyBytes([2; 32]));
        let join = old.spki_digest();
        assert_eq!(keys(&[], join), BTreeSet::from([join]));
        assert_eq!(keys(&[old, new], join), BTreeSet::from([join, new.spki_digest()]));
        assert_eq!(keys(&[new], join), BTreeSet::from([new.spki_digest()]));
    }
}
