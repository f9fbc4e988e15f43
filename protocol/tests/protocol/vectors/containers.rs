//! Vectors of BND, PROOF and TXT: what carries envelopes.

use leasehold_protocol::armour::{armour, one_line};
use leasehold_protocol::artefact::{Bundle, Item, Kind, Role};
use leasehold_protocol::bytes::{Bytes, Digest};
use leasehold_protocol::code::Code;
use leasehold_protocol::envelope::{Mode, Realm, RealmId};
use leasehold_protocol::ids::{AccountId, AllocationId, NodeId};
use leasehold_protocol::proof::Step;
use leasehold_protocol::slots::SlotSet;
use leasehold_protocol::time::UnixMs;
use sha2::{Digest as _, Sha256};

use super::vector::{Check, Vector};
use crate::fixture::{NOW, REALM, World, id, item, joined, sealed};

pub(super) fn all() -> Vec<Vector> {
    [bundles(), bundle_items(), bundles_of_others(), proofs(), seats(), texts()].concat()
}

type Change = fn(&mut World);

/// The bundle of `made`, opened from the root of the fixture.
fn bundle_of(number: u16, rule: &str, name: &'static str, what: &str, made: &World) -> Vector {
    Vector::under(number, rule, name, what, (Check::Bundle, &World::new())).envelope(made.sealed_bundle())
}

fn bundles() -> Vec<Vector> {
    let facts =
        |number, rule, name, what, change: Change| bundle_of(number, rule, name, what, &World::with(change));
    let links = |number, rule, name, what, change: Change| {
        bundle_of(number, rule, name, what, &World::broken(change))
    };
    vec![
        bundle_of(600, "BND-1", "bundle", "a whole bundle", &World::new()),
        links(601, "BND-4", "manifest-not-pinned", "the head names another manifest", |w| {
            w.head.manifest = Digest([9; 32]);
        })
        .forged("names another manifest"),
        facts(602, "BND-4", "head-of-another-root", "the head names root 2", |w| w.head.root_version = 2)
            .forged("names another root"),
        facts(603, "BND-4", "status-generation", "the head is of another status generation", |w| {
            w.head.status_generation = 2;
        })
        .forged("another status"),
        links(604, "BND-5", "grant-not-listed", "a grant whose digest the manifest has not", |w| {
            w.grant.version = 2;
        })
        .forged("lacks a grant"),
        links(605, "BND-5", "pool-not-listed", "a pool whose digest the manifest has not", |w| {
            w.pool.overdraft = 0;
        })
        .forged("lacks a pool"),
        facts(606, "BND-6", "certificate-of-another-node", "the certificate of another node", |w| {
            w.certificate.node = NodeId(id("other"));
        })
        .forged("certificate is another node's"),
        facts(607, "BND-6", "time-of-another-node", "the time statement of another node", |w| {
            w.time.node = NodeId(id("other"));
        })
        .forged("time statement is another node's"),
        facts(608, "BND-6", "head-of-another-account", "the head of another account", |w| {
            w.head.account = AccountId(id("other"));
        })
        .forged("head is another account's"),
        facts(609, "BND-7", "row-of-another-node", "an allocation of another node", |w| {
            w.allocation.node = NodeId(id("other"));
        })
        .forged("another node's allocation"),
        facts(610, "BND-7", "row-of-another-generation", "an allocation of another generation", |w| {
            w.allocation.generation = 2;
        })
        .forged("another generation"),
        facts(636, "BND-7", "row-signed-later", "an allocation signed after the certificate's end", |w| {
            w.allocation.issue.issued_at = w.certificate.not_after.plus(1);
        })
        .forged("outside the certificate's time"),
        links(611, "BND-7", "row-without-pool", "an allocation whose pool version is not there", |w| {
            w.allocation.pool_digest = Digest([9; 32]);
        })
        .forged("lacks the pool"),
        facts(612, "BND-8", "slots-beyond-the-pool", "slots 71 to 110 of a pool of 110", |w| {
            w.set_slots(71, 40);
        })
        .forged("slots that its pool has not"),
    ]
}

/// The bundle of the fixture with its list of items changed.
fn items(
    number: u16,
    rule: &str,
    name: &'static str,
    what: &str,
    change: impl FnOnce(&mut Vec<Item>),
) -> Vector {
    let world = World::new();
    let mut items = world.items();
    change(&mut items);
    Vector::under(number, rule, name, what, (Check::Bundle, &world)).envelope(world.bundle_of(items))
}

fn bundle_items() -> Vec<Vector> {
    let world = World::new();
    let mut second = world.allocation.clone();
    second.issue.issued_at = NOW.plus(1);
    let again = world.seal(&second);
    second.issue.id = AllocationId(id("other"));
    let overlapping = world.seal(&second);
    vec![
        items(620, "BND-2", "no-root", "no root is there", |items| {
            items.remove(0);
        })
        .forged("does not hold the newest root"),
        items(621, "ROOT-4", "twin-root", "a root of the right version that is another one", |items| {
            let mut twin = World::new().root;
            twin.realm_name = "Vectors Ltd.".into();
            items[0] = item(Kind::Root, world.seal(&twin));
        })
        .forged("not the one that is trusted here"),
        items(
            635,
            "ROOT-4",
            "changed-known-root",
            "a bit of the root the verifier has is flipped",
            |items| {
                let mut changed = world.seal(&World::new().root);
                *changed.last_mut().unwrap() ^= 1;
                items[0] = item(Kind::Root, changed);
            },
        )
        .forged("0 of the 1 signatures"),
        items(622, "BND-3", "no-head", "no head is there", |items| {
            items.remove(1);
        })
        .forged("has no head"),
        items(623, "BND-3", "two-heads", "two heads are there", |items| items.insert(1, items[1].clone()))
            .forged("two of what there is one of"),
        items(624, "BND-3", "request-inside", "a request is there", |items| {
            items.push(item(Kind::Request, world.seal(&world.request)));
        })
        .forged("does not belong into a bundle"),
        items(625, "BND-3", "called-otherwise", "a manifest called a head", |items| {
            items[1].envelope = items[2].envelope.clone();
        })
        .forged("a manifest where a head belongs"),
        items(626, "BND-3", "item-forged", "a pool signed by the wrong role", |items| {
            items[4] = item(Kind::Pool, sealed(&REALM, &world.pool, &["alloc"]));
        })
        .forged("the bundle's pool is refused"),
        items(627, "BND-5", "pool-missing", "a pool of the manifest is missing, and its rows", |items| {
            items.drain(4..6);
        })
        .forged("names what it does not hold"),
        items(628, "BND-8", "slot-twice", "two allocations share their slots", |items| {
            items.insert(6, item(Kind::Allocation, overlapping));
        })
        .forged("share a slot"),
        items(629, "BND-8", "row-twice", "two versions of one allocation", |items| {
            items.insert(6, item(Kind::Allocation, again));
        })
        .forged("an allocation twice"),
    ]
}

fn bundles_of_others() -> Vec<Vector> {
    let foreign = |number, name, what, realm| {
        bundle_of(number, "BND-9", name, what, &World::of(realm))
            .refused(Code::BundleWrongRealm, "another vendor")
    };
    let new = World::with(|w| {
        w.root.version = 2;
        w.head.root_version = 2;
        w.add_key(Role::Alloc, "alloc-2");
    });
    let by_new_key = sealed(&REALM, &Bundle { items: new.items(), ..new.bundle.clone() }, &["alloc-2"]);
    let mut forged = World::new().sealed_bundle();
    *forged.last_mut().unwrap() ^= 1;
    vec![
        Vector::under(
            630,
            "BND-2",
            "next-root-inside",
            "signed by a key of the root inside",
            (Check::Bundle, &World::new()),
        )
        .envelope(by_new_key),
        Vector::under(
            631,
            "BND-2",
            "older-root-inside",
            "the verifier's root is newer",
            (Check::Bundle, &new),
        )
        .envelope(World::new().sealed_bundle())
        .forged("does not hold the newest root"),
        foreign(
            632,
            "another-vendor",
            "the bundle of another realm",
            Realm { id: RealmId([9; 16]), mode: Mode::Live },
        ),
        foreign(633, "another-mode", "the bundle of the sandbox", Realm { mode: Mode::Sandbox, ..REALM }),
        Vector::under(
            634,
            "BND-9",
            "forged",
            "a bit of the signature is flipped",
            (Check::Bundle, &World::new()),
        )
        .envelope(forged)
        .forged("does not verify"),
    ]
}

/// The proof of `made`, verified from the root of the fixture.
fn proof_of(number: u16, rule: &str, name: &'static str, what: &str, made: &World) -> Vector {
    Vector::under(number, rule, name, what, (Check::Proof, &World::new())).envelope(made.proof().to_bytes())
}

fn proofs() -> Vec<Vector> {
    let world = World::new();
    let facts =
        |number, name, what, change: Change| proof_of(number, "PROOF-3", name, what, &World::with(change));
    let links =
        |number, name, what, change: Change| proof_of(number, "PROOF-3", name, what, &World::broken(change));
    let chain = world.chain();
    let envelopes =
        [&chain.grant, &chain.pool, &chain.allocation, &chain.certificate].map(|bytes| bytes.0.as_slice());
    let [grant, pool, allocation, certificate] = envelopes;
    let digest = joined(&[b"LH1-chain", grant, pool, allocation, certificate]);
    let of_chain = |number, name, what, parts: &[u8]| {
        Vector::new(number, "PROOF-2", name, what, Check::Chain)
            .envelope(world.proof().to_bytes())
            .digest(Sha256::digest(parts).into())
    };
    let mut strange_root = world.proof();
    strange_root.chain.roots = vec![Bytes(b"no root".to_vec())];
    vec![
        proof_of(700, "PROOF-3", "proof", "a whole proof", &world),
        Vector::under(701, "PROOF-1", "no-container", "a grant in place of a proof", (Check::Proof, &world))
            .envelope(world.seal(&world.grant))
            .fails_at(Step::Container, "not a proof"),
        Vector::under(702, "PROOF-6", "bare-ticket", "a ticket without its chain", (Check::Proof, &world))
            .envelope(world.sealed_ticket())
            .fails_at(Step::ChainMissing, "without its chain"),
        of_chain(703, "chain", "the digest of a chain", &digest),
        of_chain(704, "chain-concatenated", "not the hash of its envelopes in a row", &envelopes.concat())
            .differs(),
        Vector::under(705, "PROOF-3", "no-root", "what is no root among the roots", (Check::Proof, &world))
            .envelope(strange_root.to_bytes())
            .fails_at(Step::Root, ""),
        Vector::under(
            706,
            "PROOF-3",
            "proof-of-another-vendor",
            "the proof of another realm",
            (Check::Proof, &world),
        )
        .envelope(World::of(Realm { id: RealmId([9; 16]), mode: Mode::Live }).proof().to_bytes())
        .fails_at(Step::Grant, "does not verify"),
        links(707, "grant-version", "the pool was cut from another version of the grant", |w| {
            w.grant.grace_ms = 0;
        })
        .fails_at(Step::Pool, "another version"),
        links(708, "pool-version", "the allocation was cut from another version of the pool", |w| {
            w.allocation.pool_digest = Digest([9; 32]);
        })
        .fails_at(Step::Allocation, "another version"),
        facts(709, "slots", "slots that the pool has not", |w| w.set_slots(71, 40))
            .fails_at(Step::Allocation, "the pool has not"),
        facts(710, "other-node", "the certificate of another node", |w| {
            w.certificate.node = NodeId(id("other"));
        })
        .fails_at(Step::Certificate, "another node's"),
        facts(711, "signed-later", "the allocation was signed after the certificate's end", |w| {
            w.allocation.issue.issued_at = w.certificate.not_after.plus(1);
        })
        .fails_at(Step::Certificate, "outside the certificate's time"),
        facts(712, "too-large", "the allocation is larger than the certificate allows", |w| {
            w.certificate.caps.max_seats = Some(39);
        })
        .fails_at(Step::Certificate, "larger"),
    ]
}

fn seats() -> Vec<Vector> {
    let ticket =
        |number, name, what, change: Change| proof_of(number, "PROOF-4", name, what, &World::with(change));
    let at = |number, name, what, at: i64| {
        let vector = proof_of(number, "PROOF-5", name, what, &World::new()).at(NOW.plus(at));
        if (0..1_200_000).contains(&at) { vector } else { vector.refused(Code::ProofNotLive, "") }
    };
    let unknown = World::with(|w| w.ticket.issued.hi = UnixMs::MAX);
    let end = unknown.allocation.not_after;
    vec![
        proof_of(
            720,
            "PROOF-4",
            "other-row",
            "the ticket names another allocation",
            &World::broken(|w| {
                w.ticket.allocation = Digest([9; 32]);
            }),
        )
        .fails_at(Step::Ticket, "another allocation"),
        ticket(721, "slot-outside", "a slot outside of the allocation", |w| {
            w.ticket.slots = SlotSet::range(40, 1);
        })
        .fails_at(Step::Ticket, "slots are not"),
        ticket(722, "generation", "another generation of the node", |w| w.ticket.generation = 2)
            .fails_at(Step::Ticket, "another generation"),
        ticket(723, "feature", "a feature that the grant lacks", |w| {
            w.ticket.features = vec!["other".into()];
        })
        .fails_at(Step::Ticket, "a feature"),
        ticket(724, "ttl", "a millisecond longer than the pool allows", |w| w.ticket.ttl_ms = 900_001)
            .fails_at(Step::Ticket, "longer than the pool allows"),
        ticket(725, "beyond-the-end", "a millisecond beyond the end of the allocation", |w| {
            w.ticket.issued.hi = w.allocation.not_after.plus(-899_999);
        })
        .fails_at(Step::Ticket, "beyond the end"),
        ticket(726, "no-budget", "hi is unknown and the allocation has no budget for that", |w| {
            (w.ticket.issued.hi, w.allocation.suspect_budget_ms) = (UnixMs::MAX, 0);
        })
        .fails_at(Step::Ticket, "has no budget"),
        at(730, "before-floor", "a millisecond before its floor", -1),
        at(731, "at-floor", "at its floor", 0),
        at(732, "before-end", "a millisecond before hi + ttl", 1_199_999),
        at(733, "at-end", "at hi + ttl", 1_200_000),
        proof_of(734, "PROOF-5", "hi-unknown", "hi is not known: live until the allocation ends", &unknown)
            .at(end.plus(-1)),
        proof_of(
            735,
            "PROOF-5",
            "hi-unknown-at-end",
            "hi is not known, at the end of the allocation",
            &unknown,
        )
        .at(end)
        .refused(Code::ProofNotLive, ""),
    ]
}

fn texts() -> Vec<Vector> {
    let envelope = World::new().seal(&World::new().grant);
    let block = armour(&envelope).unwrap();
    let line = one_line(&envelope).unwrap();
    let check = block.lines().rev().nth(1).unwrap().to_owned();
    let of = |number, rule, name, what, text: String| {
        Vector::new(number, rule, name, what, Check::Text).text(text).envelope(&envelope)
    };
    vec![
        of(750, "TXT-1", "block", "a block", block.clone()),
        of(751, "TXT-1", "crlf", "a block with the line ends of Windows", block.replace('\n', "\r\n")),
        of(752, "TXT-1", "block-cut", "a block without its END line", block[..block.len() / 2].to_owned())
            .malformed("END line is missing"),
        of(753, "TXT-1", "not-base64", "a letter that is not base64", block.replacen("\niUxI", "\n*UxI", 1))
            .malformed("not base64"),
        of(
            754,
            "TXT-2",
            "no-check",
            "a block without its check line",
            block.replace(&format!("{check}\n"), ""),
        ),
        of(755, "TXT-2", "check-wrong", "a check line that does not agree", block.replace(&check, "=AAAA"))
            .malformed("check line"),
        of(756, "TXT-3", "frame", "a frame that says POOL around a grant", block.replace("GRANT", "POOL"))
            .malformed("says pool"),
        of(757, "TXT-4", "line", "one line", line.clone()),
        of(
            758,
            "TXT-4",
            "line-of-another-kind",
            "a line that says pool",
            line.replace("lh1_grant", "lh1_pool"),
        )
        .malformed("says pool"),
        of(759, "TXT-4", "line-damaged", "a line with a letter that is not base64url", format!("{line}+"))
            .malformed("not base64"),
        of(760, "TXT-1", "other-text", "a text of another kind", "-----BEGIN CERTIFICATE-----".into())
            .malformed("no Leasehold artefact"),
    ]
}
