//! Seat counts in bodies: a tagged value, so that "unlimited" is never a number.

use std::fmt;

use leasehold_protocol::artefact::Seats;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// How many seats: `{"value": 25}` or `{"unlimited": true}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SeatCount {
    /// So many.
    Value(u32),
    /// As many as are asked for.
    Unlimited(True),
}

/// `true`, which says nothing but that it is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct True;

impl From<Seats> for SeatCount {
    fn from(seats: Seats) -> Self {
        match seats {
            Seats::Value(count) => Self::Value(count),
            Seats::Unlimited => Self::Unlimited(True),
        }
    }
}

impl From<SeatCount> for Seats {
    fn from(seats: SeatCount) -> Self {
        match seats {
            SeatCount::Value(count) => Self::Value(count),
            SeatCount::Unlimited(True) => Self::Unlimited,
        }
    }
}

impl From<leasehold_cli::SeatCount> for SeatCount {
    fn from(seats: leasehold_cli::SeatCount) -> Self {
        match seats {
            leasehold_cli::SeatCount::Seats(count) => Self::Value(count),
            leasehold_cli::SeatCount::Unlimited => Self::Unlimited(True),
        }
    }
}

/// For people.
impl fmt::Display for SeatCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(count) => write!(f, "{count}"),
            Self::Unlimited(True) => f.write_str("unlimited"),
        }
    }
}

impl PartialSchema for True {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).build().into()
    }
}

impl ToSchema for True {}

impl Serialize for True {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

impl<'de> Deserialize<'de> for True {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if bool::deserialize(deserializer)? {
            Ok(Self)
        } else {
            Err(de::Error::custom("only true can be said here"))
        }
    }
}
