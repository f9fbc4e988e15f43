//! What an application is known by at nodes that ask for it.

use std::str::FromStr;

use hyper::header::HeaderValue;

use crate::limits::BEARER_KEY_BYTES;

/// A bearer key that the node's administrator gave out. It is sent over TLS only, after the node proved who it is, and
/// never printed.
#[derive(Clone, Debug)]
pub struct BearerKey(HeaderValue);

/// A text is no bearer key. It is not repeated: it may be another secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a bearer key is one word of 1 to {BEARER_KEY_BYTES} letters, digits and -._~+/=")]
pub struct NotABearerKey;

impl BearerKey {
    /// The value of the header `authorization`.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl FromStr for BearerKey {
    type Err = NotABearerKey;

    fn from_str(text: &str) -> Result<Self, NotABearerKey> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if text.is_empty() || text.len() > BEARER_KEY_BYTES || !text.bytes().all(allowed) {
            return Err(NotABearerKey);
        }
        let mut header = HeaderValue::try_from(format!("Bearer {text}")).map_err(|_| NotABearerKey)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_word_of_bounded_length() {
        for (bytes, allowed) in [(1, true), (511, true), (512, true), (513, false)] {
            assert_eq!("k".repeat(bytes).parse::<BearerKey>().is_ok(), allowed, "{bytes}");
        }
        for text in ["", "two words", "line\n", "caf\u{e9}", "a\r\nhost: evil", "\"quoted\""] {
            assert_eq!(text.parse::<BearerKey>().unwrap_err(), NotABearerKey, "{text:?}");
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let key: BearerKey = "lk_live_secret".parse().unwrap();
        assert_eq!(key.header().as_bytes(), b"Bearer lk_live_secret");
        assert!(!format!("{key:?} {:?}", key.header()).contains("secret"));
    }
}
