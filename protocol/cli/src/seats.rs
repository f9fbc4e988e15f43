//! Seat counts as they are typed.

use std::str::FromStr;

use leasehold_protocol::limits::POOL_SEATS;

/// How many seats are sold: `N` or `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatCount {
    /// So many, 1 to the most a pool can have.
    Seats(u32),
    /// As many as are asked for; such pools have no slots.
    Unlimited,
}

impl FromStr for SeatCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let refused = || format!("a seat count is a number from 1 to {POOL_SEATS}, or `unlimited`");
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let seats = text.parse().ok().filter(|seats| digits && (1..=POOL_SEATS).contains(seats));
        seats.map(Self::Seats).ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seat_counts() {
        let most = POOL_SEATS.to_string();
        let beyond = (POOL_SEATS + 1).to_string();
        for (text, expected) in [
            ("1", Some(SeatCount::Seats(1))),
            ("100", Some(SeatCount::Seats(100))),
            (&*most, Some(SeatCount::Seats(POOL_SEATS))),
            ("unlimited", Some(SeatCount::Unlimited)),
            ("0", None),
            (&*beyond, None),
            ("", None),
            ("-1", None),
            ("+5", None),
            ("5.0", None),
            ("1e3", None),
            ("1_000", None),
            ("99999999999999999999", None),
            ("Unlimited", None),
            ("∞", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
    }
}
