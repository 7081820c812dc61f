//! A key's text: `fw_<key id>_<secret>`, the id 16 and the secret 64 hexadecimal digits.
//!
//! The prefix is for those who search for keys where none should be. The id is no secret: it names the key in lists, logs and
//! audits. The secret is 32 bytes from the system's source of randomness, so that one hash of it is enough: nobody tries so many.

use std::fmt;

use anyhow::Context as _;
use rand::{TryRng as _, rngs::SysRng};

/// What every key begins with.
pub const PREFIX: &str = "fw_";

const ID_DIGITS: usize = 16;
const SECRET_DIGITS: usize = 64;

/// A key, as its holder sends it. It does not print its secret by accident.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyText<'a>(&'a str);

impl<'a> KeyText<'a> {
    /// Reads a key; none if the text is not one.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let valid = is_id(id) && is_hex(secret, SECRET_DIGITS);
        valid.then_some(Self(text))
    }

    /// The id of the key.
    #[must_use]
    pub fn id(self) -> &'a str {
        &self.0[PREFIX.len()..PREFIX.len() + ID_DIGITS]
    }

    /// The whole key, for the one place that hashes it.
    #[must_use]
    pub(crate) fn expose(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for KeyText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_***", self.id())
    }
}

/// Whether the text can be the id of a key.
#[must_use]
pub fn is_id(text: &str) -> bool {
    is_hex(text, ID_DIGITS)
}

/// An id for a new key.
///
/// # Errors
/// When the system has no randomness to give.
pub fn new_id() -> anyhow::Result<String> {
    random::<{ ID_DIGITS / 2 }>()
}

/// A new key of this id.
///
/// # Errors
/// When the system has no randomness to give.
pub fn new_key(id: &str) -> anyhow::Result<String> {
    Ok(format!("{PREFIX}{id}_{}", random::<{ SECRET_DIGITS / 2 }>()?))
}

fn random<const BYTES: usize>() -> anyhow::Result<String> {
    let mut bytes = [0; BYTES];
    SysRng.try_fill_bytes(&mut bytes).context("the system gives no random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_read_and_prints_its_id_alone() {
        let id = new_id().unwrap();
        let (one, other) = (new_key(&id).unwrap(), new_key(&id).unwrap());
        assert_ne!(one, other);
        let key = KeyText::parse(&one).unwrap();
        assert_eq!(key.id(), id);
        assert_eq!(format!("{key:?}"), format!("fw_{id}_***"));
    }

    #[test]
    fn what_is_no_key_is_not_read() {
        let key = new_key(&new_id().unwrap()).unwrap();
        let long = format!("{key}0");
        let upper = key.to_uppercase();
        let multibyte = format!("fw_{}_{}", "é".repeat(8), "0".repeat(64));
        for wrong in ["", "fw_", "fw__", &key[1..], &key[..83], &long, &upper, &multibyte, &key.replace("fw_", "xx_")] {
            assert_eq!(KeyText::parse(wrong), None, "{wrong}");
        }
    }
}
