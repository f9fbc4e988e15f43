//! Text that others wrote, made fit for a terminal.

/// One line without control characters: line ends become `; `, whatever could steer a terminal is escaped.
pub(crate) fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ").chars().flat_map(printable).collect()
}

fn printable(c: char) -> impl Iterator<Item = char> {
    // Bidirectional controls reorder what is shown, so they go the way of control characters.
    let hidden = c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let escaped = hidden.then(|| c.escape_default());
    let plain = (!hidden).then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_on_its_line() {
        for (text, expected) in [
            ("plain", "plain"),
            ("grüße, 座席", "grüße, 座席"),
            ("two\nlines", "two; lines"),
            ("  two \r\n\n  lines\n", "two; lines"),
            ("red \u{1b}[31m", "red \\u{1b}[31m"),
            ("bell\u{7}", "bell\\u{7}"),
            ("tab\there", "tab\\there"),
            ("over\u{202e}ride", "over\\u{202e}ride"),
            ("", ""),
        ] {
            assert_eq!(one_line(text), expected);
        }
    }
}
