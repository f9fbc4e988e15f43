//! Vectors of ROOT: from one trust root to the next.

use leasehold_protocol::artefact::{Role, Root};
use leasehold_protocol::envelope::{Mode, Realm, RealmId};

use super::vector::{Check, Vector};
use crate::fixture::{REALM, World, root_of, sealed};

/// Version 2, with another ROOT key.
fn second() -> Root {
    let mut root = root_of(REALM, &[(Role::Root, &["root-2"]), (Role::Grant, &["grant"])]);
    root.version = 2;
    root
}

pub(super) fn all() -> Vec<Vector> {
    let world = World::new();
    let pin = |number, rule, name, what, signers: &[&str]| {
        Vector::new(number, rule, name, what, Check::Pin).envelope(sealed(
            &REALM,
            &World::new().root,
            signers,
        ))
    };
    let advance = |number, rule, name, what, (root, signers): (&Root, &[&str])| {
        let bytes = sealed(&Realm { id: root.realm, mode: root.mode }, root, signers);
        Vector::under(number, rule, name, what, (Check::Advance, &world)).envelope(bytes)
    };
    let (both, third): (&[&str], Root) = (&["root", "root-2"], Root { version: 3, ..second() });
    let foreign = Root { realm: RealmId([9; 16]), ..second() };
    let sandbox = Root { mode: Mode::Sandbox, ..second() };
    vec![
        pin(400, "ROOT-2", "pinned", "signed by its own ROOT key", &["root"]),
        pin(401, "ROOT-2", "pinned-by-other-role", "signed by a key of another role of it", &["grant"])
            .forged("0 of the 1"),
        pin(
            402,
            "ROOT-6",
            "foreign-signature",
            "signed by its ROOT key and by somebody else",
            &["root", "stranger"],
        ),
        pin(403, "ROOT-6", "foreign-signature-only", "signed by somebody else", &["stranger"])
            .forged("0 of the 1"),
        pin(404, "VER-4", "root-signed-twice", "signed twice by its ROOT key", &["root", "root"])
            .forged("more than once"),
        Vector::new(405, "ROOT-6", "broken-foreign", "the foreign signature is broken", Check::Pin).envelope(
            {
                let mut bytes = sealed(&REALM, &World::new().root, &["root", "stranger"]);
                *bytes.last_mut().unwrap() ^= 1;
                bytes
            },
        ),
        advance(410, "ROOT-3", "next", "signed by the keys of both versions", (&second(), both)),
        advance(411, "ROOT-3", "next-without-old", "signed by its own key only", (&second(), &["root-2"]))
            .forged("0 of the 1"),
        advance(412, "ROOT-3", "next-without-new", "signed by the old key only", (&second(), &["root"]))
            .forged("0 of the 1"),
        advance(413, "ROOT-4", "skipped", "version 3 after version 1", (&third, both))
            .forged("version 3 where 2"),
        advance(414, "ROOT-4", "repeated", "version 1 after version 1", (&world.root, &["root"]))
            .forged("version 1 where 2"),
        advance(415, "ROOT-5", "next-of-another-realm", "the root of another realm", (&foreign, both))
            .forged("another realm or mode"),
        advance(416, "ROOT-5", "next-of-the-sandbox", "the root of the sandbox", (&sandbox, both))
            .forged("another realm or mode"),
    ]
}
