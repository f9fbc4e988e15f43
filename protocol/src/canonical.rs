//! The one codec door: postcard in its only accepted form.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes are not the one encoding of a value of their type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Not an encoding at all, or cut.
    #[error("the bytes do not decode")]
    Undecodable,
    /// Bytes after the value.
    #[error("there are bytes after the end")]
    TrailingBytes,
    /// Decodes, but encodes differently: a varint too long, for example.
    #[error("the bytes are not the canonical encoding")]
    NotCanonical,
}

/// Room that most values need no more than: growing costs more than they do.
const TYPICAL_BYTES: usize = 256;

/// Encodes; cannot fail for the types of this crate (no maps of unknown length, no unsized sequences).
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, Vec::with_capacity(TYPICAL_BYTES))
        .expect("types of the protocol have no unsupported shapes")
}

/// Decodes, refuses trailing bytes, encodes again and compares (SPEC PC-1 to PC-3).
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).map_err(|_| CodecError::Undecodable)?;
    if !rest.is_empty() {
        return Err(CodecError::TrailingBytes);
    }
    if encode(&value) != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}
