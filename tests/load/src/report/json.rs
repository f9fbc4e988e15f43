//! The report for programs.

use anyhow::Result;
use serde::Serialize;

use super::{Row, Verdict};
use crate::bench::Conditions;

#[derive(Serialize)]
struct Document<'a> {
    conditions: &'a Conditions,
    rows: Vec<Judged<'a>>,
}

#[derive(Serialize)]
struct Judged<'a> {
    #[serde(flatten)]
    row: &'a Row,
    verdict: Verdict,
}

/// Everything that was measured, and where.
pub(crate) fn document(conditions: &Conditions, rows: &[Row]) -> Result<String> {
    let rows = rows.iter().map(|row| Judged { row, verdict: row.verdict() }).collect();
    Ok(serde_json::to_string_pretty(&Document { conditions, rows })?)
}
