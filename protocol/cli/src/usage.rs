//! Command lines that do not parse: clap's findings, said our way.

use std::ffi::{OsStr, OsString};

use clap::error::ErrorKind;
use clap::{Arg, Command, Parser};

use crate::Failure;
use crate::manual::{self, Manual};

/// Why there are no arguments to run with.
pub(crate) enum Unparsed {
    /// Help or version was asked for and has been printed.
    Shown,
    /// The program is asked about itself.
    Manual(Manual),
    /// The command line is wrong.
    Wrong(Failure),
}

pub(crate) fn parse<P: Parser>(args: &[OsString]) -> Result<P, Unparsed> {
    let mut command = without_empty_variables(command::<P>());
    let parsed =
        command.try_get_matches_from_mut(args).and_then(|mut matches| match Manual::asked(&matches) {
            Some(manual) => Ok(Err(Unparsed::Manual(manual))),
            None => P::from_arg_matches_mut(&mut matches).map(Ok),
        });
    parsed.unwrap_or_else(|error| Err(unparsed(&error.format(&mut command))))
}

/// The program with the verbs that every program has.
pub(crate) fn command<P: Parser>() -> Command {
    manual::with_verbs(P::command())
}

/// A variable that is set to nothing is as good as not set.
fn without_empty_variables(command: Command) -> Command {
    let empty = |arg: &Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| if empty(&arg) { arg.env(None::<&'static str>) } else { arg })
        .mut_subcommands(without_empty_variables)
}

fn unparsed(error: &clap::Error) -> Unparsed {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Nobody is left to tell if the reader of the help has gone.
            let _ = error.print();
            Unparsed::Shown
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Unparsed::Wrong(Failure::usage("no command given", "--help lists the commands"))
        }
        _ => Unparsed::Wrong(explain(&error.render().to_string())),
    }
}

/// Whether `--json` stands among our own arguments: a failure to parse them must be told that way too.
pub(crate) fn asks_for_json(args: &[OsString]) -> bool {
    args.iter().take_while(|arg| *arg != OsStr::new("--")).any(|arg| arg == OsStr::new("--json"))
}

/// Takes apart what clap renders: a finding, tips and the usage line, separated by empty lines.
fn explain(rendered: &str) -> Failure {
    let mut detail = String::new();
    let mut hints = Vec::new();
    for block in rendered.split("\n\n") {
        let block = block.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(finding) = block.strip_prefix("error: ") {
            finding.clone_into(&mut detail);
        } else if let Some(usage) = block.strip_prefix("Usage: ") {
            hints.push(format!("usage: {usage}"));
        } else if let Some(tips) = block.strip_prefix("tip: ") {
            hints.push(tips.replace(" tip: ", "; "));
        }
    }
    if hints.is_empty() {
        hints.push("--help tells how it is used".to_owned());
    }
    Failure::usage(detail, hints.join("; "))
}

#[cfg(test)]
mod tests {
    use clap::Subcommand;
    use leasehold_protocol::code::Code;

    use super::*;
    use crate::{GlobalArgs, MutationArgs, SeatCount};

    /// Sells seats
    #[derive(Parser, Debug)]
    #[command(name = "demo", version)]
    struct Demo {
        #[command(flatten)]
        global: GlobalArgs,
        #[command(subcommand)]
        verb: Verb,
    }

    #[derive(Subcommand, Debug)]
    enum Verb {
        /// Sell some
        Sell {
            #[command(flatten)]
            mutation: MutationArgs,
            #[arg(long)]
            seats: SeatCount,
            #[arg(long, value_parser = crate::duration)]
            grace: Option<i64>,
        },
    }

    #[test]
    fn every_finding_becomes_a_usage_failure() {
        for (args, detail, hint) in [
            (
                &["sell"][..],
                "the following required arguments were not provided: --seats <SEATS>",
                "usage: demo sell",
            ),
            (&["sell", "--seats", "0"], "invalid value '0' for '--seats <SEATS>': a seat count is", "--help"),
            (
                &["sell", "--seats", "5", "--grace", "1w"],
                "invalid value '1w' for '--grace <GRACE>'",
                "--help",
            ),
            (
                &["sell", "--seat", "5"],
                "unexpected argument '--seat' found",
                "a similar argument exists: '--seats'; usage: demo sell",
            ),
            (
                &["sel"],
                "unrecognized subcommand 'sel'",
                "similar subcommands exist: 'help', 'sell'; usage: demo",
            ),
            (&[], "no command given", "--help"),
            (
                &["--quiet", "-v", "sell", "--seats", "5"],
                "the argument '--quiet' cannot be used with",
                "usage: demo",
            ),
        ] {
            let failure = wrong(args);
            let problem = failure.problem();
            assert_eq!(failure.code(), Code::Usage, "{args:?}");
            assert!(problem.detail.starts_with(detail), "{args:?}: {}", problem.detail);
            assert!(problem.hint.contains(hint), "{args:?}: {}", problem.hint);
        }
    }

    #[test]
    fn shared_flags_stand_before_and_after_the_verb() {
        for args in [
            &["demo", "--json", "-vv", "sell", "--seats", "5"][..],
            &["demo", "sell", "--seats", "5", "-v", "--json", "-v"],
        ] {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            let demo: Demo = parse(&args).ok().unwrap();
            assert_eq!(demo.global, GlobalArgs { json: true, quiet: false, verbose: 2 });
            let Verb::Sell { mutation, seats, grace } = demo.verb;
            assert_eq!(mutation, MutationArgs::default());
            assert_eq!((seats, grace), (SeatCount::Seats(5), None));
        }
    }

    #[test]
    fn json_is_ours_only_before_the_command_that_follows() {
        let asks = |args: &[&str]| asks_for_json(&args.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(asks(&["leasehold", "status", "--json"]));
        assert!(!asks(&["leasehold", "status"]));
        assert!(!asks(&["leasehold", "run", "--", "jq", "--json"]));
    }

    fn wrong(args: &[&str]) -> Failure {
        let args: Vec<OsString> =
            std::iter::once("demo").chain(args.iter().copied()).map(OsString::from).collect();
        match parse::<Demo>(&args) {
            Err(Unparsed::Wrong(failure)) => failure,
            Err(Unparsed::Shown | Unparsed::Manual(_)) => panic!("{args:?} shows help"),
            Ok(demo) => panic!("{args:?} parses to {demo:?}"),
        }
    }
}
