//! Answers: one JSON document for scripts, or a table or sentence for people.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use leasehold_protocol::code::Code;
use serde::Serialize;

use crate::Failure;
use crate::text::one_line;

/// Where the answers of this run go, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    /// As the flags `--json` and `--quiet` say.
    pub const fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Answers are JSON documents.
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Prints the answer on standard output: `document` as one line of JSON, or `people`. Call it again for each
    /// document of a stream.
    pub fn answer<T: Serialize + ?Sized>(self, document: &T, people: &People) -> Result<(), Failure> {
        delivered(self.write_answer(document, people, &mut io::stdout().lock()))
    }

    /// Prints one line on standard output that is not an answer in two forms, such as `ready …`.
    pub fn line(self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        delivered(writeln!(stdout, "{text}").and_then(|()| stdout.flush()))
    }

    /// Tells people on standard error what is going on, unless they want quiet.
    pub fn note(self, text: &str) {
        if !self.quiet {
            // With standard error gone there is nobody to tell.
            let _ = writeln!(io::stderr(), "{}", one_line(text));
        }
    }

    /// Warns people on standard error, quiet or not.
    pub fn warning(self, text: &str) {
        // With standard error gone there is nobody to warn.
        let _ = writeln!(io::stderr(), "warning: {}", one_line(text));
    }

    fn write_answer<T: Serialize + ?Sized>(
        self,
        document: &T,
        people: &People,
        stdout: &mut dyn Write,
    ) -> io::Result<()> {
        if self.json {
            let mut line = serde_json::to_vec(document)?;
            line.push(b'\n');
            stdout.write_all(&line)?;
        } else {
            writeln!(stdout, "{}", people.body)?;
            if let Some(next) = people.next.as_ref().filter(|_| !self.quiet) {
                writeln!(stdout, "next: {next}")?;
            }
        }
        stdout.flush()
    }
}

/// A reader that has gone away wanted no more: that is no failure.
fn delivered(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            Code::CannotCreate,
            format!("cannot write the answer to standard output: {error}"),
            "what was asked is done; ask for its state instead of repeating it",
        )),
        _ => Ok(()),
    }
}

/// An answer as people read it. Cells may come from others: they are made safe for a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    body: String,
    next: Option<String>,
}

impl People {
    /// A sentence, or several lines of our own text.
    pub fn sentence(text: impl Into<String>) -> Self {
        Self { body: text.into(), next: None }
    }

    /// Names and values, one pair a line.
    pub fn facts<N: AsRef<str>, V: AsRef<str>>(facts: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut table = Table::new();
        for (name, value) in facts {
            table.add_row([one_line(name.as_ref()), one_line(value.as_ref())]);
        }
        Self::sentence(rendered(table))
    }

    /// A table with a head; `none` where there are no rows.
    pub fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Self {
        let mut table = Table::new();
        table.set_header(head.map(str::to_uppercase));
        table.add_rows(rows.into_iter().map(|row| row.map(|cell| one_line(&cell))));
        if table.is_empty() { Self::sentence("none") } else { Self::sentence(rendered(table)) }
    }

    /// Both, one below the other, with an empty line between them.
    #[must_use]
    pub fn and(self, below: Self) -> Self {
        Self { body: format!("{}\n\n{}", self.body, below.body), next: below.next.or(self.next) }
    }

    /// The command that most people want next, with all ids filled in.
    #[must_use]
    pub fn next(self, command: impl Into<String>) -> Self {
        Self { next: Some(command.into()), ..self }
    }
}

/// Columns two spaces apart, without borders and never wrapped: `grep` and `awk` read it too.
fn rendered(mut table: Table) -> String {
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scripts_get_one_line_of_json_and_nothing_else() {
        let people = People::sentence("made grant grt_1").next("leasehold-issuer pool list");
        for quiet in [false, true] {
            check(Output::new(true, quiet), &people, "{\"grant_id\":\"grt_1\"}\n");
        }
    }

    #[test]
    fn people_get_text_and_the_next_step() {
        let people = People::sentence("made grant grt_1").next("leasehold-issuer pool list");
        check(Output::new(false, false), &people, "made grant grt_1\nnext: leasehold-issuer pool list\n");
        check(Output::new(false, true), &people, "made grant grt_1\n");
    }

    #[test]
    fn tables_are_aligned_and_safe() {
        let rows = [["cad".to_owned(), "100".to_owned()], ["sim\n\u{1b}[2J".to_owned(), "5".to_owned()]];
        let people = People::table(["product", "seats"], rows);
        let expected = "PRODUCT         SEATS\ncad             100\nsim; \\u{1b}[2J  5\n";
        check(Output::new(false, false), &people, expected);
        check(Output::new(false, false), &People::table(["product"], []), "none\n");
    }

    #[test]
    fn facts_stand_above_a_table() {
        let facts = People::facts([("trust state", "FRESH"), ("clock", "GOOD")]);
        let people = facts.and(People::table(["pool"], [["pol_1".to_owned()]])).next("x");
        check(Output::new(false, true), &people, "trust state  FRESH\nclock        GOOD\n\nPOOL\npol_1\n");
    }

    #[test]
    fn a_reader_that_goes_away_is_no_failure() {
        assert_eq!(delivered(Err(io::ErrorKind::BrokenPipe.into())), Ok(()));
        let failure = delivered(Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert_eq!(failure.code(), Code::CannotCreate);
    }

    fn check(output: Output, people: &People, expected: &str) {
        let mut stdout = Vec::new();
        output.write_answer(&json!({"grant_id": "grt_1"}), people, &mut stdout).unwrap();
        assert_eq!(String::from_utf8(stdout).unwrap(), expected);
    }
}
