//! Instants in bodies: as answers show them, and as requests may say them.

use std::fmt;
use std::str::FromStr;

use leasehold_cli::{Failure, Instant, Tz, rfc3339};
use leasehold_protocol::time::UnixMs;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// An instant of an answer: RFC 3339 in UTC, or `unlimited` where there is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = String, example = "2026-06-01T00:00:00.000Z")]
pub(crate) struct Timestamp(pub(crate) UnixMs);

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        for bound in [UnixMs::MIN, UnixMs::MAX] {
            if text == bound.to_string() {
                return Ok(Self(bound));
            }
        }
        match text.parse() {
            Ok(Instant::At(at)) => Ok(Self(at)),
            Ok(Instant::StartOf(_)) => Err(de::Error::custom("an instant is not a date")),
            Err(why) => Err(de::Error::custom(why)),
        }
    }
}

/// For people.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rfc3339(self.0))
    }
}

/// An instant of a request: RFC 3339, or a date that begins where its account is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    text: String,
    instant: Instant,
}

impl Moment {
    /// The instant; dates are meant in `timezone`.
    pub(crate) fn resolve(&self, timezone: Option<Tz>) -> Result<UnixMs, Failure> {
        self.instant.resolve(timezone)
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self { text: text.to_owned(), instant: text.parse()? })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        String::schema()
    }
}

impl ToSchema for Moment {}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
