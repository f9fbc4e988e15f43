//! The configuration file. Keys cannot be set by environment; an unknown key is an error that names it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use leasehold_cli::Failure;
use leasehold_cli::log::LogConfig;
use leasehold_net::unix_socket::SocketMode;
use leasehold_protocol::code::Code;
use serde::{Deserialize, Deserializer, de};

use crate::limits;

/// Where it is looked for when nobody says; it need not be there.
pub(crate) const DEFAULT_FILE: &str = "/etc/leasehold/node.toml";

/// What a configuration file may say. Every key has a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The data directory.
    pub(crate) data: Option<PathBuf>,
    /// The data socket.
    pub(crate) socket: Option<PathBuf>,
    /// Who may connect to the data socket.
    pub(crate) socket_mode: Option<SocketMode>,
    /// TCP addresses.
    pub(crate) listen: Option<Listen>,
    /// Bounds of this daemon.
    pub(crate) limits: Limits,
    /// What is logged, and how.
    pub(crate) log: LogConfig,
}

/// One address or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Listen {
    /// `"127.0.0.1:7580"`
    One(String),
    /// `["127.0.0.1:7580", …]`
    Several(Vec<String>),
}

/// Bounds that a small machine lowers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Connections of the data socket.
    pub(crate) connections: Connections,
}

/// How many connections, 1 to [`limits::CONNECTIONS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connections(pub(crate) u32);

impl Default for Connections {
    fn default() -> Self {
        Self(limits::CONNECTIONS)
    }
}

impl<'de> Deserialize<'de> for Connections {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = i64::deserialize(deserializer)?;
        let count = u32::try_from(count).ok().filter(|count| (1..=limits::CONNECTIONS).contains(count));
        count
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("connections must be 1 to {}", limits::CONNECTIONS)))
    }
}

/// Reads the file that was named, or the default one if there is one.
pub(crate) fn load(named: Option<&Path>) -> Result<Config, Failure> {
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
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let said = error.message().lines().collect::<Vec<_>>().join(", ");
        let detail = format!("{} line {line}: {said}", path.display());
        Failure::new(Code::ConfigInvalid, detail, hint(error.message()))
    })
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
        let text = "data = \"/d\"\nsocket = \"/s\"\nsocket_mode = \"0660\"\n[limits]\nconnections = 5\n";
        let config = parse(text, Path::new("node.toml")).unwrap();
        assert_eq!((config.data, config.socket), (Some("/d".into()), Some("/s".into())));
        assert_eq!(config.limits.connections, Connections(5));
        assert_eq!(parse("", Path::new("node.toml")).unwrap(), Config::default());
    }

    #[test]
    fn an_error_names_key_file_line_and_the_nearest_key() {
        for (text, detail, hint) in [
            (
                "data = \"/d\"\nsokcet = \"/s\"",
                "node.toml line 2: unknown field `sokcet`",
                "did you mean `socket`?",
            ),
            (
                "[limits]\n\nconections = 5",
                "node.toml line 3: unknown field `conections`",
                "did you mean `connections`?",
            ),
            ("socket_mode = \"0888\"", "node.toml line 1: a socket mode is octal digits", "correct the line"),
            ("\n[limits]\nconnections = \"many\"", "node.toml line 3: invalid type", "correct the line"),
            ("data = ", "node.toml line 1: ", "correct the line"),
        ] {
            let failure = parse(text, Path::new("node.toml")).unwrap_err();
            assert_eq!(failure.code(), Code::ConfigInvalid);
            assert!(failure.problem().detail.starts_with(detail), "{}", failure.problem().detail);
            assert_eq!(failure.problem().hint, hint, "{text}");
        }
    }

    #[test]
    fn connections_are_bounded() {
        for (count, allowed) in
            [(-1, false), (0, false), (1, true), (11_999, true), (12_000, true), (12_001, false)]
        {
            let parsed = parse(&format!("[limits]\nconnections = {count}"), Path::new("node.toml"));
            assert_eq!(parsed.is_ok(), allowed, "{count}");
        }
    }

    #[test]
    fn only_the_default_file_may_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        let failure = load(Some(&dir.path().join("node.toml"))).unwrap_err();
        assert_eq!(failure.code(), Code::ConfigInvalid);
        for (bytes, allowed) in [
            (limits::CONFIG_BYTES - 1, true),
            (limits::CONFIG_BYTES, true),
            (limits::CONFIG_BYTES + 1, false),
        ] {
            let path = dir.path().join("long.toml");
            std::fs::write(&path, "#".repeat(bytes)).unwrap();
            assert_eq!(load(Some(&path)).is_ok(), allowed, "{bytes}");
        }
    }

    #[test]
    fn the_samples_are_read_by_the_loader() {
        for name in ["node.minimal.toml", "node.full.toml"] {
            load(Some(&sample(name))).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        }
    }

    #[test]
    fn the_full_sample_has_every_key() {
        let text = std::fs::read_to_string(sample("node.full.toml")).unwrap();
        let whole: toml::Table = toml::from_str(&text).unwrap();
        let mut tables = vec![Vec::new()];
        while let Some(place) = tables.pop() {
            let (known, present) = (known_keys(&whole, &place), table(&whole, &place));
            assert!(!known.is_empty(), "{place:?} has keys");
            for key in known {
                // TCP addresses are refused as long as there is no TLS.
                let expected = key != "listen";
                assert_eq!(present.contains_key(&key), expected, "{key} of {place:?} in the full sample");
            }
            let inner = present.iter().filter(|(_, value)| value.is_table());
            tables.extend(inner.map(|(key, _)| [&place[..], std::slice::from_ref(key)].concat()));
        }
    }

    /// The keys that the loader knows in a table: it lists them when it meets one that it does not know.
    fn known_keys(whole: &toml::Table, place: &[String]) -> Vec<String> {
        let mut asking = whole.clone();
        let table = place.iter().fold(&mut asking, |table, key| table[key].as_table_mut().unwrap());
        table.insert("no-such-key".to_owned(), 1.into());
        let error = toml::from_str::<Config>(&toml::to_string(&asking).unwrap()).unwrap_err();
        let quoted = error.message().split('`').skip(1).step_by(2).map(str::to_owned);
        quoted.filter(|key| key != "no-such-key").collect()
    }

    fn table<'a>(whole: &'a toml::Table, place: &[String]) -> &'a toml::Table {
        place.iter().fold(whole, |table, key| table[key].as_table().unwrap())
    }

    fn sample(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config").join(name)
    }
}
