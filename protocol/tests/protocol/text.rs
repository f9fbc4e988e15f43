//! SPEC TXT: the text forms of an envelope.

use leasehold_protocol::armour::{ArmourError, armour, one_line, unarmour};
use leasehold_protocol::artefact::Kind;
use leasehold_protocol::envelope::{EnvelopeError, container};
use leasehold_protocol::limits;

use crate::fixture::World;

fn grant() -> Vec<u8> {
    let world = World::new();
    world.seal(&world.grant)
}

fn block() -> String {
    armour(&grant()).unwrap()
}

/// The block without the lines that `keep` drops.
fn block_lines(keep: impl Fn(&str) -> bool) -> String {
    block().lines().filter(|line| keep(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_block_has_frame_lines_of_64_columns_and_a_check() {
    let block = block();
    let lines: Vec<_> = block.lines().collect();
    let [first, body @ .., check, last] = lines.as_slice() else { panic!("{block}") };
    assert_eq!(*first, "-----BEGIN LEASEHOLD GRANT-----");
    assert_eq!(*last, "-----END LEASEHOLD GRANT-----");
    assert!(check.len() == 5 && check.starts_with('='), "{check}");
    assert!(body[..body.len() - 1].iter().all(|line| line.len() == 64));
    assert!(block.is_ascii() && block.ends_with("-----\n"));
}

#[test]
fn every_form_is_read() {
    let envelope = grant();
    let line = one_line(&envelope).unwrap();
    assert!(line.starts_with("lh1_grant_"));
    let without_check = block_lines(|line| !line.starts_with('='));
    for text in [
        block(),
        without_check,
        block().replace('\n', "\r\n"),
        format!("\n  {}\n\n", block()),
        block().replace('\n', "\n\n "),
        line.clone(),
        format!("  {line}\r\n"),
    ] {
        assert_eq!(unarmour(text.as_bytes()), Ok(envelope.clone()), "{text}");
    }
    assert_eq!(unarmour(&envelope), Ok(envelope), "binary stays as it is");
}

#[test]
fn every_kind_has_both_forms() {
    let world = World::new();
    let lease = world.sealed_ticket();
    let proof = world.proof().to_bytes();
    for (bytes, name) in [(lease, "lease"), (proof, "proof"), (world.seal(&world.certificate), "certificate")]
    {
        assert_eq!(unarmour(armour(&bytes).unwrap().as_bytes()), Ok(bytes.clone()));
        let line = one_line(&bytes).unwrap();
        assert!(line.starts_with(&format!("lh1_{name}_")), "{line}");
        assert_eq!(unarmour(line.as_bytes()), Ok(bytes));
    }
}

#[test]
fn what_is_no_artefact_is_said_so() {
    for text in [&b"hello"[..], b"-----BEGIN CERTIFICATE-----", b"lh2_grant_AAAA", b"lh1_grant", b"\xFF\xFE"]
    {
        assert_eq!(unarmour(text), Err(ArmourError::NotAnArtefact));
    }
    for text in [&b""[..], b" \r\n\t"] {
        assert_eq!(unarmour(text), Err(ArmourError::Empty));
    }
    assert_eq!(armour(b"x"), Err(EnvelopeError::Truncated));
    assert_eq!(one_line(b""), Err(EnvelopeError::Empty));
}

#[test]
fn a_cut_block_is_said_to_be_cut() {
    let block = block();
    for len in 35..block.trim_end().len() {
        assert_eq!(unarmour(&block.as_bytes()[..len]), Err(ArmourError::NoEnd), "{len}");
    }
}

#[test]
fn damage_is_noticed() {
    let damaged = |from: &str, to: &str| unarmour(block().replacen(from, to, 1).as_bytes());
    let second = block().lines().nth(2).unwrap().to_owned();
    assert_eq!(damaged(&second, ""), Err(ArmourError::CheckFailed), "a line is missing");
    assert_eq!(damaged(&second, &second.replace(&second[..1], "*")), Err(ArmourError::NotBase64));
    let letter = if second.starts_with('A') { "B" } else { "A" };
    assert_eq!(damaged(&second, &format!("{letter}{}", &second[1..])), Err(ArmourError::CheckFailed));
    let check = block().lines().rev().nth(1).unwrap().to_owned();
    assert_eq!(damaged(&check, "=AAAA"), Err(ArmourError::CheckFailed));
    assert_eq!(damaged(&check, &format!("{check}\n{check}")), Err(ArmourError::NotBase64), "two check lines");
    assert_eq!(damaged(&check, &format!("{check}\nAAAA")), Err(ArmourError::NotBase64), "text after it");
    let line = one_line(&grant()).unwrap();
    assert_eq!(unarmour(format!("{line}*").as_bytes()), Err(ArmourError::NotBase64));
}

#[test]
fn the_frame_names_what_is_inside() {
    let wrong = |text: String, frame: &str| {
        let expected = ArmourError::WrongFrame { frame: frame.to_owned(), content: Kind::Grant };
        assert_eq!(unarmour(text.as_bytes()), Err(expected));
    };
    wrong(block().replace("GRANT", "POOL"), "pool");
    wrong(one_line(&grant()).unwrap().replace("lh1_grant_", "lh1_pool_"), "pool");
    let ends_otherwise = block().replacen("END LEASEHOLD GRANT", "END LEASEHOLD POOL", 1);
    assert_eq!(unarmour(ends_otherwise.as_bytes()), Err(ArmourError::NoEnd));
    let inside = "-----BEGIN LEASEHOLD GRANT-----\nAAAA\n-----END LEASEHOLD GRANT-----";
    assert_eq!(unarmour(inside.as_bytes()), Err(ArmourError::Envelope(EnvelopeError::Truncated)));
}

#[test]
fn text_has_a_bound_that_the_largest_envelope_keeps() {
    let largest = {
        let mut bytes = container(Kind::Bundle, &vec![0; limits::LARGE_ENVELOPE_BYTES - 12 - 1 - 73]);
        bytes.pop();
        bytes.extend([1, 1]);
        bytes.extend([0; 72]);
        bytes
    };
    assert_eq!(largest.len(), limits::LARGE_ENVELOPE_BYTES);
    let text = armour(&largest).unwrap().replace('\n', "\r\n");
    assert!(text.len() <= limits::ARMOUR_BYTES);
    assert_eq!(unarmour(text.as_bytes()), Ok(largest));
    for (len, expected) in [
        (limits::ARMOUR_BYTES - 1, ArmourError::NotAnArtefact),
        (limits::ARMOUR_BYTES, ArmourError::NotAnArtefact),
        (limits::ARMOUR_BYTES + 1, ArmourError::TooLarge { limit: limits::ARMOUR_BYTES }),
    ] {
        assert_eq!(unarmour(&vec![b'x'; len]), Err(expected), "{len}");
    }
}
