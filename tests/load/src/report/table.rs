//! The table for people.

use std::fmt::Display;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use super::{Cost, Row};

const HEADER: [&str; 14] = [
    "#",
    "what",
    "value",
    "limit",
    "ratio",
    "target",
    "",
    "p50",
    "p99",
    "server",
    "client",
    "/server-CPU-s",
    "journal/op",
    "RSS",
];

/// All rows as one table.
pub(crate) fn print(rows: &[Row]) {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(HEADER);
    for row in rows {
        table.add_row(cells(row));
    }
    for column in [2, 4, 5, 7, 8, 9, 10, 11, 12, 13] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
}

fn cells(row: &Row) -> [String; 14] {
    let cost = row.cost.unwrap_or_default();
    let Cost { p50, p99, server_cores, client_cores, per_server_cpu_second, .. } = cost;
    [
        row.number.to_string(),
        row.what.clone(),
        row.value.to_string(),
        text(row.limit, |(name, limit)| format!("{name}: {limit}")),
        text(row.ratio, |ratio| format!("{ratio:.2} ×")),
        row.target_text(),
        row.verdict().to_string(),
        text(p50, milliseconds),
        text(p99, milliseconds),
        text(server_cores, |cores| format!("{:.0} %", cores * 100.0)),
        text(client_cores, |cores| format!("{:.0} %", cores * 100.0)),
        text(per_server_cpu_second, |requests| format!("{requests:.0}")),
        text(cost.journal_bytes_per_operation, |bytes| format!("{bytes:.0} B")),
        text(cost.resident_bytes, |bytes| format!("{} MB", bytes / 1_000_000)),
    ]
}

fn text<T, D: Display>(value: Option<T>, show: impl FnOnce(T) -> D) -> String {
    value.map(|value| show(value).to_string()).unwrap_or_default()
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Number;
    use crate::report::{Quantity, Target, Unit};

    #[test]
    fn every_cell_is_under_its_head() {
        let value = Quantity { amount: 100.0, unit: Unit::PerSecond };
        let mut row = Row::new(Number::P6, "denial", value).target(Target::RatioAtLeast(0.75));
        row.limit = Some(("hello", value));
        row.ratio = Some(0.5);
        let cost = Cost { server_cores: Some(1.5), resident_bytes: Some(3_000_000), ..Cost::default() };
        let cells = cells(&row.cost(cost));
        let filled = HEADER.iter().zip(&cells).filter(|(_, cell)| !cell.is_empty());
        let filled: Vec<_> = filled.map(|(head, cell)| (*head, cell.as_str())).collect();
        let expected = [
            ("#", "P6"),
            ("what", "denial"),
            ("value", "100/s"),
            ("limit", "hello: 100/s"),
            ("ratio", "0.50 ×"),
            ("target", "≥ 0.75 ×"),
            ("", "NOT MET"),
            ("server", "150 %"),
            ("RSS", "3 MB"),
        ];
        assert_eq!(filled, expected);
    }
}
