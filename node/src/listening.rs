//! Where a daemon listens: its sockets, its TCP addresses, and who may come to them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use leasehold_cli::Failure;
use leasehold_net::unix_socket::{self, Listening, Place, SocketMode};
use leasehold_net::{Listener, ServerFiles, ServerTls, bind_tcp};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use tokio::net::{TcpListener, UnixListener};

use crate::api_keys::KeyRing;
use crate::cli::RunArgs;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::http::Anonymous;
use crate::limits;
use crate::signing::{self, KeyName};

/// Where the daemon listens when nobody says.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7580);

/// Where to listen.
#[derive(Debug)]
pub(crate) struct Places {
    /// The admin socket.
    pub(crate) admin: PathBuf,
    /// The data socket.
    pub(crate) data: PathBuf,
    /// Who may connect to the data socket.
    pub(crate) mode: SocketMode,
    /// TCP addresses.
    pub(crate) tcp: Vec<SocketAddr>,
    /// What TLS takes from files.
    pub(crate) files: ServerFiles,
    /// Whom TCP lets in.
    pub(crate) anonymous: Anonymous,
}

impl Places {
    /// What flags and configuration say; a flag wins. A socket that is named and no address mean no address.
    pub(crate) fn new(dir: &DataDir, args: &RunArgs, config: &Config) -> Result<Self, Failure> {
        let named = args.socket.as_ref().or(config.socket.as_ref());
        let data = named.map_or_else(|| dir.data_socket(), |path| DataDir::new(path).path().to_owned());
        let tcp = match (args.listen.as_slice(), &config.listen) {
            ([], Some(listen)) => listen.addresses().to_vec(),
            ([], None) if named.is_some() => Vec::new(),
            ([], None) => vec![DEFAULT_ADDRESS],
            (flags, _) => flags.to_vec(),
        };
        let anonymous = if config.allow_anonymous { Anonymous::Everywhere } else { Anonymous::OnThisMachine };
        let (admin, mode) = (dir.admin_socket(), config.socket_mode.unwrap_or(SocketMode::EVERYBODY));
        for path in [&data, &admin] {
            unix_socket::check_path(path).map_err(Problem::from)?;
        }
        if tcp.len() > limits::LISTENERS {
            let detail = format!("there are more than {} addresses to listen at", limits::LISTENERS);
            return Err(Failure::new(Code::ConfigInvalid, detail, "leave out some, or listen at 0.0.0.0"));
        }
        Ok(Self { admin, data, mode, tcp, files: config.tls.0.clone(), anonymous })
    }

    /// A network that nobody controls is not let in by an oversight.
    pub(crate) fn check_strangers(&self, keys: &KeyRing) -> Result<(), Failure> {
        let Some(address) = self.exposed().filter(|_| keys.is_empty()) else { return Ok(()) };
        Err(Failure::new(
            Code::ConfigInvalid,
            format!("{address} is open to the network, and no client could prove who it is"),
            "add a key with `leasehold-node key add`, or name a [tls] client_ca; \
             `allow_anonymous = true` in the configuration lets everybody in who reaches it",
        ))
    }

    /// An address that is open to the network where nothing but a key tells clients apart.
    pub(crate) fn exposed(&self) -> Option<SocketAddr> {
        let known = self.files.client_ca.is_some() || self.anonymous == Anonymous::Everywhere;
        let open = self.tcp.iter().find(|address| !address.ip().to_canonical().is_loopback());
        open.filter(|_| !known).copied()
    }

    /// Begins to listen. To be called inside of a runtime.
    pub(crate) fn bind(&self, dir: &DataDir) -> Result<Bound, Failure> {
        let admin = unix(Listening::bind(&self.admin, SocketMode::OWNER).map_err(Problem::from)?)?;
        let data = unix(Listening::bind(&self.data, self.mode).map_err(Problem::from)?)?;
        let tcp: Result<Vec<_>, _> = self.tcp.iter().map(|address| bind_tcp(*address)).collect();
        let tcp = tcp.map_err(Problem::from)?;
        let tls = if tcp.is_empty() { None } else { Some(Arc::new(tls(dir, &self.files)?)) };
        Ok(Bound { admin, data, tcp, tls })
    }
}

/// What listens. The files of the sockets go when this is dropped.
pub(crate) struct Bound {
    pub(crate) admin: (UnixListener, Place),
    pub(crate) data: (UnixListener, Place),
    pub(crate) tcp: Vec<TcpListener>,
    /// None without a TCP address.
    pub(crate) tls: Option<Arc<ServerTls>>,
}

impl Bound {
    /// As in the ready line.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let tcp = self.tcp.iter().filter_map(|listener| listener.local_addr().ok());
        tcp.map(|address| format!("https://{address}")).chain([self.data.1.to_string()]).collect()
    }

    /// The TCP listeners, each with TLS.
    pub(crate) fn network(tcp: Vec<TcpListener>, tls: Option<&Arc<ServerTls>>) -> Vec<Listener> {
        let with_tls = |tls: &Arc<ServerTls>| {
            tcp.into_iter().map(|listener| Listener::Tls(listener, Arc::clone(tls))).collect()
        };
        tls.map(with_tls).unwrap_or_default()
    }
}

/// The node in TLS: its own key, and what files say beside.
fn tls(dir: &DataDir, files: &ServerFiles) -> Result<ServerTls, Failure> {
    let key = signing::load(dir, KeyName::Tls)?.tls_key();
    Ok(ServerTls::new(&key, files).map_err(Problem::from)?)
}

fn unix(listening: Listening) -> Result<(UnixListener, Place), Failure> {
    let (listener, place) = listening.split();
    let listener = UnixListener::from_std(listener).map_err(|error| {
        Failure::new(Code::Internal, format!("cannot listen: {error}"), "check the limits of this process")
    })?;
    Ok((listener, place))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::api_keys;
    use leasehold_cli::config_file;

    fn places(flags: &[&str], socket: bool, config: &str) -> Result<Places, Failure> {
        let listen = flags.iter().map(|flag| flag.parse().unwrap()).collect();
        let args = RunArgs { socket: socket.then(|| "/s".into()), listen };
        Places::new(
            &DataDir::new(Path::new("/d")),
            &args,
            &config_file::parse(config, Path::new("node.toml"))?,
        )
    }

    #[test]
    fn a_flag_wins_and_a_socket_alone_opens_no_port() {
        let one = "listen = \"127.0.0.1:1\"";
        let both = "listen = [\"127.0.0.1:1\", \"[::1]:2\"]";
        for (flags, socket, config, tcp) in [
            (&[][..], false, "", &["127.0.0.1:7580"][..]),
            (&[], true, "", &[]),
            (&[], false, "socket = \"/s\"", &[]),
            (&[], true, one, &["127.0.0.1:1"]),
            (&[], false, both, &["127.0.0.1:1", "[::1]:2"]),
            (&["127.0.0.1:3"], false, both, &["127.0.0.1:3"]),
            (&["127.0.0.1:3"], true, "", &["127.0.0.1:3"]),
            (&[], false, "listen = []", &[]),
        ] {
            let found: Vec<_> =
                places(flags, socket, config).unwrap().tcp.iter().map(ToString::to_string).collect();
            assert_eq!(found, tcp, "{flags:?} {socket} {config}");
        }
    }

    #[test]
    fn the_number_of_addresses_is_bounded() {
        for (count, allowed) in
            [(limits::LISTENERS - 1, true), (limits::LISTENERS, true), (limits::LISTENERS + 1, false)]
        {
            assert_eq!(places(&vec!["127.0.0.1:0"; count], false, "").is_ok(), allowed, "{count}");
        }
    }

    #[test]
    fn an_open_network_needs_a_way_to_prove_oneself() {
        let dir = tempfile::tempdir().unwrap();
        let dir = DataDir::new(dir.path());
        let none = KeyRing::load(&dir).unwrap();
        api_keys::add(&dir, "ann", api_keys::Rights::Seats).unwrap();
        let some = KeyRing::load(&dir).unwrap();
        for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
            let places = |config| places(&["127.0.0.1:0", open], false, config).unwrap();
            let refused = places("").check_strangers(&none).unwrap_err();
            assert_eq!(refused.code(), Code::ConfigInvalid, "{open}");
            assert!(places("").check_strangers(&some).is_ok());
            assert!(places("allow_anonymous = true").check_strangers(&none).is_ok());
            assert!(places("[tls]\nclient_ca = \"/ca\"").check_strangers(&none).is_ok());
        }
        for near in ["127.0.0.1:0", "[::1]:0", "127.3.2.1:0"] {
            assert!(places(&[near], false, "").unwrap().check_strangers(&none).is_ok());
        }
    }
}
