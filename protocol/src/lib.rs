//! The protocol of Leasehold: signed artefacts, their verification, the words on the wire.
//!
//! There is no IO in this crate, no clock, no randomness, no secret key and no `HashMap`: times, nonces and signatures
//! come in as arguments. Bytes become a [`envelope::Verified`] value through one function, [`envelope::verify`], over
//! the received bytes and before they are parsed; everything later asks for `Verified<T>`.
//!
//! The byte layout is specified in `docs/SPEC.md`, whose numbers are cited at the code.

pub mod api;
pub mod armour;
pub mod artefact;
pub mod bundle;
pub mod bytes;
pub mod canonical;
pub mod code;
pub mod entropy;
pub mod envelope;
pub mod event_id;
pub mod ids;
pub mod inspect;
pub mod join_code;
pub mod keys;
pub mod limits;
pub mod merkle;
pub mod pae;
pub mod problem;
pub mod proof;
pub mod request;
pub mod seq;
pub mod slots;
pub mod time;
pub mod trust_root;
