//! The configuration file. Keys cannot be set by environment; an unknown key is an error that names it.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use leasehold_cli::Failure;
use leasehold_cli::log::LogConfig;
use leasehold_net::{CertificateFiles, ServerFiles};
use leasehold_protocol::code::Code;
use serde::{Deserialize, Deserializer, de};

use crate::api::{Counted, Rates};
use crate::limits;

/// Where it is looked for when nobody says; it need not be there.
pub(super) const DEFAULT_FILE: &str = "/etc/leasehold/issuer.toml";
/// Where the service listens when nobody says.
const DEFAULT_ADDRESS: &str = "127.0.0.1:7581";

/// What a configuration file may say. Every key has a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Config {
    /// TCP addresses; port 0 picks a free one.
    pub(super) listen: Vec<String>,
    /// Serve beyond this machine although no caller can prove who it is.
    pub(super) allow_anonymous: bool,
    /// Certificates beside the issuer's own key.
    pub(super) tls: Tls,
    /// Bounds of this service.
    pub(super) limits: Limits,
    /// What is logged, and how.
    pub(super) log: LogConfig,
}

/// Files of certificates, in PEM form; a hang-up reads them again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tls {
    /// A chain for clients that expect a certificate of an authority, with `key`.
    pub(super) certificate: Option<PathBuf>,
    /// Its key.
    pub(super) key: Option<PathBuf>,
    /// Authorities of client certificates.
    pub(super) client_ca: Option<PathBuf>,
}

/// Bounds that can be changed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    /// Connections at once, 1 to 12 000.
    #[serde(deserialize_with = "connections")]
    pub(super) connections: u32,
    /// Requests per second of one API key; said here it holds on this machine, too.
    pub(super) requests_per_second: Option<NonZeroU32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: limits::CONNECTIONS, requests_per_second: None }
    }
}

impl Config {
    /// Where to listen: as the command line says, else as the file does.
    pub(super) fn addresses(&self, named: &[String]) -> Result<Vec<SocketAddr>, Failure> {
        let texts: Vec<&str> = match (named, self.listen.as_slice()) {
            ([], []) => vec![DEFAULT_ADDRESS],
            ([], listen) => listen.iter().map(String::as_str).collect(),
            (named, _) => named.iter().map(String::as_str).collect(),
        };
        let parse = |text: &&str| {
            text.parse().map_err(|_| {
                let hint = "write for example 127.0.0.1:7581 or [::1]:7581; port 0 picks a free one";
                Failure::new(Code::ConfigInvalid, format!("{text:?} is no address to listen at"), hint)
            })
        };
        texts.iter().map(parse).collect()
    }

    /// How often each API key may ask. Callers on this machine are counted only if the file says a rate.
    pub(super) fn rates(&self) -> Rates {
        let default = NonZeroU32::new(leasehold_net::limits::REQUESTS_PER_SECOND);
        match (self.limits.requests_per_second, default) {
            (Some(rate), _) => Rates::new(rate, Counted::Everybody),
            (None, Some(rate)) => Rates::new(rate, Counted::Remote),
            (None, None) => Rates::NONE,
        }
    }

    pub(super) fn tls_files(&self) -> ServerFiles {
        let Tls { certificate, key, client_ca } = self.tls.clone();
        let certificate = certificate.zip(key).map(|(chain, key)| CertificateFiles { chain, key });
        ServerFiles { certificate, client_ca }
    }
}

fn connections<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let count = i64::deserialize(deserializer)?;
    let count = u32::try_from(count).ok().filter(|count| (1..=limits::CONNECTIONS).contains(count));
    count.ok_or_else(|| de::Error::custom(format!("connections must be 1 to {}", limits::CONNECTIONS)))
}

/// Reads the file that was named, or the default one if there is one.
pub(super) fn load(named: Option<&Path>) -> Result<Config, Failure> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    match read(path) {
        Ok(text) => parse(&text, path),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(Config::default()),
        Err(error) => Err(Failure::new(
            Code::ConfigInvalid,
            format!("cannot read the configuration {}: {error}", path.display()),
            "check the path and who may read it, or leave out --config",
        )),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(limits::CONFIG_BYTES as u64 + 1).read_to_string(&mut text)?;
    if text.len() > limits::CONFIG_BYTES {
        let detail = format!("it has more than {} bytes", limits::CONFIG_BYTES);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, detail));
    }
    Ok(text)
}

fn parse(text: &str, path: &Path) -> Result<Config, Failure> {
    let refused = |detail: String, hint: String| {
        Failure::new(Code::ConfigInvalid, format!("{} {detail}", path.display()), hint)
    };
    let config: Config = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let said = error.message().lines().collect::<Vec<_>>().join(", ");
        refused(format!("line {line}: {said}"), hint(error.message()))
    })?;
    if config.tls.certificate.is_some() == config.tls.key.is_some() {
        return Ok(config);
    }
    Err(refused("names one of tls.certificate and tls.key".to_owned(), "name both, or neither".to_owned()))
}

/// Names the known key that is nearest to an unknown one.
fn hint(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown field").then(|| quoted.next()).flatten();
    let nearest = unknown.and_then(|unknown| {
        let likeness = |key: &&str| strsim::jaro_winkler(unknown, key);
        quoted.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
    });
    match nearest {
        Some(key) => format!("did you mean `{key}`?"),
        None => "correct the line".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let text = "listen = [\"0.0.0.0:1\"]\nallow_anonymous = true\n[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n\
                    client_ca = \"/a\"\n[limits]\nconnections = 5\nrequests_per_second = 7\n";
        let config = parse(text, Path::new("issuer.toml")).unwrap();
        assert!(config.allow_anonymous && config.tls_files().certificate.is_some());
        assert_eq!(config.addresses(&[]).unwrap(), ["0.0.0.0:1".parse().unwrap()]);
        assert_eq!(config.limits.requests_per_second, NonZeroU32::new(7));
        assert_eq!(parse("", Path::new("issuer.toml")).unwrap(), Config::default());
        assert_eq!(Config::default().addresses(&[]).unwrap(), [DEFAULT_ADDRESS.parse().unwrap()]);
    }

    #[test]
    fn an_error_names_key_file_line_and_the_nearest_key() {
        for (text, detail, hint) in [
            ("\nlistn = []", "issuer.toml line 2: unknown field `listn`", "did you mean `listen`?"),
            ("[tls]\ncertificate = \"/c\"", "issuer.toml names one of", "name both, or neither"),
            ("[limits]\nrequests_per_second = 0", "issuer.toml line 2: invalid value", "correct the line"),
        ] {
            let failure = parse(text, Path::new("issuer.toml")).unwrap_err();
            assert!(failure.problem().detail.starts_with(detail), "{}", failure.problem().detail);
            assert_eq!((failure.code(), failure.problem().hint.as_str()), (Code::ConfigInvalid, hint));
        }
    }

    #[test]
    fn connections_and_the_file_are_bounded() {
        for (count, allowed) in
            [(-1, false), (0, false), (1, true), (11_999, true), (12_000, true), (12_001, false)]
        {
            let parsed = parse(&format!("[limits]\nconnections = {count}"), Path::new("issuer.toml"));
            assert_eq!(parsed.is_ok(), allowed, "{count}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long.toml");
        for (bytes, allowed) in [
            (limits::CONFIG_BYTES - 1, true),
            (limits::CONFIG_BYTES, true),
            (limits::CONFIG_BYTES + 1, false),
        ] {
            std::fs::write(&path, "#".repeat(bytes)).unwrap();
            assert_eq!(load(Some(&path)).is_ok(), allowed, "{bytes}");
        }
    }
}
