//! A configuration file in TOML. An unknown key is an error that names it, its line, and the known key nearest to it.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::Path;

use leasehold_protocol::code::Code;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, de};

use crate::{Failure, limits};

/// A number from 1 to a most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpTo<const MOST: u32>(pub u32);

impl<'de, const MOST: u32> Deserialize<'de> for UpTo<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        let number = u32::try_from(number).ok().filter(|number| (1..=MOST).contains(number));
        number.map(Self).ok_or_else(|| de::Error::custom(format!("it must be 1 to {MOST}")))
    }
}

/// One TCP address or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "an address such as \"127.0.0.1:8443\", or a list of them")]
pub enum Listen {
    /// `"127.0.0.1:8443"`
    One(SocketAddr),
    /// `["127.0.0.1:8443", …]`
    Several(Vec<SocketAddr>),
}

impl Listen {
    /// All of them.
    pub fn addresses(&self) -> &[SocketAddr] {
        match self {
            Self::One(address) => std::slice::from_ref(address),
            Self::Several(addresses) => addresses,
        }
    }
}

/// Reads the file that was named, or the one at `default` if there is one.
pub fn load<T: DeserializeOwned + Default>(named: Option<&Path>, default: &Path) -> Result<T, Failure> {
    let path = named.unwrap_or(default);
    match read(path) {
        Ok(text) => parse(&text, path),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(Failure::new(
            Code::ConfigInvalid,
            format!("cannot read the configuration {}: {error}", path.display()),
            "check the path and who may read it, or leave out --config",
        )),
    }
}

/// Reads the text of the file at `path`.
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, Failure> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let said = error.message().lines().collect::<Vec<_>>().join(", ");
        let detail = format!("{} line {line}: {said}", path.display());
        Failure::new(Code::ConfigInvalid, detail, hint(error.message()))
    })
}

/// Keys that `T` knows and a sample lacks, each with its table; for tests of samples that must show every key. The
/// loader lists the keys of a table when it meets one that it does not know.
pub fn missing_keys<T: DeserializeOwned>(sample: &str) -> Result<Vec<String>, toml::de::Error> {
    let whole: toml::Table = toml::from_str(sample)?;
    let (mut missing, mut places) = (Vec::new(), vec![Vec::new()]);
    while let Some(place) = places.pop() {
        let present = table(&whole, &place);
        missing.extend(known_keys::<T>(&whole, &place).into_iter().filter_map(|key| {
            (!present.contains_key(&key)).then(|| [&place[..], &[key]].concat().join("."))
        }));
        let inner = present.iter().filter(|(_, value)| value.is_table());
        places.extend(inner.map(|(key, _)| [&place[..], std::slice::from_ref(key)].concat()));
    }
    Ok(missing)
}

fn known_keys<T: DeserializeOwned>(whole: &toml::Table, place: &[String]) -> Vec<String> {
    const UNKNOWN: &str = "no-such-key";
    let mut asking = whole.clone();
    let table = place.iter().try_fold(&mut asking, |table, key| table.get_mut(key)?.as_table_mut());
    if let Some(table) = table {
        table.insert(UNKNOWN.to_owned(), 1.into());
    }
    let Err(error) = asking.try_into::<T>() else { return Vec::new() };
    let quoted = error.message().split('`').skip(1).step_by(2).map(str::to_owned);
    quoted.filter(|key| key != UNKNOWN).collect()
}

fn table(whole: &toml::Table, place: &[String]) -> toml::Table {
    let found = place.iter().try_fold(whole, |table, key| table.get(key)?.as_table());
    found.cloned().unwrap_or_default()
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

    #[derive(Debug, Default, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Config {
        socket: Option<String>,
        connections: Option<UpTo<5>>,
    }

    #[test]
    fn an_error_names_key_file_line_and_the_nearest_key() {
        for (text, detail, hint) in [
            ("\nsokcet = \"/s\"", "x.toml line 2: unknown field `sokcet`", "did you mean `socket`?"),
            ("socket = 1", "x.toml line 1: invalid type", "correct the line"),
            ("socket = ", "x.toml line 1: ", "correct the line"),
        ] {
            let failure = parse::<Config>(text, Path::new("x.toml")).unwrap_err();
            assert_eq!(failure.code(), Code::ConfigInvalid);
            assert!(failure.problem().detail.starts_with(detail), "{}", failure.problem().detail);
            assert_eq!(failure.problem().hint, hint, "{text}");
        }
    }

    #[test]
    fn what_a_sample_lacks_is_found_in_every_table() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only its keys matter")]
        struct Nested {
            top: Option<u32>,
            inner: Config,
        }
        let missing = missing_keys::<Nested>("top = 1\n[inner]\nsocket = \"/s\"\nconnections = 2").unwrap();
        assert_eq!(missing, Vec::<String>::new());
        let missing = missing_keys::<Nested>("[inner]\nconnections = 2").unwrap();
        assert_eq!(missing, ["top", "inner.socket"]);
    }

    #[test]
    fn numbers_are_bounded() {
        for (number, allowed) in [(-1, false), (0, false), (1, true), (4, true), (5, true), (6, false)] {
            let parsed = parse::<Config>(&format!("connections = {number}"), Path::new("x.toml"));
            assert_eq!(parsed.is_ok(), allowed, "{number}");
        }
    }

    #[test]
    fn only_the_default_file_may_be_missing_and_files_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let (missing, path) = (dir.path().join("missing.toml"), dir.path().join("long.toml"));
        assert_eq!(load::<Config>(None, &missing).unwrap(), Config::default());
        assert_eq!(load::<Config>(Some(&missing), &path).unwrap_err().code(), Code::ConfigInvalid);
        let most = limits::CONFIG_BYTES;
        for (bytes, allowed) in [(most - 1, true), (most, true), (most + 1, false)] {
            std::fs::write(&path, "#".repeat(bytes)).unwrap();
            assert_eq!(load::<Config>(Some(&path), &missing).is_ok(), allowed, "{bytes}");
        }
    }
}
