//! What is told: rows, their verdicts, and the three forms in which they are shown.

mod html;
mod json;
mod row;
mod table;

pub(crate) use html::page;
pub(crate) use json::document;
pub(crate) use row::{Cost, Quantity, Row, Target, Unit, Verdict};
pub(crate) use table::print;
