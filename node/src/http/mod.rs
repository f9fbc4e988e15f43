//! The API of the node: its routes, and who calls them.

mod caller;
mod health;
mod routes;

use axum::Router;

pub(crate) use self::routes::{ImportQuery, MakeRequest, NameIssuer, Node, admin_routes, data_routes};

/// The routes with what surrounds each request.
pub(crate) fn serve_with(routes: Router<Node>, node: Node) -> Router {
    leasehold_net::surround(routes.with_state(node))
}
