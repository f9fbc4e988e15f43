//! Unix sockets: their place, their mode, and what may stand in their way.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use nix::sys::stat::{Mode, umask};
use serde::{Deserialize, Deserializer, de};

use crate::{ListenError, limits};

/// Who may connect, as octal digits: `0666` for everybody on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(u32);

impl SocketMode {
    /// The data socket: everybody on this machine may ask for a seat.
    pub const EVERYBODY: Self = Self(0o666);
    /// The admin socket.
    pub const OWNER: Self = Self(0o600);
}

impl<'de> Deserialize<'de> for SocketMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777 && text.len() <= 4);
        mode.map(Self)
            .ok_or_else(|| de::Error::custom("a socket mode is octal digits in quotes, such as \"0660\""))
    }
}

/// A listening socket; its file goes when this is dropped.
#[derive(Debug)]
pub struct Listening {
    listener: UnixListener,
    place: Place,
}

/// The file of a listening socket, removed on drop.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Listening {
    /// Listens at `path`. A socket that nobody answers at is a stale one and replaced; anything else is left alone.
    pub fn bind(path: &Path, mode: SocketMode) -> Result<Self, ListenError> {
        check_path(path)?;
        clear(path)?;
        let bind = || {
            // Nobody connects between bind and the mode: it begins closed to others.
            let before = umask(Mode::from_bits_truncate(0o177));
            let listener = UnixListener::bind(path);
            umask(before);
            let listener = listener?;
            let place = Place(path.to_owned());
            fs::set_permissions(path, fs::Permissions::from_mode(mode.0))?;
            listener.set_nonblocking(true)?;
            Ok(Self { listener, place })
        };
        bind().map_err(|error| ListenError::cannot_make(path, error))
    }

    /// The listener for the runtime, and the file that must be kept as long as it listens.
    pub fn split(self) -> (UnixListener, Place) {
        (self.listener, self.place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A socket that stays behind is stale and will be replaced.
        let _ = fs::remove_file(&self.0);
    }
}

/// As in `ready` lines and addresses.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix:{}", self.0.display())
    }
}

/// Refuses a path that the kernel has no room for.
pub fn check_path(path: &Path) -> Result<(), ListenError> {
    let bytes = path.as_os_str().as_bytes().len();
    if bytes <= limits::SOCKET_PATH_BYTES {
        return Ok(());
    }
    Err(ListenError::PathTooLong { path: path.to_owned(), bytes })
}

fn clear(path: &Path) -> Result<(), ListenError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(ListenError::NoSocket(path.to_owned())),
        Ok(_) if UnixStream::connect(path).is_ok() => Err(ListenError::InUse(path.display().to_string())),
        Ok(_) => fs::remove_file(path).map_err(|error| ListenError::cannot_make(path, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(ListenError::cannot_make(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use leasehold_protocol::code::Code;

    use super::*;

    #[test]
    fn paths_are_bounded_as_the_kernel_does() {
        for (bytes, fits) in [(106, true), (107, true), (108, false)] {
            let path = PathBuf::from(format!("/{}", "s".repeat(bytes - 1)));
            assert_eq!(check_path(&path).is_ok(), fits, "{bytes}");
        }
        let dir = tempfile::tempdir().unwrap();
        let room = limits::SOCKET_PATH_BYTES - dir.path().as_os_str().len() - 1;
        assert!(Listening::bind(&dir.path().join("s".repeat(room)), SocketMode::OWNER).is_ok());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a stale socket");
        let listening = Listening::bind(&path, SocketMode::OWNER).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Listening::bind(&path, SocketMode::OWNER).err().unwrap().code(), Code::Busy);
        drop(listening);
        assert!(!path.exists());
        fs::write(&path, "mine").unwrap();
        assert_eq!(Listening::bind(&path, SocketMode::OWNER).err().unwrap().code(), Code::CannotCreate);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[test]
    fn modes_are_octal() {
        let read = |text: &str| toml::from_str::<std::collections::BTreeMap<String, SocketMode>>(text);
        assert_eq!(read("m = \"0660\"").unwrap()["m"], SocketMode(0o660));
        assert_eq!(read("m = \"666\"").unwrap()["m"], SocketMode::EVERYBODY);
        for bad in ["m = \"0888\"", "m = \"01777\"", "m = \"\"", "m = 432", "m = \"rw\""] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
