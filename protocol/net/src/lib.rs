//! Listening and connecting: sockets, TLS 1.3 and HTTP, with every bound that a hostile network asks for.
//!
//! Nothing here decides about seats or signs artefacts, and no certificate authority is trusted: peers are known by
//! their public keys.
