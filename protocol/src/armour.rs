//! Text forms of an envelope: armoured blocks for files and mail, one line for terminals and QR codes (SPEC TXT).

use data_encoding::{BASE64, BASE64URL_NOPAD};
use sha2::{Digest as _, Sha256};

use crate::artefact::Kind;
use crate::envelope::{Envelope, EnvelopeError, MAGIC};
use crate::limits;

const COLUMNS: usize = 64;

/// Text is no artefact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmourError {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// More than any artefact takes.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// The cap.
        limit: usize,
    },
    /// Neither binary, nor a block, nor a line.
    #[error("it is no Leasehold artefact in any form")]
    NotAnArtefact,
    /// No END line.
    #[error("its END line is missing: it is cut short")]
    NoEnd,
    /// BEGIN, END or the one-line prefix name another type than the content.
    #[error("its frame says {frame} but it holds a {content}")]
    WrongFrame {
        /// What the frame says.
        frame: String,
        /// What it is.
        content: Kind,
    },
    /// Not base64.
    #[error("its text is damaged (not base64)")]
    NotBase64,
    /// The copy check does not agree.
    #[error("its text is damaged (the check line does not agree)")]
    CheckFailed,
    /// The bytes inside are no envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

/// The block form: BEGIN line, base64 in 64 columns, check line, END line. Empty if `envelope` is none.
pub fn armour(envelope: &[u8]) -> Result<String, EnvelopeError> {
    let name = frame_name(Envelope::parse(envelope)?.kind);
    let body = BASE64.encode(envelope);
    let mut text = format!("-----BEGIN LEASEHOLD {name}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(COLUMNS));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    let check = check(envelope);
    Ok(format!("{text}={check}\n-----END LEASEHOLD {name}-----\n"))
}

/// The one-line form: `lh1_<type>_<base64url>`.
pub fn one_line(envelope: &[u8]) -> Result<String, EnvelopeError> {
    Ok(line(Envelope::parse(envelope)?.kind, envelope))
}

/// The one-line form of an envelope that is known to be one of that kind.
pub(crate) fn line(kind: Kind, envelope: &[u8]) -> String {
    let name = kind.name();
    let bytes = "lh1__".len() + name.len() + BASE64URL_NOPAD.encode_len(envelope.len());
    let mut line = String::with_capacity(bytes);
    line.extend(["lh1_", name, "_"]);
    BASE64URL_NOPAD.encode_append(envelope, &mut line);
    line
}

/// The envelope in a file of any form: binary, block or line.
pub fn unarmour(file: &[u8]) -> Result<Vec<u8>, ArmourError> {
    if file.starts_with(&MAGIC) {
        return Ok(file.to_vec());
    }
    if file.len() > limits::ARMOUR_BYTES {
        return Err(ArmourError::TooLarge { limit: limits::ARMOUR_BYTES });
    }
    let text = std::str::from_utf8(file).map_err(|_| ArmourError::NotAnArtefact)?.trim();
    if text.is_empty() {
        return Err(ArmourError::Empty);
    }
    let (frame, envelope) = if let Some(line) = text.strip_prefix("lh1_") {
        from_line(line)?
    } else if let Some(block) = text.strip_prefix("-----BEGIN LEASEHOLD ") {
        from_block(block)?
    } else {
        return Err(ArmourError::NotAnArtefact);
    };
    let content = Envelope::parse(&envelope)?.kind;
    if frame != content.name() {
        return Err(ArmourError::WrongFrame { frame, content });
    }
    Ok(envelope)
}

fn from_line(line: &str) -> Result<(String, Vec<u8>), ArmourError> {
    let (frame, body) = line.split_once('_').ok_or(ArmourError::NotAnArtefact)?;
    let envelope = BASE64URL_NOPAD.decode(body.as_bytes()).map_err(|_| ArmourError::NotBase64)?;
    Ok((frame.to_owned(), envelope))
}

fn from_block(block: &str) -> Result<(String, Vec<u8>), ArmourError> {
    let (frame, body) = block.split_once("-----").ok_or(ArmourError::NotAnArtefact)?;
    let end = format!("-----END LEASEHOLD {frame}-----");
    let body = body.trim_end().strip_suffix(end.as_str()).ok_or(ArmourError::NoEnd)?;
    let (mut base64, mut check_line) = (String::with_capacity(body.len()), None);
    for line in body.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix('=') {
            Some(check) if check_line.is_none() => check_line = Some(check),
            _ if check_line.is_some() => return Err(ArmourError::NotBase64),
            _ => base64.push_str(line),
        }
    }
    let envelope = BASE64.decode(base64.as_bytes()).map_err(|_| ArmourError::NotBase64)?;
    if check_line.is_some_and(|line| line != check(&envelope)) {
        return Err(ArmourError::CheckFailed);
    }
    Ok((frame.to_lowercase(), envelope))
}

/// Catches slips of copying; it secures nothing.
fn check(envelope: &[u8]) -> String {
    BASE64.encode(&Sha256::digest(envelope)[..3])
}

fn frame_name(kind: Kind) -> String {
    kind.name().to_uppercase()
}
