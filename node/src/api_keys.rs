//! Keys that callers show as `Authorization: Bearer`: made once, kept as hashes only.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use arc_swap::ArcSwap;
use data_encoding::BASE64URL_NOPAD;
use leasehold_cli::Failure;
use leasehold_cli::files::{self, Access, Existing, FileOrStdin};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_protocol::limits::NAME_BYTES;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::data_dir::DataDir;
use crate::limits;

/// What a key begins with, so that people and scanners know it for one.
const PREFIX: &str = "lhk_";

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKey {
    /// Who shows it; a holder of this user name is proven by it.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) rights: Rights,
    /// SHA-256 of its text. The text has 256 random bits, so there is nothing to guess and nothing to stretch.
    hash: Digest,
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Rights {
    /// Take seats, and see what everybody may see.
    Seats,
    /// Everything.
    Admin,
}

impl ApiKey {
    /// What names the key: the beginning of its hash.
    pub(crate) fn id(&self) -> [u8; 8] {
        let mut id = [0; 8];
        id.copy_from_slice(&self.hash.0[..8]);
        id
    }

    /// The same as text: 16 hex digits.
    pub(crate) fn id_text(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.id())
    }
}

/// The keys that a daemon knows.
#[derive(Debug)]
pub(crate) struct KeyRing(ArcSwap<BTreeMap<Digest, Arc<ApiKey>>>);

impl KeyRing {
    /// Those of the directory.
    pub(crate) fn load(dir: &DataDir) -> Result<Self, Failure> {
        Ok(Self(ArcSwap::from_pointee(ring(dir)?)))
    }

    /// Those of the directory as they are now. If they cannot be read, the earlier ones stay.
    pub(crate) fn reload(&self, dir: &DataDir) -> Result<(), Failure> {
        self.0.store(Arc::new(ring(dir)?));
        Ok(())
    }

    /// The key with this text.
    pub(crate) fn find(&self, text: &str) -> Option<Arc<ApiKey>> {
        self.0.load().get(&hash(text)).cloned()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.load().is_empty()
    }
}

fn ring(dir: &DataDir) -> Result<BTreeMap<Digest, Arc<ApiKey>>, Failure> {
    Ok(list(dir)?.into_iter().map(|key| (key.hash, Arc::new(key))).collect())
}

/// The file.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    keys: Vec<ApiKey>,
}

/// The keys of a directory, in the order in which they were made.
pub(crate) fn list(dir: &DataDir) -> Result<Vec<ApiKey>, Failure> {
    let path = dir.api_keys();
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = files::read(&FileOrStdin::File(path.clone()), limits::API_KEY_FILE_BYTES)?;
    let KeyFile { keys } = serde_json::from_slice(&text).map_err(|error| {
        let detail = format!("cannot use {}: {error}", path.display());
        Failure::new(
            Code::ConfigInvalid,
            detail,
            "restore it from a backup, or move it away and add new keys",
        )
    })?;
    Ok(keys)
}

/// Makes a key. Its text is known to nobody once this one is dropped.
pub(crate) fn add(dir: &DataDir, name: &str, rights: Rights) -> Result<(ApiKey, Zeroizing<String>), Failure> {
    check_name(name)?;
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut()).map_err(|error| {
        Failure::new(Code::Internal, format!("the system gives no randomness: {error}"), "check the kernel")
    })?;
    let text = Zeroizing::new(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(secret.as_ref())));
    let key = ApiKey { name: name.to_owned(), rights, hash: hash(&text) };
    change(dir, |keys| {
        if keys.iter().any(|other| other.name == name) {
            let hint = "choose another --name, or remove that key first";
            return Err(Failure::new(Code::AlreadyExists, format!("there is a key named {name:?}"), hint));
        }
        if keys.len() >= limits::API_KEYS {
            let detail = format!("there are {} keys already", limits::API_KEYS);
            return Err(Failure::new(Code::LimitExceeded, detail, "remove those that are not used"));
        }
        keys.push(key.clone());
        Ok(())
    })?;
    Ok((key, text))
}

/// Takes a key away, by its id or its name.
pub(crate) fn remove(dir: &DataDir, which: &str) -> Result<ApiKey, Failure> {
    change(dir, |keys| {
        let place = keys.iter().position(|key| key.name == which || key.id_text() == which);
        let place = place.ok_or_else(|| {
            Failure::new(
                Code::NotFound,
                format!("no key {which:?}"),
                "see them with `leasehold-node key list`",
            )
        })?;
        Ok(keys.remove(place))
    })
}

/// Changes the file as one step that no other command comes between.
fn change<T>(
    dir: &DataDir,
    change: impl FnOnce(&mut Vec<ApiKey>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let directory = File::open(dir.path()).map_err(|error| Failure::cannot_read(dir.path(), &error))?;
    let _held = Flock::lock(directory, FlockArg::LockExclusive)
        .map_err(|(_, errno)| Failure::cannot_write(dir.path(), &errno.into()))?;
    let mut keys = list(dir)?;
    let done = change(&mut keys)?;
    let text = serde_json::to_vec_pretty(&KeyFile { keys }).expect("keys are JSON");
    files::write(&dir.api_keys(), &text, Access::Owner, Existing::Replace)?;
    Ok(done)
}

fn check_name(name: &str) -> Result<(), Failure> {
    if !name.is_empty() && name.len() <= NAME_BYTES && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let detail = format!("the name of a key has 1 to {NAME_BYTES} bytes and no control characters");
    Err(Failure::usage(detail, "choose another --name"))
}

fn hash(text: &str) -> Digest {
    Digest(Sha256::digest(text).into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_found_by_its_text_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = DataDir::new(dir.path());
        let ring = KeyRing::load(&dir).unwrap();
        assert!(ring.is_empty());
        let (key, text) = add(&dir, "ann", Rights::Seats).unwrap();
        assert_eq!(text.len(), PREFIX.len() + 43);
        assert_eq!(ring.find(&text), None, "not before it is read again");
        ring.reload(&dir).unwrap();
        assert_eq!(ring.find(&text).as_deref(), Some(&key));
        assert_eq!(ring.find(&text[1..]), None);
        let stored = std::fs::read_to_string(dir.api_keys()).unwrap();
        assert!(!stored.contains(&text[PREFIX.len()..]), "the text is nowhere");
        assert_eq!(std::fs::metadata(dir.api_keys()).unwrap().permissions().mode() & 0o777, 0o600);

        assert_eq!(add(&dir, "ann", Rights::Admin).unwrap_err().code(), Code::AlreadyExists);
        assert_eq!(remove(&dir, "bob").unwrap_err().code(), Code::NotFound);
        std::fs::write(dir.api_keys(), "{").unwrap();
        assert!(ring.reload(&dir).is_err());
        assert!(ring.find(&text).is_some(), "what cannot be read takes nothing away");
        std::fs::write(dir.api_keys(), stored).unwrap();
        remove(&dir, &key.id_text()).unwrap();
        ring.reload(&dir).unwrap();
        assert_eq!(ring.find(&text), None);
    }

    #[test]
    fn the_number_of_keys_and_their_names_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let dir = DataDir::new(dir.path());
        let key = |number: usize| ApiKey { name: number.to_string(), rights: Rights::Seats, hash: hash("") };
        let keys = (0..limits::API_KEYS - 1).map(key).collect();
        std::fs::write(dir.api_keys(), serde_json::to_vec(&KeyFile { keys }).unwrap()).unwrap();
        add(&dir, "last", Rights::Seats).unwrap();
        assert_eq!(add(&dir, "more", Rights::Seats).unwrap_err().code(), Code::LimitExceeded);
        remove(&dir, "last").unwrap();
        for (bytes, allowed) in
            [(0, false), (1, true), (NAME_BYTES - 1, true), (NAME_BYTES, true), (NAME_BYTES + 1, false)]
        {
            let name = "n".repeat(bytes);
            assert_eq!(add(&dir, &name, Rights::Seats).is_ok(), allowed, "{bytes}");
            let _ = remove(&dir, &name);
        }
        assert!(add(&dir, "a\nb", Rights::Seats).is_err());
    }
}
