//! The frame around a program: parse, run, report, exit.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use leasehold_protocol::code::{Code, exit};

use crate::usage::{self, Unparsed};
use crate::{Failure, GlobalArgs, Output};

/// The arguments of one of the programs.
pub trait Program: Parser {
    /// The flags that every program has.
    fn global(&self) -> GlobalArgs;
}

/// How a program leaves that ran to its end: its answer is printed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// Done or allowed.
    pub const DONE: Self = Self(exit::DONE);

    /// The exit of an answer that carries `code`, such as a denial.
    pub const fn of(code: Code) -> Self {
        Self(code.exit())
    }

    /// A status that is not of the registry: that of a child program, or a monitoring state.
    pub const fn status(status: u8) -> Self {
        Self(status)
    }
}

/// Runs a program on the arguments of this process: the whole of `main`.
///
/// A failure is reported on standard error and exits with its code. A panic is not caught: it exits 101.
pub fn run<P: Program>(body: impl FnOnce(P, Output) -> Result<Exit, Failure>) -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let Exit(status) = run_on(&args, body, &mut io::stderr());
    ExitCode::from(status)
}

fn run_on<P: Program>(
    args: &[OsString],
    body: impl FnOnce(P, Output) -> Result<Exit, Failure>,
    stderr: &mut dyn Write,
) -> Exit {
    let result = match usage::parse::<P>(args) {
        Ok(program) => {
            let output = program.global().output();
            body(program, output)
        }
        Err(Unparsed::Shown) => Ok(Exit::DONE),
        Err(Unparsed::Manual(manual)) => {
            let output = Output::new(usage::asks_for_json(args), false);
            manual.answer(usage::command::<P>(), output).map(|()| Exit::DONE)
        }
        Err(Unparsed::Wrong(failure)) => Err(failure),
    };
    result.unwrap_or_else(|failure| {
        // With standard error gone the exit code is all that is left to say.
        let _ = failure.report(usage::asks_for_json(args), stderr);
        Exit::of(failure.code())
    })
}

#[cfg(test)]
mod tests {
    use leasehold_protocol::problem::Problem;

    use super::*;

    #[derive(Parser)]
    struct Demo {
        #[command(flatten)]
        global: GlobalArgs,
    }

    impl Program for Demo {
        fn global(&self) -> GlobalArgs {
            self.global
        }
    }

    #[test]
    fn an_answer_decides_the_exit_and_says_nothing_more() {
        for exit in [Exit::DONE, Exit::of(Code::PoolExhausted), Exit::status(42)] {
            assert_eq!(check(&["demo"], Ok(exit)), (exit, String::new()));
        }
        assert_eq!(Exit::of(Code::PoolExhausted), Exit(3));
    }

    #[test]
    fn a_failure_is_two_lines_and_its_exit() {
        let failure = Failure::new(Code::Unreachable, "nobody answers\nat unix:/x", "start the node");
        let expected = "error: nobody answers; at unix:/x\nhint: start the node\n";
        assert_eq!(check(&["demo"], Err(failure)), (Exit(5), expected.to_owned()));
    }

    #[test]
    fn with_json_the_problem_document_follows() {
        let failure = Failure::new(Code::LeaseUnknown, "no such lease", "see `leasehold-node leases`")
            .with("lease_id", "lse_1");
        let (exit, stderr) = check(&["demo", "--json"], Err(failure.clone()));
        let lines: Vec<&str> = stderr.lines().collect();
        assert_eq!((exit, lines.len()), (Exit(66), 3));
        assert_eq!(serde_json::from_str::<Problem>(lines[2]).unwrap(), *failure.problem());
    }

    #[test]
    fn a_wrong_command_line_exits_64_with_and_without_json() {
        let (exit, stderr) = check(&["demo", "--jsn"], Ok(Exit::DONE));
        assert_eq!((exit, stderr.lines().count()), (Exit(64), 2), "{stderr}");
        assert!(stderr.starts_with("error: unexpected argument '--jsn' found\nhint: "), "{stderr}");
        let (exit, stderr) = check(&["demo", "--json", "--bad"], Ok(Exit::DONE));
        assert_eq!((exit, stderr.lines().count()), (Exit(64), 3), "{stderr}");
    }

    #[test]
    fn an_error_without_a_code_is_internal_and_one_with_a_code_keeps_it() {
        let plain = anyhow::anyhow!("disk on fire").context("cannot open the journal");
        let expected = "error: cannot open the journal: disk on fire\n";
        let (exit, stderr) = check(&["demo"], Err(plain.into()));
        assert!(exit == Exit(1) && stderr.starts_with(expected), "{stderr}");

        for coded in [
            anyhow::Error::from(Problem::new(Code::Busy, "the directory is locked", "stop the daemon")),
            anyhow::Error::from(Failure::new(Code::Busy, "the directory is locked", "stop the daemon")),
        ] {
            let coded = coded.context("cannot open the journal");
            let expected = "error: cannot open the journal: the directory is locked\nhint: stop the daemon\n";
            assert_eq!(check(&["demo"], Err(coded.into())), (Exit(75), expected.to_owned()));
        }
    }

    fn check(args: &[&str], result: Result<Exit, Failure>) -> (Exit, String) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let mut stderr = Vec::new();
        let exit = run_on(&args, |_: Demo, _| result, &mut stderr);
        (exit, String::from_utf8(stderr).unwrap())
    }
}
