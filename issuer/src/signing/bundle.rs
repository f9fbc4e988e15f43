//! Signing what the core planned.

use leasehold_issuer_core::BundlePlan;
use leasehold_protocol::artefact::{Artefact, Item, Kind};
use leasehold_protocol::bytes::Bytes;
use leasehold_protocol::envelope::{Realm, SealError, seal};

use super::Keys;

/// Signs every artefact of a bundle, and the bundle around them.
pub(crate) fn seal_bundle(realm: &Realm, keys: &Keys, plan: &BundlePlan) -> Result<Vec<u8>, SealError> {
    let mut items = Items { realm, keys, sealed: Vec::new() };
    items.sealed.extend(plan.roots.iter().map(|root| item(Kind::Root, root.0.clone())));
    items.seal(std::slice::from_ref(&plan.head))?;
    items.seal(std::slice::from_ref(&plan.manifest))?;
    items.seal(&plan.grants)?;
    items.seal(&plan.pools)?;
    items.seal(&plan.allocations)?;
    items.seal(std::slice::from_ref(&plan.enrolment.certificate))?;
    items.seal(plan.time.as_slice())?;
    Ok(seal(realm, &plan.bundle(items.sealed), &[keys.online()])?.envelope)
}

struct Items<'a> {
    realm: &'a Realm,
    keys: &'a Keys,
    sealed: Vec<Item>,
}

impl Items<'_> {
    fn seal<T: Artefact>(&mut self, artefacts: &[T]) -> Result<(), SealError> {
        for artefact in artefacts {
            let sealed = seal(self.realm, artefact, &[self.keys.online()])?;
            self.sealed.push(item(T::KIND, sealed.envelope));
        }
        Ok(())
    }
}

const fn item(kind: Kind, envelope: Vec<u8>) -> Item {
    Item { kind: kind.number(), envelope: Bytes(envelope) }
}
