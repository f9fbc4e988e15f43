//! Fail points: each step that changes what is stored has a name, and in a test build the environment says at which of
//! them the process dies, or the system refuses or lies.
//!
//! A name is what is done and to what: `write MARK`, `sync segment`, `rename snapshot`, `send answer`. In every other
//! build a step is nothing but its act: no name, no variable, no branch is left of it.

#[cfg(feature = "armed")]
mod armed;

#[cfg(feature = "armed")]
pub use self::armed::{step, step_in};

#[cfg(not(feature = "armed"))]
mod disarmed {
    use std::io;
    use std::os::fd::AsFd;

    /// Does `act`, which is to `what` the file `name`.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a step costs nothing, not even the text of its name")]
    pub fn step<T>(_what: &str, _name: &str, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        act()
    }

    /// Does `act`, which is to `what` an open file; in a test build its name is asked for.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a step costs nothing, not even the text of its name")]
    pub fn step_in(_what: &str, _file: &impl AsFd, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        act()
    }
}

#[cfg(not(feature = "armed"))]
pub use self::disarmed::{step, step_in};
