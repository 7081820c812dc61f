//! The hash under which keys are stored: HMAC-SHA-256 with a secret of the operator's.
//!
//! Who steals the table of keys can neither use one nor put one of their own into it. A slow hash, as for passwords, would only
//! make each request slow: a key is 32 random bytes, which nobody guesses.

use std::{fmt, fs, path::PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use hmac::{Hmac, KeyInit as _, Mac as _};
use kit::config::Secret;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::key::KeyText;

/// A shorter secret could be guessed.
const SECRET_BYTES_MIN: usize = 32;

/// The secret that keys are hashed with: the same for every api and for `flywheel keys`. With another one no key is known.
#[derive(Clone, Debug, Default, Args)]
pub struct SealConfig {
    /// The secret that API keys are hashed with, at least 32 bytes.
    #[arg(
        id = "api_key_secret",
        long = "api-key-secret",
        env = "FLYWHEEL_API_KEY_SECRET",
        hide_env_values = true,
        conflicts_with = "api_key_secret_file"
    )]
    pub secret: Option<Secret>,
    /// File that holds the secret; blanks around it do not count.
    #[arg(id = "api_key_secret_file", long = "api-key-secret-file", env = "FLYWHEEL_API_KEY_SECRET_FILE")]
    pub file: Option<PathBuf>,
}

impl SealConfig {
    /// Whether there is a secret.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.secret.is_some() || self.file.is_some()
    }

    /// The seal; none where no secret is configured.
    ///
    /// # Errors
    /// When the file cannot be read, or the secret is too short.
    pub fn seal(&self) -> anyhow::Result<Option<Seal>> {
        let secret = match (&self.secret, &self.file) {
            (Some(secret), _) => secret.expose().to_owned(),
            (None, Some(file)) => fs::read_to_string(file)
                .with_context(|| format!("cannot read the secret of the API keys from {}", file.display()))?,
            (None, None) => return Ok(None),
        };
        let secret = secret.trim();
        ensure!(
            secret.len() >= SECRET_BYTES_MIN,
            "the secret of the API keys has fewer than {SECRET_BYTES_MIN} bytes; make one with `openssl rand -hex 32`"
        );
        Seal::new(secret).map(Some)
    }
}

/// Hashes keys.
#[derive(Clone)]
pub struct Seal(Hmac<Sha256>);

/// A key's hash.
#[derive(Clone, Copy, Debug)]
pub struct Digest(pub [u8; 32]);

impl Seal {
    fn new(secret: &str) -> anyhow::Result<Self> {
        Ok(Self(Hmac::new_from_slice(secret.as_bytes()).context("the secret of the API keys is of no use")?))
    }

    /// The key's hash.
    #[must_use]
    pub fn digest(&self, key: KeyText<'_>) -> Digest {
        let mut hash = self.0.clone();
        hash.update(key.expose().as_bytes());
        Digest(hash.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Digest {
    /// Whether both are of the same key; it takes the same time wherever they differ.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::key::{new_id, new_key};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn the_hash_is_hmac_sha_256_of_the_whole_key() {
        // printf %s fw_... | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        let key = format!("fw_{}_{}", "0".repeat(16), "a".repeat(64));
        let digest = Seal::new(SECRET).unwrap().digest(KeyText::parse(&key).unwrap());
        let hex: String = digest.0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "dad3749715e956e89c1efeb530ad5df835778a8d102ceca7fab46883deabd717");
    }

    #[test]
    fn another_key_or_another_secret_has_another_hash() {
        let id = new_id().unwrap();
        let (one, other) = (new_key(&id).unwrap(), new_key(&id).unwrap());
        let digest = |secret: &str, key: &str| Seal::new(secret).unwrap().digest(KeyText::parse(key).unwrap());
        assert!(digest(SECRET, &one).is(&digest(SECRET, &one)));
        assert!(!digest(SECRET, &one).is(&digest(SECRET, &other)));
        assert!(!digest(SECRET, &one).is(&digest(&SECRET.replace('0', "1"), &one)));
    }

    /// A hash that is right in its first half must not take longer to refuse than one that is wrong from the start.
    #[test]
    fn where_two_hashes_differ_does_not_show_in_the_time() {
        let right = Digest([7; 32]);
        let wrong_at = |at: usize| {
            let mut bytes = right.0;
            bytes[at] ^= 1;
            Digest(bytes)
        };
        let took = |other: &Digest| {
            let began = std::time::Instant::now();
            for _ in 0..1_000 {
                assert!(!std::hint::black_box(&right).is(std::hint::black_box(other)));
            }
            began.elapsed()
        };
        let (first, last) = (wrong_at(0), wrong_at(31));
        // In turns, and of each the quickest: whatever else this machine does only makes some slower.
        let (first, last): (Vec<_>, Vec<_>) = (0..50).map(|_| (took(&first), took(&last))).unzip();
        let (first, last) = (first.into_iter().min().unwrap(), last.into_iter().min().unwrap());
        assert!(first < last * 2 && last < first * 2, "{first:?} and {last:?}");
    }

    #[test]
    fn a_short_secret_is_refused_and_none_is_ever_printed() {
        let config = |secret: &str| SealConfig { secret: secret.parse().ok(), file: None };
        assert!(config("short").seal().unwrap_err().to_string().contains("32 bytes"));
        assert!(SealConfig::default().seal().unwrap().is_none());
        let configured = config(SECRET);
        let seal = configured.seal().unwrap();
        assert!(!format!("{configured:?}{seal:?}").contains("0123"));
        let file = SealConfig { secret: None, file: Some("/nowhere/at/all".into()) };
        assert!(file.seal().unwrap_err().to_string().contains("/nowhere/at/all"));
    }
}
