//! Texts that people give to things.

use leasehold_protocol::limits::{NAME_BYTES, SHORT_LIST};
use leasehold_protocol::problem::Problem;

use crate::refusal::{invalid, limit, require};

/// A text of 1 to `max_bytes` bytes without control characters.
pub(crate) fn check(text: &str, max_bytes: usize, what: &str) -> Result<(), Problem> {
    require(!text.trim().is_empty(), || invalid(format!("the {what} is empty"), format!("give a {what}")))?;
    require(text.len() <= max_bytes, || limit(&format!("bytes of the {what}"), max_bytes))?;
    let clean = !text.chars().any(char::is_control);
    require(clean, || invalid(format!("the {what} holds control characters"), "use one line of plain text"))
}

/// The same for a text that may be absent.
pub(crate) fn check_optional(text: Option<&str>, max_bytes: usize, what: &str) -> Result<(), Problem> {
    text.map_or(Ok(()), |text| check(text, max_bytes, what))
}

/// A name as artefacts carry it.
pub(crate) fn check_name(name: &str, what: &str) -> Result<(), Problem> {
    check(name, NAME_BYTES, what)
}

/// A short list of names in its only form: ascending, without repetition.
pub(crate) fn sorted_names(names: &[String], what: &str) -> Result<Vec<String>, Problem> {
    sorted_names_up_to(names, SHORT_LIST, what)
}

/// The same with another bound.
pub(crate) fn sorted_names_up_to(names: &[String], most: usize, what: &str) -> Result<Vec<String>, Problem> {
    names.iter().try_for_each(|name| check_name(name, what))?;
    let mut sorted = names.to_vec();
    sorted.sort();
    sorted.dedup();
    require(sorted.len() <= most, || limit(&format!("{what}s"), most))?;
    Ok(sorted)
}
