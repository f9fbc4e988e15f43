//! The numbered vectors of `protocol/vectors`: made here, kept there, judged here.
//!
//! `LEASEHOLD_BLESS=1 cargo test -p leasehold-protocol vectors` writes the files anew.

mod containers;
mod judge;
mod nodes;
mod payloads;
mod roots;
mod vector;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use vector::{OK, Vector};

const SPEC: &str = include_str!("../../../docs/SPEC.md");
const KEYS: &str = include_str!("../../../vectors/ed25519-keys.json");
const SIGNATURES: &str = include_str!("../../../vectors/ed25519-signatures.json");

fn all() -> Vec<Vector> {
    [wire::all(), payloads::all(), roots::all(), nodes::all(), containers::all()].concat()
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// The numbered files that are there, by name.
#[expect(clippy::disallowed_methods, reason = "a test reads its files")]
fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with(|first: char| first.is_ascii_digit()) {
            let text = std::fs::read_to_string(directory().join(&name)).unwrap();
            files.insert(name, text);
        }
    }
    files
}

#[expect(clippy::disallowed_methods, reason = "writes the files only when a person asks for it")]
fn bless(made: &BTreeMap<String, String>) {
    if std::env::var_os("LEASEHOLD_BLESS").is_none() {
        return;
    }
    for name in files().keys().filter(|name| !made.contains_key(*name)) {
        std::fs::remove_file(directory().join(name)).unwrap();
    }
    for (name, text) in made {
        std::fs::write(directory().join(name), text).unwrap();
    }
}

#[test]
fn the_files_are_what_the_generator_makes() {
    let made: BTreeMap<_, _> = all().iter().map(|vector| (vector.file_name(), vector.to_text())).collect();
    let numbers: BTreeSet<u16> = all().iter().map(|vector| vector.number).collect();
    assert_eq!(numbers.len(), made.len(), "numbers are unique");
    bless(&made);
    let files = files();
    assert_eq!(files.keys().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>());
    for (name, text) in &made {
        assert_eq!(&files[name], text, "{name}");
    }
}

#[test]
fn every_file_is_judged_as_it_says() {
    let files = files();
    assert!(files.len() > 100, "{}", files.len());
    let complaint = |(name, text): (String, String)| {
        let vector: Vector = serde_json::from_str(&text).unwrap();
        judge::judge(&vector).err().map(|complaint| format!("{name}: {complaint}"))
    };
    let complaints: Vec<String> = files.into_iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// The numbers of the rules, which SPEC.md writes in bold where it states them.
fn rules() -> BTreeSet<String> {
    let bold = SPEC.split("**").skip(1).step_by(2);
    bold.filter(|text| is_rule(text)).map(str::to_owned).collect()
}

fn is_rule(text: &str) -> bool {
    text.split_once('-').is_some_and(|(family, number)| {
        family.len() > 1 && family.bytes().all(|b| b.is_ascii_uppercase()) && number.parse::<u8>().is_ok()
    })
}

#[test]
fn every_rule_has_a_vector_that_breaks_it_and_no_vector_is_without_a_rule() {
    let flat: Vec<serde_json::Value> = [KEYS, SIGNATURES]
        .iter()
        .flat_map(|text| serde_json::from_str::<Vec<serde_json::Value>>(text).unwrap())
        .collect();
    let mut broken: BTreeSet<String> =
        all().iter().filter(|vector| vector.expect != OK).map(|vector| vector.rule.clone()).collect();
    for vector in flat.iter().filter(|vector| vector["expect"] != OK) {
        broken.insert(vector["rule"].as_str().unwrap().to_owned());
    }
    assert_eq!(broken, rules());
}

/// `(SPEC ENV-7)` in the sources names a rule or a family that SPEC.md has.
#[test]
fn what_the_sources_cite_is_in_the_specification() {
    const SOURCES: &[&str] = &[
        include_str!("../../../src/armour.rs"),
        include_str!("../../../src/artefact/seat_proof.rs"),
        include_str!("../../../src/bundle.rs"),
        include_str!("../../../src/bytes.rs"),
        include_str!("../../../src/canonical.rs"),
        include_str!("../../../src/envelope/batch.rs"),
        include_str!("../../../src/envelope/mod.rs"),
        include_str!("../../../src/envelope/verify.rs"),
        include_str!("../../../src/envelope/wire.rs"),
        include_str!("../../../src/keys.rs"),
        include_str!("../../../src/pae.rs"),
        include_str!("../../../src/proof.rs"),
        include_str!("../../../src/request.rs"),
        include_str!("../../../src/trust_root.rs"),
    ];
    let rules = rules();
    let mut cited = 0;
    for source in SOURCES {
        for citation in source.split("SPEC ").skip(1) {
            let name: String =
                citation.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            let known =
                rules.contains(&name) || rules.iter().any(|rule| rule.split('-').next() == Some(&name));
            assert!(known, "{name}");
            cited += 1;
        }
    }
    assert!(cited >= 15, "{cited}");
}
