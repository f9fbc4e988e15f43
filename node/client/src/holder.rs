//! Who holds a seat when the application does not say.

use leasehold_protocol::api::HolderName;
use nix::unistd::{Uid, User, gethostname};

/// The user of this process (`uid:N` where it has no name) on this machine.
pub fn default_holder() -> HolderName {
    let uid = Uid::current();
    let user = User::from_uid(uid).ok().flatten().map(|user| user.name).filter(|name| !name.is_empty());
    let host = gethostname().ok().and_then(|name| name.into_string().ok()).filter(|name| !name.is_empty());
    HolderName {
        user: user.unwrap_or_else(|| format!("uid:{uid}")),
        host: host.unwrap_or_else(|| "localhost".to_owned()),
        process: None,
    }
}
