//! The one codec door: postcard in its only accepted form.

use postcard::ser_flavors::Flavor;
use postcard::serialize_with_flavor;
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
    if !encodes_as(&value, bytes) {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// Whether `bytes` are the encoding of `value`: compared as they come, so that nothing is built to be thrown away.
fn encodes_as<T: Serialize>(value: &T, bytes: &[u8]) -> bool {
    serialize_with_flavor(value, Same(bytes)).is_ok_and(<[u8]>::is_empty)
}

/// Takes nothing but the expected bytes in their order; those that did not come are left.
struct Same<'a>(&'a [u8]);

impl<'a> Flavor for Same<'a> {
    type Output = &'a [u8];

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0 = self.0.strip_prefix(bytes).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<&'a [u8]> {
        Ok(self.0)
    }
}
