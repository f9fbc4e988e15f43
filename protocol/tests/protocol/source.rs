//! Rules of SPEC PC-4 that only the source can show: shapes that postcard encodes but that no artefact may have.

const ARTEFACTS: &[(&str, &str)] = &[
    ("allocation", include_str!("../../src/artefact/allocation.rs")),
    ("bundle", include_str!("../../src/artefact/bundle.rs")),
    ("caps", include_str!("../../src/artefact/caps.rs")),
    ("extension", include_str!("../../src/artefact/extension.rs")),
    ("grant", include_str!("../../src/artefact/grant.rs")),
    ("head", include_str!("../../src/artefact/head.rs")),
    ("issue", include_str!("../../src/artefact/issue.rs")),
    ("kind", include_str!("../../src/artefact/kind.rs")),
    ("lease_ticket", include_str!("../../src/artefact/lease_ticket.rs")),
    ("manifest", include_str!("../../src/artefact/manifest.rs")),
    ("node_certificate", include_str!("../../src/artefact/node_certificate.rs")),
    ("pool", include_str!("../../src/artefact/pool.rs")),
    ("receipt", include_str!("../../src/artefact/receipt.rs")),
    ("request", include_str!("../../src/artefact/request.rs")),
    ("root", include_str!("../../src/artefact/root.rs")),
    ("seat_proof", include_str!("../../src/artefact/seat_proof.rs")),
    ("slots", include_str!("../../src/slots.rs")),
    ("time_statement", include_str!("../../src/artefact/time_statement.rs")),
];
const LIST: &str = include_str!("../../src/artefact/mod.rs");

/// The fields of every type that a file declares to be encoded: `name: Type`.
fn fields(source: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut encoded = false;
    for line in source.lines() {
        if line.starts_with("#[derive(") {
            encoded = line.contains("Serialize");
        }
        if line == "}" {
            encoded = false;
        }
        let code = line.trim();
        let is_code = !code.starts_with("//") && !code.starts_with('#');
        if encoded && is_code && (code.ends_with(',') || code.ends_with(");")) {
            fields.push(code.to_owned());
        }
    }
    fields
}

#[test]
fn every_artefact_file_is_looked_at() {
    for module in LIST.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')) {
        assert!(ARTEFACTS.iter().any(|(name, _)| *name == module), "{module}");
    }
}

#[test]
fn no_artefact_has_a_float_a_map_or_a_size_of_the_machine() {
    let mut seen = 0;
    for (name, source) in ARTEFACTS {
        for field in fields(source) {
            seen += 1;
            for banned in
                ["f32", "f64", "usize", "isize", "Map<", "BTreeSet<", "HashSet<", "Box<", "Vec<()>", "char"]
            {
                assert!(!field.contains(banned), "{name}: {field}");
            }
        }
    }
    assert!(seen > 150, "only {seen} fields found");
}

#[test]
fn no_artefact_changes_how_serde_sees_its_fields() {
    for (name, source) in ARTEFACTS {
        for line in source.lines().map(str::trim).filter(|line| line.starts_with("#[serde(")) {
            let harmless = line == "#[serde(transparent)]" || line == r#"#[serde(rename_all = "lowercase")]"#;
            assert!(harmless, "{name}: {line}");
        }
    }
}

#[test]
fn every_artefact_ends_with_its_extensions() {
    for (name, source) in ARTEFACTS.iter().filter(|(_, source)| source.contains("impl Artefact for")) {
        let artefact = source.split_once("impl Artefact for ").unwrap().1.split_once(' ').unwrap().0;
        let declaration = source.split_once(&format!("pub struct {artefact} {{")).unwrap().1;
        let last = declaration.split_once("\n}").unwrap().0.lines().last().unwrap().trim();
        assert_eq!(last, "pub ext: Extensions,", "{name}");
    }
}

#[test]
fn times_are_signed_milliseconds() {
    for (name, source) in ARTEFACTS {
        for field in fields(source).iter().filter(|field| field.contains("_ms:")) {
            let signed = field.contains("i64") || field == "pub ttl_ms: u32,";
            assert!(signed, "{name}: {field}");
        }
    }
}
