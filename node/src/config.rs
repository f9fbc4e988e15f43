//! The configuration file. Keys cannot be set by environment; an unknown key is an error that names it.

use std::path::{Path, PathBuf};

use leasehold_cli::Failure;
use leasehold_cli::config_file::{self, Listen, UpTo};
use leasehold_cli::log::LogConfig;
use leasehold_net::unix_socket::SocketMode;
use leasehold_net::{CertificateFiles, ServerFiles};
use serde::Deserialize;

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
    /// Clients of the network need not prove who they are.
    pub(crate) allow_anonymous: bool,
    /// Certificates.
    pub(crate) tls: Tls,
    /// Bounds of this daemon.
    pub(crate) limits: Limits,
    /// What is logged, and how.
    pub(crate) log: LogConfig,
}

/// What TLS takes from files. All are read again at a hang-up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "TlsKeys")]
pub(crate) struct Tls(pub(crate) ServerFiles);

/// The section as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsKeys {
    /// A certificate of the customer's own, with those between it and its authority.
    certificate: Option<PathBuf>,
    /// Its secret key.
    key: Option<PathBuf>,
    /// Authorities whose certificates make clients known.
    client_ca: Option<PathBuf>,
}

impl TryFrom<TlsKeys> for Tls {
    type Error = &'static str;

    fn try_from(TlsKeys { certificate, key, client_ca }: TlsKeys) -> Result<Self, Self::Error> {
        let certificate = match (certificate, key) {
            (Some(chain), Some(key)) => Some(CertificateFiles { chain, key }),
            (None, None) => None,
            _ => return Err("certificate and key belong together"),
        };
        Ok(Self(ServerFiles { certificate, client_ca }))
    }
}

/// Bounds that a small machine lowers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Connections of each listener.
    pub(crate) connections: UpTo<{ limits::CONNECTIONS }>,
    /// Of them, those of one address of the network.
    pub(crate) connections_per_peer: UpTo<{ limits::CONNECTIONS }>,
    /// Requests of one caller of the network.
    pub(crate) requests_per_second: UpTo<{ limits::REQUESTS_PER_SECOND }>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: UpTo(limits::CONNECTIONS),
            connections_per_peer: UpTo(leasehold_net::limits::CONNECTIONS_PER_PEER),
            requests_per_second: UpTo(leasehold_net::limits::REQUESTS_PER_SECOND),
        }
    }
}

/// Reads the file that was named, or the default one if there is one.
pub(crate) fn load(named: Option<&Path>) -> Result<Config, Failure> {
    config_file::load(named, Path::new(DEFAULT_FILE))
}

#[cfg(test)]
mod tests {
    use leasehold_protocol::code::Code;

    use super::*;

    fn parse(text: &str) -> Result<Config, Failure> {
        config_file::parse(text, Path::new("node.toml"))
    }

    #[test]
    fn every_key_is_read() {
        let text = "data = \"/d\"\nsocket = \"/s\"\nsocket_mode = \"0660\"\n[limits]\nconnections = 5\n";
        let config = parse(text).unwrap();
        assert_eq!((config.data, config.socket), (Some("/d".into()), Some("/s".into())));
        assert_eq!(config.limits.connections, UpTo(5));
        assert_eq!(parse("").unwrap(), Config::default());
        let text = "listen = [\"127.0.0.1:0\", \"[::1]:0\"]\nallow_anonymous = true\n[tls]\ncertificate = \"/c\"\n\
                    key = \"/k\"\nclient_ca = \"/a\"\n[limits]\nconnections_per_peer = 6\nrequests_per_second = 7\n";
        let config = parse(text).unwrap();
        assert_eq!(config.listen.unwrap().addresses().len(), 2);
        assert!(config.allow_anonymous);
        let certificate = Some(CertificateFiles { chain: "/c".into(), key: "/k".into() });
        assert_eq!(config.tls.0, ServerFiles { certificate, client_ca: Some("/a".into()) });
        let Limits { connections, connections_per_peer, requests_per_second } = config.limits;
        assert_eq!(
            (connections, connections_per_peer, requests_per_second),
            (UpTo(12_000), UpTo(6), UpTo(7))
        );
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
            (
                "listen = \"node:1\"",
                "node.toml line 1: an address such as \"127.0.0.1:8443\"",
                "correct the line",
            ),
            ("listen = 7580", "node.toml line 1: an address such as \"127.0.0.1:8443\"", "correct the line"),
            (
                "[tls]\nkey = \"/k\"",
                "node.toml line 1: certificate and key belong together",
                "correct the line",
            ),
            ("[tls]\ncert = \"/k\"", "node.toml line 2: unknown field `cert`", "did you mean `certificate`?"),
        ] {
            let failure = parse(text).unwrap_err();
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
            let parsed = parse(&format!("[limits]\nconnections = {count}"));
            assert_eq!(parsed.is_ok(), allowed, "{count}");
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
        assert_eq!(config_file::missing_keys::<Config>(&text).unwrap(), Vec::<String>::new());
    }

    fn sample(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config").join(name)
    }
}
