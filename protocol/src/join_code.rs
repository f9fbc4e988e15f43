//! The join code a vendor hands to a customer: `lhj1_<base64url>` of the secret and the hash of the issuer's TLS key.

use data_encoding::BASE64URL_NOPAD;
use std::fmt;
use std::str::FromStr;

use crate::bytes::SpkiDigest;
use crate::request::JoinSecret;

const PREFIX: &str = "lhj1_";

/// One-time code: proves to the issuer who enrols, and to the node who the issuer is.
#[derive(Clone, Copy, Debug)]
pub struct JoinCode {
    /// Known to issuer and customer only.
    pub secret: JoinSecret,
    /// The issuer's TLS key.
    pub issuer_key: SpkiDigest,
}

/// A text is no join code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a join code begins with lhj1_ and has 69 characters")]
pub struct BadJoinCode;

impl fmt::Display for JoinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.secret.0.as_slice(), &self.issuer_key.0].concat();
        write!(f, "{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }
}

impl FromStr for JoinCode {
    type Err = BadJoinCode;
    fn from_str(text: &str) -> Result<Self, BadJoinCode> {
        let text = text.trim().strip_prefix(PREFIX).ok_or(BadJoinCode)?;
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| BadJoinCode)?;
        let (secret, issuer_key) = bytes.split_first_chunk::<16>().ok_or(BadJoinCode)?;
        let issuer_key = issuer_key.try_into().map_err(|_| BadJoinCode)?;
        Ok(Self { secret: JoinSecret(*secret), issuer_key: SpkiDigest(issuer_key) })
    }
}

#[cfg(test)]
mod tests {
    use super::{BadJoinCode, JoinCode};
    use crate::bytes::SpkiDigest;
    use crate::request::JoinSecret;

    #[test]
    fn text_round_trip_and_refusals() {
        let code = JoinCode { secret: JoinSecret([7; 16]), issuer_key: SpkiDigest([9; 32]) };
        let text = code.to_string();
        assert_eq!(text.len(), 69);
        assert_eq!(text.parse::<JoinCode>().map(|c| c.to_string()), Ok(text.clone()));
        for bad in ["", "lhj1_", &text[1..], &text[..68], &format!("{text}A")] {
            assert_eq!(bad.parse::<JoinCode>().map(|_| ()), Err(BadJoinCode));
        }
        assert!(!format!("{code:?}").contains("7, 7"), "secrets are not printed");
    }
}
