//! Idempotency keys as they are typed.

use std::fmt;
use std::str::FromStr;

/// A key under which a mutation or checkout happens once: 128 bits chosen by the caller, 32 hex digits in text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(pub [u8; 16]);

const DIGITS: usize = 32;

impl FromStr for IdempotencyKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("a key is {DIGITS} hex digits"));
        }
        let number = u128::from_str_radix(text, 16).map_err(|error| error.to_string())?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_exactly_32_hex_digits() {
        let text = "00112233445566778899aabbccddeeff";
        let key: IdempotencyKey = text.parse().unwrap();
        assert_eq!(key.0[..3], [0x00, 0x11, 0x22]);
        assert_eq!(key.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(key));
        for bad in [
            "",
            "00112233445566778899aabbccddeef",
            "00112233445566778899aabbccddeeff0",
            "00112233445566778899aabbccddeefg",
            "+0112233445566778899aabbccddeeff",
            "00112233-4455-6677-8899-aabbccddeeff",
        ] {
            assert!(bad.parse::<IdempotencyKey>().is_err(), "{bad:?}");
        }
    }
}
