//! What only a real process shows: exits, streams that go away, the environment, the lack of a terminal.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

#[test]
fn exits_are_those_of_the_table() {
    for (args, exit) in [
        (&["--help"][..], 0),
        (&["sell", "--help"], 0),
        (&["--version"], 0),
        (&["sell", "5"], 0),
        (&["checkout"], 3),
        (&[], 64),
        (&["sell"], 64),
        (&["sell", "five"], 64),
        (&["steal"], 64),
        (&["panic"], 101),
    ] {
        assert_eq!(finish(seats(args)).status.code(), Some(exit), "{args:?}");
    }
}

#[test]
fn an_answer_is_all_there_is_on_standard_output() {
    for (args, stdout, stderr) in [
        (&["sell", "5"][..], "POOL   SEATS\npol_1  5\nnext: seats checkout\n", "selling\n"),
        (&["sell", "5", "--quiet"], "POOL   SEATS\npol_1  5\n", ""),
        (&["--json", "sell", "5"], "{\"pool_id\":\"pol_1\",\"seats\":{\"value\":5}}\n", "selling\n"),
        (
            &["sell", "unlimited", "--json", "-q"],
            "{\"pool_id\":\"pol_1\",\"seats\":{\"unlimited\":true}}\n",
            "",
        ),
    ] {
        let output = finish(seats(args));
        assert_eq!((text(&output.stdout), text(&output.stderr)), (stdout, stderr), "{args:?}");
    }
}

#[test]
fn a_reader_that_has_gone_changes_nothing() {
    for args in [&["sell", "5"][..], &["--json", "sell", "5"], &["--help"]] {
        let mut command = seats(args);
        command.stdout(closed_pipe());
        assert_eq!(finish(command).status.code(), Some(0), "{args:?}");
    }
    for (args, exit) in [(&["sell", "5"][..], 0), (&["steal"], 64)] {
        let mut command = seats(args);
        command.stderr(closed_pipe());
        assert_eq!(finish(command).status.code(), Some(exit), "{args:?}");
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let mut command = seats(&["sell", "5"]);
    command.stdout(File::options().write(true).open("/dev/full").unwrap());
    let output = finish(command);
    assert_eq!(output.status.code(), Some(73));
    assert!(text(&output.stderr).contains("error: cannot write the answer"), "{}", text(&output.stderr));
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let output = finish(seats(&["unlock"]));
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("hint: add --passphrase-file FILE"), "{}", text(&output.stderr));
}

#[test]
fn a_flag_wins_over_its_variable_on_both_sides_of_the_verb() {
    let dir = tempfile::tempdir().unwrap();
    let (short, long) = (dir.path().join("short"), dir.path().join("long"));
    fs::write(&short, "four\n").unwrap();
    fs::write(&long, "fifteen letters\n").unwrap();
    let long = long.to_str().unwrap();
    for (args, length) in [
        (&["unlock"][..], "4"),
        (&["unlock", "--passphrase-file", long], "15"),
        (&["--passphrase-file", long, "unlock"], "15"),
    ] {
        let mut command = seats(args);
        command.env("LEASEHOLD_PASSPHRASE_FILE", &short);
        assert_eq!(text(&finish(command).stdout), format!("length  {length}\n"), "{args:?}");
    }
}

#[test]
fn every_variable_of_the_programs_may_be_set() {
    for value in ["", "/nonexistent", "https://127.0.0.1:1"] {
        let mut command = seats(&["sell", "5"]);
        for name in ["ISSUER_DATA", "NODE_DATA", "NODE", "TRUST", "PASSPHRASE_FILE"] {
            command.env(format!("LEASEHOLD_{name}"), value);
        }
        let output = finish(command);
        assert_eq!(output.status.code(), Some(0), "{value:?}: {}", text(&output.stderr));
    }
}

#[test]
fn every_shell_gets_completions_that_it_can_read() {
    for shell in ["bash", "zsh", "fish"] {
        let output = finish(seats(&["completions", shell]));
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output.stdout);
        for word in ["sell", "checkout", "unlock", "completions", "man", "passphrase-file", "json"] {
            assert!(script.contains(word), "{shell} completes {word}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("seats.bash");
    fs::write(&script, finish(seats(&["completions", "bash"])).stdout).unwrap();
    let mut bash = Command::new("bash");
    // Sourced by a strict shell, the function that completes must be there and offer the verbs.
    let ask = r#"set -e; . "$1"; function=$(complete -p "$2" | sed 's/.* -F \([^ ]*\) .*/\1/')
        COMP_WORDS=("$2" s); COMP_CWORD=1; "$function" "$2" s "$2"; echo "${COMPREPLY[*]}""#;
    bash.args(["--noprofile", "--norc", "-c", ask, "bash"]).arg(&script).arg(name());
    let output = finish_of(bash);
    assert_eq!((text(&output.stdout), output.status.code()), ("sell\n", Some(0)), "{output:?}");
    for args in [&["completions"][..], &["completions", "tcsh"]] {
        assert_eq!(finish(seats(args)).status.code(), Some(64), "{args:?}");
    }
}

#[test]
fn there_is_a_man_page_for_the_program_and_each_verb() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("man1");
    let output = finish(seats(&["man", "--out", out.to_str().unwrap(), "--json"]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mut pages: Vec<String> =
        fs::read_dir(&out).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    let verbs = ["checkout", "completions", "man", "panic", "sell", "unlock"];
    let expected: Vec<String> = verbs.iter().map(|verb| format!("{}-{verb}.1", name())).collect();
    assert_eq!(pages, [expected, vec![format!("{}.1", name())]].concat());
    let page = fs::read_to_string(out.join(format!("{}.1", name()))).unwrap();
    assert!(page.contains(".TH "), "{page}");
    for verb in verbs {
        assert!(page.contains(&format!("{}\\-{verb}(1)", name().replace('-', "\\-"))), "{verb}: {page}");
    }
    let again = finish(seats(&["man", "--out", out.to_str().unwrap()]));
    assert_eq!(again.status.code(), Some(0), "pages are replaced: {again:?}");
    assert_eq!(page, fs::read_to_string(out.join(format!("{}.1", name()))).unwrap(), "the same every time");
    assert_eq!(finish(seats(&["man"])).status.code(), Some(64));
}

/// What the example calls itself: its package.
fn name() -> &'static str {
    env!("CARGO_PKG_NAME")
}

fn seats(args: &[&str]) -> Command {
    // Tests lie in `deps/`, examples beside it.
    let deps = std::env::current_exe().expect("a test has a path");
    let program: PathBuf =
        deps.parent().expect("a program lies in a directory").with_file_name("examples").join("seats");
    assert!(program.exists(), "{} is absent: `cargo build --examples` builds it", program.display());
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .env_remove("LEASEHOLD_PASSPHRASE_FILE")
        .env_remove("RUST_BACKTRACE");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finish_of(mut command: Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command)
}

fn finish(mut command: Command) -> Output {
    command.spawn().and_then(Child::wait_with_output).expect("the example runs")
}

/// The writing end of a pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    drop(reader);
    writer.into()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("programs write UTF-8")
}
