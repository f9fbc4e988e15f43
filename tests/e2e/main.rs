//! The three programs together, as a vendor, a customer and an application run them: real processes, real files, real
//! sockets. What one part promises alone is tested beside that part; here is what they promise to each other.

#![expect(clippy::unwrap_used, reason = "in a test, what must not fail fails the test")]

mod air_gap;
mod api;
mod bad_input;
mod clock;
mod crash;
mod damage;
mod hostile;
mod issuer_restore;
mod kill;
mod linear;
mod online;
mod parallel;
mod programs;
mod proofs;
mod recover;
mod retries;
mod seats;
mod site;
mod states;
mod syscalls;
mod terms;
mod tls;
mod tour;
mod vendor;
