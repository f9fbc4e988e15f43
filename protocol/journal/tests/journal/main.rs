//! The file home, over a disk that fails as told and over a real one.

#![expect(clippy::unwrap_used, reason = "in a test, what must not fail fails the test")]

mod behaviour;
mod cuts;
mod damage;
mod faults;
mod kill;
mod power;
mod real;
mod rig;
mod snapshots;
mod torn;
