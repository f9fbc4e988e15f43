//! The registry of event ids, what operators read about it, and the lines that are logged.

use std::fs;
use std::path::{Path, PathBuf};

use leasehold_protocol::event_id::EventId;

#[test]
fn every_id_is_documented_as_it_is_and_nothing_else() {
    let text = fs::read_to_string(repository().join("deploy/docs/events.md")).unwrap();
    let documented: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let row = |id: &EventId| format!("| `{id}` | {} | {} |", id.severity().as_str(), id.meaning());
    let registered: Vec<String> = EventId::ALL.iter().map(row).collect();
    assert_eq!(documented, registered);
}

#[test]
fn no_line_is_logged_without_its_id_and_at_another_level() {
    let mut lines = 0;
    for source in ["node/src", "issuer/src", "protocol/net/src", "protocol/cli/src"] {
        for file in rust_files(&repository().join(source)) {
            let text = fs::read_to_string(&file).unwrap();
            for (level, call) in logged(&text) {
                let id = id_of(call).unwrap_or_else(|| panic!("{}: no event_id in {call}", file.display()));
                assert_eq!(id.severity().as_str(), level.to_uppercase(), "{}: {call}", file.display());
                lines += 1;
            }
        }
    }
    assert!(lines >= 10, "only {lines} lines were found: the search is broken");
}

/// Each `tracing::info!`, `warn!` and `error!`, with its arguments.
fn logged(text: &str) -> impl Iterator<Item = (&'static str, &str)> {
    ["info", "warn", "error"].into_iter().flat_map(move |level| {
        let calls = text.split(&format!("tracing::{level}!(")).skip(1).map(arguments).collect::<Vec<_>>();
        calls.into_iter().map(move |call| (level, call))
    })
}

/// Up to the parenthesis that closes the call.
fn arguments(after: &str) -> &str {
    let mut open = 1_usize;
    let end = after.find(|c| {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        open == 0
    });
    &after[..end.unwrap_or(after.len())]
}

fn id_of(call: &str) -> Option<EventId> {
    let name = call.split("event_id = %EventId::").nth(1)?;
    let name = name.split(|c: char| !c.is_alphanumeric()).next()?;
    EventId::ALL.iter().copied().find(|id| format!("{id:?}") == name)
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
