//! What every program can tell about itself for packages: shell completions and man pages, made from its arguments.
//!
//! The two verbs are added to each program by [`crate::run`], so none can lack them.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, ValueEnum, value_parser};
use clap_complete::aot::{Bash, Fish, Zsh, generate};
use clap_mangen::Man;
use leasehold_protocol::code::Code;
use serde::Serialize;

use crate::files::{self, Access, Existing};
use crate::{Failure, Output, People};

const COMPLETIONS: &str = "completions";
const MAN: &str = "man";

/// What a program was asked about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Manual {
    /// A completion script on standard output.
    Completions(Shell),
    /// Man pages in a directory.
    Pages(PathBuf),
}

/// A shell that can complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Serialize)]
struct Written {
    pages: Vec<PathBuf>,
}

/// The program with the verbs of this module.
pub(crate) fn with_verbs(command: Command) -> Command {
    let shell = Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(Shell));
    let out = Arg::new("out")
        .long("out")
        .value_name("DIR")
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .help("The directory to write them to");
    command
        .subcommand(
            Command::new(COMPLETIONS)
                .about("Print a completion script for a shell")
                .arg(shell.help("Which shell")),
        )
        .subcommand(Command::new(MAN).about("Write the man pages").arg(out))
}

impl Manual {
    /// What `matches` ask for, if it is one of the verbs of this module.
    pub(crate) fn asked(matches: &ArgMatches) -> Option<Self> {
        let (verb, matches) = matches.subcommand()?;
        match verb {
            COMPLETIONS => matches.get_one("shell").copied().map(Self::Completions),
            MAN => matches.get_one("out").cloned().map(Self::Pages),
            _ => None,
        }
    }

    /// Does it. `command` is the program with its verbs.
    pub(crate) fn answer(self, mut command: Command, output: Output) -> Result<(), Failure> {
        match self {
            Self::Completions(shell) => output.line(completions(shell, &mut command)?.trim_end()),
            Self::Pages(dir) => {
                let pages = write_pages(command, &dir)?;
                let people =
                    People::sentence(format!("wrote {} man pages to {}", pages.len(), dir.display()));
                output.answer(&Written { pages }, &people)
            }
        }
    }
}

fn completions(shell: Shell, command: &mut Command) -> Result<String, Failure> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    match shell {
        Shell::Bash => generate(Bash, command, name, &mut script),
        Shell::Zsh => generate(Zsh, command, name, &mut script),
        Shell::Fish => generate(Fish, command, name, &mut script),
    }
    String::from_utf8(script).map_err(|error| not_made("the completions", &error.to_string()))
}

/// One page for the program and one for each of its verbs.
fn write_pages(command: Command, dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    std::fs::create_dir_all(dir).map_err(|error| Failure::cannot_write(dir, &error))?;
    let mut written = Vec::new();
    let mut waiting = vec![command];
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned());
        let man = Man::new(command);
        let path = dir.join(man.get_filename());
        let mut page = Vec::new();
        man.render(&mut page).map_err(|error| not_made("a man page", &error.to_string()))?;
        files::write(&path, &page, Access::Everyone, Existing::Replace)?;
        written.push(path);
    }
    written.sort();
    Ok(written)
}

fn not_made(what: &str, why: &str) -> Failure {
    Failure::new(Code::Internal, format!("cannot make {what}: {why}"), "report this")
}
