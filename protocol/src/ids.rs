//! Ids of entities: TypeID text (`acc_…`), 16 bytes (a UUIDv7) inside.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

use crate::time::UnixMs;

/// Makes the 16 bytes of a UUIDv7 from a time and ten random bytes (RFC 9562 §5.7).
pub fn uuid_v7(at: UnixMs, random: &[u8; 10]) -> [u8; 16] {
    let ms = at.0.max(0).cast_unsigned().to_be_bytes();
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&ms[2..]);
    bytes[6..].copy_from_slice(random);
    bytes[6] = 0x70 | (bytes[6] & 0x0F);
    bytes[8] = 0x80 | (bytes[8] & 0x3F);
    bytes
}

/// A text is not the id it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an id `{prefix}_` and 26 characters of base32")]
pub struct BadId {
    /// What the id begins with.
    pub prefix: &'static str,
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 128 bits as 26 digits of Crockford's base32, most significant first.
fn encode(bytes: [u8; 16]) -> String {
    let number = u128::from_be_bytes(bytes);
    (0..26).rev().map(|digit| char::from(ALPHABET[(number >> (5 * digit)) as usize & 31])).collect()
}

fn decode(text: &str) -> Option<[u8; 16]> {
    if text.len() != 26 || !matches!(text.as_bytes()[0], b'0'..=b'7') {
        return None;
    }
    let mut number = 0_u128;
    for byte in text.bytes() {
        let digit = ALPHABET.iter().position(|&letter| letter == byte)?;
        number = number << 5 | digit as u128;
    }
    Some(number.to_be_bytes())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// What the text form begins with.
            pub const PREFIX: &str = $prefix;

            /// A new id from a time and ten random bytes.
            pub fn new(at: UnixMs, random: &[u8; 10]) -> Self {
                Self(uuid_v7(at, random))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or(BadId { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
                } else {
                    <[u8; 16]>::deserialize(deserializer).map(Self)
                }
            }
        }
    )*};
}

ids! {
    /// A customer.
    AccountId = "acc";
    /// A node's slice of a pool.
    AllocationId = "alc";
    /// A key for the issuer's service.
    ApiKeyId = "apk";
    /// A signed file for one node.
    BundleId = "bdl";
    /// A node certificate.
    CertificateId = "crt";
    /// What was bought; stable over its versions.
    GrantId = "grt";
    /// A head.
    HeadId = "hed";
    /// A seat held for a short time.
    LeaseId = "lse";
    /// A manifest.
    ManifestId = "man";
    /// A node.
    NodeId = "nod";
    /// Floating seats; stable over its versions.
    PoolId = "pol";
    /// A product.
    ProductId = "prd";
    /// A node's answer to a bundle.
    ReceiptId = "rct";
    /// What a node sends or exports.
    RequestId = "req";
    /// The taking back of grants.
    RevocationId = "rev";
    /// A version of the trust root.
    RootId = "rot";
    /// A time statement.
    TimeStatementId = "tim";
}

#[cfg(test)]
mod tests {
    use super::{BadId, LeaseId, decode, encode};
    use crate::time::UnixMs;

    #[test]
    fn text_and_bytes_are_one_to_one() {
        for bytes in [[0; 16], [0xFF; 16], *b"0123456789abcdef"] {
            assert_eq!(decode(&encode(bytes)), Some(bytes));
        }
        let id = LeaseId::new(UnixMs(1_764_000_000_000), &[0xAB; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().len(), "lse_".len() + 26);
        // The example of the TypeID specification.
        assert_eq!(
            encode(*b"\x01\x89\x0a\x5d\xac\x96\x77\x4b\xbc\xce\xb3\x02\x09\x9a\x80\x57"),
            "01h455vb4pex5vsknk084sn02q"
        );
    }

    #[test]
    fn other_text_is_refused() {
        let id = LeaseId([0xFF; 16]).to_string();
        for text in [
            "",
            "lse_",
            &id[1..],
            &id.replace("lse", "acc"),
            &format!("{id}0"),
            &id.replace('7', "8"),
            &id.to_uppercase(),
        ] {
            assert_eq!(text.parse::<LeaseId>(), Err(BadId { prefix: "lse" }), "{text}");
        }
    }
}
