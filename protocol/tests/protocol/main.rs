//! The protocol as its readers see it: bytes in, a verdict out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod api;
mod batch;
mod bundle;
mod canonical;
mod envelope;
mod fixture;
mod limits;
mod proof;
mod random;
mod request;
mod root;
mod signatures;
mod source;
mod text;
mod values;
mod vectors;
