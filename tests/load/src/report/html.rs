//! The report as one page that needs nothing else: the table, and how near each ratio is to its target.

use std::fmt::Write as _;

use super::{Row, Target, Verdict};
use crate::bench::Conditions;

const STYLE: &str = "\
body{font:14px/1.4 system-ui,sans-serif;margin:2em;color:#222}table{border-collapse:collapse}\
td,th{padding:.3em .7em;border-bottom:1px solid #ddd;text-align:left}.met{color:#1a7f37}.missed{color:#b42318}\
svg{vertical-align:middle}";
/// Pixels of a chart.
const WIDTH: f64 = 260.0;
/// Where the target stands, as a share of the width.
const TARGET_AT: f64 = 0.5;

/// The page.
pub(crate) fn page(conditions: &Conditions, rows: &[Row]) -> String {
    let mut page = format!(
        "<!doctype html><meta charset=utf-8><title>Leasehold: performance</title><style>{STYLE}</style>\
         <h1>Leasehold: performance</h1><p>{}</p><p>The bar is the median of the rounds, each dot one of them; the \
         line in the middle is the target.</p><table><tr><th>#<th>what<th>value<th>limit<th>ratio<th>target<th><th>",
        escaped(&conditions.to_string())
    );
    for row in rows {
        let limit = row.limit.map(|(name, limit)| format!("{name}: {limit}")).unwrap_or_default();
        let ratio = row.ratio.map(|ratio| format!("{ratio:.2} ×")).unwrap_or_default();
        let target = row.target_text();
        let class = if row.verdict() == Verdict::Missed { "missed" } else { "met" };
        let cells = [row.number.to_string(), row.what.clone(), row.value.to_string(), limit, ratio, target];
        page.push_str("<tr>");
        for cell in cells {
            page.extend(["<td>", &escaped(&cell)]);
        }
        // Writing to a string cannot fail.
        let _ = write!(page, "<td class={class}>{}<td>{}", row.verdict(), chart(row));
    }
    page.push_str("</table>\n");
    page
}

/// A bar for the median and dots for the rounds, scaled so that all targets stand in one line.
fn chart(row: &Row) -> String {
    let Some((reached, wanted)) = reached(row) else { return String::new() };
    let x = |value: f64| (value / wanted * TARGET_AT * WIDTH).clamp(0.0, WIDTH);
    let colour = if row.verdict() == Verdict::Met { "#2da44e" } else { "#cf222e" };
    let mut svg = format!(
        "<svg width={WIDTH} height=16 role=img><rect y=4 height=8 width={:.1} fill='{colour}'/>\
         <line x1={target:.1} x2={target:.1} y1=0 y2=16 stroke='#222'/>",
        x(reached),
        target = TARGET_AT * WIDTH
    );
    if matches!(row.target, Some(Target::RatioAtLeast(_) | Target::RatioAtMost(_))) {
        for round in &row.rounds {
            let _ = write!(svg, "<circle cx={:.1} cy=8 r=2 fill='#222'/>", x(*round));
        }
    }
    svg.push_str("</svg>");
    svg
}

/// What was reached and what was wanted, in the same unit.
fn reached(row: &Row) -> Option<(f64, f64)> {
    Some(match row.target? {
        Target::RatioAtLeast(wanted) | Target::RatioAtMost(wanted) => (row.ratio?, wanted),
        Target::Exactly(wanted) | Target::ValueAtLeast(wanted) | Target::ValueAtMost(wanted) => {
            (row.value.amount, wanted)
        }
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Number;
    use crate::report::{Quantity, Unit};

    #[test]
    fn a_bar_ends_at_the_line_when_the_target_is_just_met() {
        let mut row = Row::new(Number::P1, "<x>", Quantity { amount: 1.0, unit: Unit::Count });
        assert_eq!(chart(&row), "");
        row.target = Some(Target::RatioAtLeast(0.5));
        row.ratio = Some(0.5);
        row.rounds = vec![0.25, 9.0];
        let chart = chart(&row);
        assert!(chart.contains("width=130.0 fill='#2da44e'"), "{chart}");
        assert!(chart.contains("x1=130.0"), "{chart}");
        assert!(chart.contains("cx=65.0") && chart.contains("cx=260.0"), "{chart}");
        assert!(page(&Conditions::example(), &[row]).contains("<td>&lt;x&gt;"));
    }
}
