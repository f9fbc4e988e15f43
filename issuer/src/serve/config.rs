//! The configuration file. Keys cannot be set by environment; an unknown key is an error that names it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use leasehold_cli::Failure;
use leasehold_cli::config_file::{self, Listen, UpTo};
use leasehold_cli::log::LogConfig;
use leasehold_net::{CertificateFiles, ServerFiles};
use leasehold_protocol::code::Code;
use serde::Deserialize;

use crate::api::{Counted, Rates};
use crate::limits;

/// Where it is looked for when nobody says; it need not be there.
pub(crate) const DEFAULT_FILE: &str = "/etc/leasehold/issuer.toml";
/// Where the service listens when nobody says.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7581);

/// What a configuration file may say. Every key has a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// TCP addresses; port 0 picks a free one.
    pub(crate) listen: Option<Listen>,
    /// Serve beyond this machine although no caller can prove who it is.
    pub(crate) allow_anonymous: bool,
    /// Certificates beside the issuer's own key.
    pub(crate) tls: Tls,
    /// Bounds of this service.
    pub(crate) limits: Limits,
    /// What is logged, and how.
    pub(crate) log: LogConfig,
}

/// Files of certificates, in PEM form; a hang-up reads them again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    /// A chain for clients that expect a certificate of an authority, with `key`.
    pub(crate) certificate: Option<PathBuf>,
    /// Its key.
    pub(crate) key: Option<PathBuf>,
}

/// Bounds that can be changed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Connections at once, 1 to 12 000.
    pub(crate) connections: UpTo<{ limits::CONNECTIONS }>,
    /// Requests per second of one address, and of one API key; said here it holds on this machine, too.
    pub(crate) requests_per_second: Option<NonZeroU32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: UpTo(limits::CONNECTIONS), requests_per_second: None }
    }
}

impl Config {
    /// Where to listen: as the command line says, else as the file does.
    pub(crate) fn addresses(&self, named: &[String]) -> Result<Vec<SocketAddr>, Failure> {
        let parse = |text: &String| {
            text.parse().map_err(|_| {
                let hint = "write for example 127.0.0.1:7581 or [::1]:7581; port 0 picks a free one";
                Failure::new(Code::ConfigInvalid, format!("{text:?} is no address to listen at"), hint)
            })
        };
        match (named, &self.listen) {
            ([], None) => Ok(vec![DEFAULT_ADDRESS]),
            ([], Some(listen)) => Ok(listen.addresses().to_vec()),
            (named, _) => named.iter().map(parse).collect(),
        }
    }

    /// An address that is open to the network where nothing but an API key tells callers apart.
    pub(crate) fn exposed(&self, addresses: &[SocketAddr]) -> Option<SocketAddr> {
        let open = addresses.iter().find(|address| !address.ip().to_canonical().is_loopback());
        open.filter(|_| !self.allow_anonymous).copied()
    }

    /// How often each address and each API key may ask. Callers on this machine are counted only if the file says a rate.
    pub(crate) fn rates(&self) -> Rates {
        let default = NonZeroU32::new(leasehold_net::limits::REQUESTS_PER_SECOND);
        match (self.limits.requests_per_second, default) {
            (Some(rate), _) => Rates::new(rate, Counted::Everybody),
            (None, Some(rate)) => Rates::new(rate, Counted::Remote),
            (None, None) => Rates::NONE,
        }
    }

    pub(crate) fn tls_files(&self) -> ServerFiles {
        let Tls { certificate, key } = self.tls.clone();
        let certificate = certificate.zip(key).map(|(chain, key)| CertificateFiles { chain, key });
        // Callers are known by API keys, nodes by keys of their own: no authority stands for anybody.
        ServerFiles { certificate, client_ca: None }
    }
}

/// Reads the file that was named, or the default one if there is one.
pub(crate) fn load(named: Option<&Path>) -> Result<Config, Failure> {
    let config: Config = config_file::load(named, Path::new(DEFAULT_FILE))?;
    check(config, named.unwrap_or(Path::new(DEFAULT_FILE)))
}

fn check(config: Config, path: &Path) -> Result<Config, Failure> {
    if config.tls.certificate.is_some() == config.tls.key.is_some() {
        return Ok(config);
    }
    let detail = format!("{} names one of tls.certificate and tls.key", path.display());
    Err(Failure::new(Code::ConfigInvalid, detail, "name both, or neither"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, Failure> {
        let path = Path::new("issuer.toml");
        config_file::parse(text, path).and_then(|config| check(config, path))
    }

    #[test]
    fn every_key_is_read() {
        let text = "listen = [\"0.0.0.0:1\"]\nallow_anonymous = true\n[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n\
                    [limits]\nconnections = 5\nrequests_per_second = 7\n";
        let config = parse(text).unwrap();
        assert!(config.allow_anonymous && config.tls_files().certificate.is_some());
        assert_eq!(config.addresses(&[]).unwrap(), ["0.0.0.0:1".parse().unwrap()]);
        assert_eq!(config.limits.requests_per_second, NonZeroU32::new(7));
        assert_eq!(parse("").unwrap(), Config::default());
        assert_eq!(Config::default().addresses(&[]).unwrap(), [DEFAULT_ADDRESS]);
        let one = parse("listen = \"[::1]:5\"").unwrap();
        assert_eq!(one.addresses(&[]).unwrap(), ["[::1]:5".parse().unwrap()]);
    }

    #[test]
    fn an_error_names_key_file_line_and_the_nearest_key() {
        for (text, detail, hint) in [
            ("\nlistn = []", "issuer.toml line 2: unknown field `listn`", "did you mean `listen`?"),
            ("listen = \"here\"", "issuer.toml line 1: an address such as", "correct the line"),
            ("[tls]\ncertificate = \"/c\"", "issuer.toml names one of", "name both, or neither"),
            ("[limits]\nrequests_per_second = 0", "issuer.toml line 2: invalid value", "correct the line"),
        ] {
            let failure = parse(text).unwrap_err();
            assert!(failure.problem().detail.starts_with(detail), "{}", failure.problem().detail);
            assert_eq!((failure.code(), failure.problem().hint.as_str()), (Code::ConfigInvalid, hint));
        }
    }

    #[test]
    fn the_samples_are_read_by_the_loader_and_the_full_one_has_every_key() {
        let sample = |name| Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config").join(name);
        for name in ["issuer.minimal.toml", "issuer.full.toml"] {
            load(Some(&sample(name))).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        }
        let text = std::fs::read_to_string(sample("issuer.full.toml")).unwrap();
        assert_eq!(config_file::missing_keys::<Config>(&text).unwrap(), Vec::<String>::new());
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
}
