//! Which node, whom to trust, and who asks: the client that the arguments describe.

use std::path::Path;

use leasehold_cli::Failure;
use leasehold_cli::files::{self, FileOrStdin};
use leasehold_client::limits::BEARER_KEY_BYTES;
use leasehold_client::{Address, AddressError, BearerKey, Client, Error};
use leasehold_protocol::code::Code;

use crate::cli::{PlaceArgs, ReachArgs};
use crate::trust::trust_root;

/// A client, for which a trust root must be there.
pub(super) fn client(place: &PlaceArgs, reach: &ReachArgs) -> Result<Client, Failure> {
    let mut builder = Client::builder(trust_root(place.trust.as_deref())?).timeout(reach.timeout);
    for address in addresses(place)? {
        builder = builder.address(address);
    }
    if let Some(ca) = &place.ca {
        builder = builder.ca(ca);
    }
    if let (Some(chain), Some(key)) = (&place.client_cert, &place.client_key) {
        builder = builder.certificate(chain, key);
    }
    if let Some(file) = &place.key_file {
        builder = builder.bearer_key(bearer_key(file)?);
    }
    builder.build().map_err(|error| match error {
        Error::Failed(problem) => Failure::from(*problem),
        denied @ Error::Denied(_) => Failure::new(Code::Internal, denied.to_string(), "report this"),
    })
}

/// The addresses of `--node`.
pub(super) fn addresses(place: &PlaceArgs) -> Result<Vec<Address>, Failure> {
    let address = |text: &str| {
        text.parse().map_err(|error: AddressError| {
            let hint = "name the node with --node https://HOST:PORT or --node unix:/PATH";
            Failure::new(Code::ConfigInvalid, error.to_string(), hint)
        })
    };
    place.node.split(',').map(str::trim).map(address).collect()
}

fn bearer_key(path: &Path) -> Result<BearerKey, Failure> {
    // One line, whose end does not count.
    let bytes = files::read(&FileOrStdin::File(path.to_owned()), BEARER_KEY_BYTES + 2)?;
    let key = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim_end().parse().ok());
    key.ok_or_else(|| {
        let detail = format!("{} holds no bearer key", path.display());
        Failure::new(Code::ConfigInvalid, detail, "put the key alone into the file, on one line")
    })
}
