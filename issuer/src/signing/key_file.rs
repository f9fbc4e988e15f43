//! The encrypted key file: an `age` file under a passphrase. Inside, 129 bytes:
//!
//! ```text
//! version u8 = 1 | root key[32] | online key[32] | TLS key[32] | join key[32]
//! ```

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, scrypt};
use leasehold_cli::files::{self, Access, Existing, FileOrStdin};
use leasehold_cli::{Failure, Passphrase};
use leasehold_protocol::code::Code;
use zeroize::Zeroizing;

use super::{Keys, LocalKey};
use crate::limits::{KDF_COST, KEY_FILE_BYTES};

const VERSION: u8 = 1;
const SECRET_BYTES: usize = 1 + 4 * 32;

/// Writes a new key file for its owner alone; one that exists is left as it is.
pub(super) fn write(path: &Path, keys: &Keys, passphrase: &Passphrase, kdf_cost: u8) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::cannot_write(path, &error);
    let mut recipient = scrypt::Recipient::new(SecretString::from(passphrase.expose()));
    recipient.set_work_factor(kdf_cost);
    let encryptor = Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
        .expect("one passphrase is a valid set of recipients");
    let mut encrypted = Vec::new();
    let mut writer = encryptor.wrap_output(&mut encrypted).map_err(failed)?;
    writer.write_all(&encode(keys)).map_err(failed)?;
    writer.finish().map_err(failed)?;
    files::write(path, &encrypted, Access::Owner, Existing::Refuse)
}

/// Reads a key file: one key derivation.
pub(super) fn read(path: &Path, passphrase: &Passphrase) -> Result<Keys, Failure> {
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(damaged(path, "it is not a regular file"));
    }
    let encrypted = files::read(&FileOrStdin::File(path.to_owned()), KEY_FILE_BYTES)?;
    let mut identity = scrypt::Identity::new(SecretString::from(passphrase.expose()));
    identity.set_max_work_factor(*KDF_COST.end());
    let secret = decrypt(&encrypted, &identity).map_err(|error| match error {
        DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed => Failure::new(
            Code::PassphraseWrong,
            format!("the passphrase does not open {}", path.display()),
            "give the passphrase that was chosen at `init`",
        ),
        other => damaged(path, &other.to_string()),
    })?;
    decode(&secret)?.ok_or_else(|| damaged(path, "it holds something else than keys"))
}

fn decrypt(encrypted: &[u8], identity: &scrypt::Identity) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    let decryptor = Decryptor::new(encrypted)?;
    let mut reader = decryptor.decrypt(std::iter::once(identity as &dyn age::Identity))?;
    // Room for one byte too many; never reallocated, so no copy stays behind unwiped.
    let mut secret = Zeroizing::new(vec![0; SECRET_BYTES + 1]);
    let mut filled = 0;
    while let Some(rest) = secret.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    secret.truncate(filled);
    Ok(secret)
}

fn encode(keys: &Keys) -> Zeroizing<Vec<u8>> {
    let mut secret = Zeroizing::new(Vec::with_capacity(SECRET_BYTES));
    secret.push(VERSION);
    for key in [&keys.root, &keys.online, &keys.tls] {
        secret.extend_from_slice(&*key.secret_bytes());
    }
    secret.extend_from_slice(&*keys.join);
    secret
}

fn decode(secret: &[u8]) -> Result<Option<Keys>, Failure> {
    let Some((&[VERSION], keys)) = secret.split_first_chunk() else { return Ok(None) };
    let ([root, online, tls, join], []) = keys.as_chunks::<32>() else { return Ok(None) };
    Ok(Some(Keys {
        root: LocalKey::new(root)?,
        online: LocalKey::new(online)?,
        tls: LocalKey::new(tls)?,
        join: Zeroizing::new(*join),
    }))
}

fn damaged(path: &Path, detail: &str) -> Failure {
    Failure::new(
        Code::ConfigInvalid,
        format!("the key file {} is damaged: {detail}", path.display()),
        "put a copy of the key file back; without it nothing can be signed any more",
    )
}
