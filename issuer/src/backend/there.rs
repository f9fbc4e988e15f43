//! The API at another process: of this machine, or elsewhere.

use std::io;
use std::path::PathBuf;

use axum::body::Bytes;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderValue, Response};
use clap::Args;
use http_body_util::Full;
use leasehold_cli::files::{self, FileOrStdin};
use leasehold_cli::{Failure, not_owner};
use leasehold_net::{Address, ClientTls, ConnectError, Connection, ServerKey, Timeouts};
use leasehold_protocol::bytes::SpkiDigest;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;

use super::Call;
use crate::limits;
use crate::state_dir::StateDir;

/// An issuer that runs elsewhere
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RemoteArgs {
    /// Send the command to the issuer at this address: https://HOST:PORT
    #[arg(long, value_name = "URL", global = true, help_heading = "Remote")]
    url: Option<Address>,
    /// The API key is in this file; one trailing newline is dropped
    #[arg(long, value_name = "FILE", global = true, help_heading = "Remote")]
    key_file: Option<PathBuf>,
    /// The hash of the issuer's TLS key, as its `ready.json` and join codes say it
    #[arg(long, value_name = "64 HEX DIGITS", global = true, help_heading = "Remote")]
    pin: Option<SpkiDigest>,
    /// Trust certificates of the authorities in this file instead
    #[arg(long, value_name = "FILE", global = true, help_heading = "Remote")]
    ca: Option<PathBuf>,
}

/// An issuer that runs elsewhere, and the key that it is asked with.
#[derive(Debug)]
pub(crate) struct Remote {
    address: Address,
    tls: ClientTls,
    bearer: HeaderValue,
}

impl RemoteArgs {
    /// The issuer that is meant, if it runs elsewhere.
    pub(crate) fn remote(&self) -> Result<Option<Remote>, Failure> {
        let Some(address) = &self.url else {
            let alone = self.key_file.is_some() || self.pin.is_some() || self.ca.is_some();
            let nowhere = || Failure::usage("an issuer elsewhere is meant, but not where it is", "add --url");
            return if alone { Err(nowhere()) } else { Ok(None) };
        };
        let key_file = self.key_file.as_deref().ok_or_else(|| {
            Failure::usage("an issuer elsewhere is asked with an API key", "add --key-file FILE")
        })?;
        let server = match (self.pin, &self.ca) {
            (Some(pin), None) => ServerKey::Pinned([pin].into()),
            (None, Some(file)) => ServerKey::Authority(file.clone()),
            _ => {
                return Err(Failure::usage(
                    "exactly one thing must say which issuer is the right one",
                    "add --pin with the hash of its TLS key, or --ca FILE",
                ));
            }
        };
        let tls = ClientTls::new(&server, None).map_err(Problem::from)?;
        Ok(Some(Remote { address: address.clone(), tls, bearer: bearer(key_file)? }))
    }
}

fn bearer(file: &std::path::Path) -> Result<HeaderValue, Failure> {
    let bytes = files::read(&FileOrStdin::File(file.to_owned()), limits::API_KEY_FILE_BYTES)?;
    let text = String::from_utf8_lossy(&bytes);
    let value = HeaderValue::from_str(&format!("Bearer {}", text.trim_end())).ok();
    let mut value = value.filter(|_| !text.trim().is_empty()).ok_or_else(|| {
        let detail = format!("{} holds no API key", file.display());
        Failure::new(Code::ConfigInvalid, detail, "put into it what `api-key create` shows as the secret")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

impl Remote {
    /// Where it is.
    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    pub(super) async fn exchange(&self, call: Call) -> Result<Response<Bytes>, Failure> {
        let connection =
            Connection::open(&self.address, &self.tls, timeouts()).await.map_err(Problem::from)?;
        exchange(connection, call.with(AUTHORIZATION, self.bearer.clone())).await
    }
}

/// The daemon that runs on `dir`, if one does.
pub(super) async fn daemon(dir: &StateDir) -> Result<Option<Connection>, Failure> {
    let path = dir.admin_socket();
    if leasehold_net::unix_socket::check_path(&path).is_err() {
        // No daemon can listen there.
        return Ok(None);
    }
    match Connection::unix(&path, timeouts()).await {
        Ok(connection) => Ok(Some(connection)),
        Err(ConnectError::Unreachable { source, .. })
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
        {
            Ok(None)
        }
        Err(ConnectError::Unreachable { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
            Err(not_owner(dir.path(), &source))
        }
        Err(error) => Err(Problem::from(error).into()),
    }
}

pub(super) async fn exchange(mut connection: Connection, call: Call) -> Result<Response<Bytes>, Failure> {
    let request = call.into_request::<Full<Bytes>>();
    Ok(connection.exchange(request, limits::ANSWER_BYTES).await.map_err(Problem::from)?)
}

fn timeouts() -> Timeouts {
    Timeouts { answer: limits::DAEMON_TIMEOUT, ..Timeouts::default() }
}
