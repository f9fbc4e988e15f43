//! The API of the node: its routes, and who may call them.

mod access;
mod caller;
mod health;
mod routes;

pub(crate) use self::access::{Access, Anonymous, Door, Guarded};
pub(crate) use self::routes::{
    ForceRelease, ImportQuery, MakeReceipt, MakeRequest, NameIssuer, Recover, Shared, Surrender,
    admin_routes, data_routes,
};
