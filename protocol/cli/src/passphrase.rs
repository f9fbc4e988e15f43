//! The issuer's passphrase: from a file, or asked of a person at a terminal.

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use leasehold_protocol::code::Code;
use zeroize::Zeroizing;

use crate::Failure;
use crate::files::{self, FileOrStdin};
use crate::limits::PASSPHRASE_MAX_BYTES;

/// Where the passphrase comes from.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct PassphraseArgs {
    /// Read the passphrase from this file; one trailing newline is dropped [default: ask]
    #[arg(long, value_name = "FILE", env = "LEASEHOLD_PASSPHRASE_FILE", global = true)]
    pub passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// The passphrase that was chosen once.
    pub fn existing(&self) -> Result<Passphrase, Failure> {
        match &self.passphrase_file {
            Some(path) => from_file(path),
            None => ask("Passphrase: "),
        }
    }

    /// A new passphrase; a person types it twice.
    pub fn chosen(&self) -> Result<Passphrase, Failure> {
        let Some(path) = &self.passphrase_file else {
            let first = ask("New passphrase: ")?;
            let second = ask("The same again: ")?;
            return if first == second { Ok(first) } else { Err(differ()) };
        };
        from_file(path)
    }
}

/// A passphrase: never empty, wiped from memory when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// The text itself, for the key derivation only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn new(bytes: Vec<u8>, origin: &str) -> Result<Self, Failure> {
        let bytes = Zeroizing::new(bytes);
        let hint = "a passphrase is a line of UTF-8 text";
        let refused = |what: &str| Failure::new(Code::ConfigInvalid, format!("{origin} {what}"), hint);
        let text = std::str::from_utf8(&bytes).map_err(|_| refused("is not UTF-8"))?;
        let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        if text.is_empty() {
            return Err(refused("is empty"));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn from_file(path: &Path) -> Result<Passphrase, Failure> {
    // Whatever is wrong with this file is wrong with how the program was set up, not with its input.
    let configuration = |failure: Failure| {
        Failure::new(
            Code::ConfigInvalid,
            &failure.problem().detail,
            "name a readable file with --passphrase-file",
        )
    };
    let bytes =
        files::read(&FileOrStdin::File(path.to_owned()), PASSPHRASE_MAX_BYTES).map_err(configuration)?;
    Passphrase::new(bytes, &format!("the passphrase in {}", path.display()))
}

fn ask(prompt: &str) -> Result<Passphrase, Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(needed("there is no terminal to ask for the passphrase"));
    }
    let typed = rpassword::prompt_password(prompt)
        .map_err(|error| needed(&format!("the passphrase could not be asked for: {error}")))?;
    Passphrase::new(typed.into_bytes(), "the passphrase")
}

fn needed(detail: &str) -> Failure {
    let hint = "add --passphrase-file FILE or set LEASEHOLD_PASSPHRASE_FILE";
    Failure::new(Code::PassphraseNeeded, detail, hint)
}

fn differ() -> Failure {
    Failure::new(Code::PassphraseWrong, "the two passphrases differ", "run it again and type the same twice")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn one_trailing_newline_is_dropped() {
        for (content, expected) in [
            (&b"correct horse"[..], "correct horse"),
            (b"correct horse\n", "correct horse"),
            (b"correct horse\r\n", "correct horse"),
            (b"correct horse\n\n", "correct horse\n"),
            (b" spaces stay \n", " spaces stay "),
            ("größe".as_bytes(), "größe"),
        ] {
            assert_eq!(read(content).unwrap().expose(), expected);
        }
    }

    #[test]
    fn a_file_that_holds_no_passphrase_is_bad_configuration() {
        let longest = vec![b'x'; PASSPHRASE_MAX_BYTES];
        assert_eq!(read(&longest).unwrap().expose().len(), PASSPHRASE_MAX_BYTES);
        let too_long = vec![b'x'; PASSPHRASE_MAX_BYTES + 1];
        for content in [&b""[..], b"\n", b"\r\n", b"\xff\xfe", &too_long] {
            assert_eq!(read(content).unwrap_err().code(), Code::ConfigInvalid, "{} bytes", content.len());
        }
        let args = PassphraseArgs { passphrase_file: Some("/nonexistent".into()) };
        assert_eq!(args.existing().unwrap_err().code(), Code::ConfigInvalid);
        assert_eq!(args.chosen().unwrap_err().code(), Code::ConfigInvalid);
    }

    #[test]
    fn a_passphrase_does_not_show() {
        assert_eq!(format!("{:?}", read(b"secret").unwrap()), "[redacted]");
    }

    fn read(content: &[u8]) -> Result<Passphrase, Failure> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        fs::write(&path, content).unwrap();
        PassphraseArgs { passphrase_file: Some(path) }.existing()
    }
}
