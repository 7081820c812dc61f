//! What is known of keys: facts that are only ever added, and the keys that they add up to. Pure.

use std::collections::BTreeMap;

use super::{Scope, seal::Digest};

/// Something that became of a key.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Which key.
    pub key_id: String,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// What.
    pub what: What,
}

/// What became of a key.
#[derive(Clone, Debug)]
pub enum What {
    /// It was created.
    Created {
        /// Whose it is, or what for.
        name: String,
        /// What it is good for.
        scopes: Vec<Scope>,
        /// When it ends, in Unix milliseconds, if it does.
        expires_ms: Option<i64>,
        /// The hash of it.
        digest: Digest,
    },
    /// It got a new secret.
    Rotated {
        /// The hash of the key with it.
        digest: Digest,
        /// Secrets before this one are good until then, in Unix milliseconds.
        previous_until_ms: i64,
    },
    /// It is good for nothing any more.
    Revoked,
}

/// A key, without its secret.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// Whose it is, or what for.
    pub name: String,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// When it was created, in Unix milliseconds.
    pub created_ms: i64,
    /// When it ends, in Unix milliseconds, if it does.
    pub expires_ms: Option<i64>,
    /// When it last got a new secret, in Unix milliseconds.
    pub rotated_ms: Option<i64>,
    /// When it was first revoked, in Unix milliseconds.
    pub revoked_ms: Option<i64>,
    /// Its secrets, the newest last.
    pub secrets: Vec<Sealed>,
}

/// A secret of a key, hashed.
#[derive(Clone, Copy, Debug)]
pub struct Sealed {
    /// The hash of the key with it.
    pub digest: Digest,
    /// It is good until then, in Unix milliseconds, if a newer one took its place.
    pub until_ms: Option<i64>,
}

/// The keys that the facts add up to, in whatever order these come, by id.
#[must_use]
pub fn keys(mut facts: Vec<Fact>) -> BTreeMap<String, Key> {
    // A key is created first, whatever the clocks of those say who created it and who rotated it.
    facts.sort_by_key(|fact| (!matches!(fact.what, What::Created { .. }), fact.at_ms));
    let mut keys: BTreeMap<String, Key> = BTreeMap::new();
    let mut revoked: BTreeMap<String, i64> = BTreeMap::new();
    for Fact { key_id, at_ms, what } in facts {
        match what {
            What::Created { name, scopes, expires_ms, digest } => {
                keys.entry(key_id.clone()).or_insert(Key {
                    id: key_id,
                    name,
                    scopes,
                    created_ms: at_ms,
                    expires_ms,
                    rotated_ms: None,
                    revoked_ms: None,
                    secrets: vec![Sealed { digest, until_ms: None }],
                });
            }
            What::Rotated { digest, previous_until_ms } => {
                if let Some(key) = keys.get_mut(&key_id) {
                    for secret in &mut key.secrets {
                        secret.until_ms = Some(secret.until_ms.unwrap_or(i64::MAX).min(previous_until_ms));
                    }
                    key.secrets.push(Sealed { digest, until_ms: None });
                    key.rotated_ms = Some(at_ms);
                }
            }
            What::Revoked => {
                revoked.entry(key_id).or_insert(at_ms);
            }
        }
    }
    for (id, at_ms) in revoked {
        if let Some(key) = keys.get_mut(&id) {
            key.revoked_ms = Some(at_ms);
        }
    }
    keys
}

impl Key {
    /// Whether it is good for anything at this instant, in Unix milliseconds.
    #[must_use]
    pub fn stands(&self, now_ms: i64) -> bool {
        self.revoked_ms.is_none() && self.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms)
    }
}

impl Sealed {
    /// Whether it is good at this instant, in Unix milliseconds.
    #[must_use]
    pub fn stands(&self, now_ms: i64) -> bool {
        self.until_ms.is_none_or(|until_ms| now_ms < until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(at_ms: i64, what: What) -> Fact {
        Fact { key_id: "k".to_owned(), at_ms, what }
    }

    fn created(at_ms: i64, expires_ms: Option<i64>) -> Fact {
        let digest = Digest([1; 32]);
        fact(at_ms, What::Created { name: "n".to_owned(), scopes: vec![Scope::Admin], expires_ms, digest })
    }

    fn rotated(at_ms: i64, secret: u8, previous_until_ms: i64) -> Fact {
        fact(at_ms, What::Rotated { digest: Digest([secret; 32]), previous_until_ms })
    }

    #[test]
    fn a_revoked_key_stays_so_whatever_else_becomes_of_it() {
        let facts = vec![fact(20, What::Revoked), created(10, None), rotated(30, 2, 40), fact(50, What::Revoked)];
        let keys = keys(facts);
        assert_eq!(keys["k"].revoked_ms, Some(20));
        assert!(!keys["k"].stands(35));
    }

    #[test]
    fn a_key_ends_when_it_expires() {
        let keys = keys(vec![created(10, Some(100))]);
        assert!(keys["k"].stands(99) && !keys["k"].stands(100));
    }

    #[test]
    fn an_old_secret_is_good_until_the_earliest_end_that_was_set_for_it() {
        let keys = keys(vec![rotated(30, 3, 35), created(10, None), rotated(20, 2, 1_000)]);
        let secrets = &keys["k"].secrets;
        let good = |now_ms| -> Vec<u8> {
            secrets.iter().filter(|secret| secret.stands(now_ms)).map(|secret| secret.digest.0[0]).collect()
        };
        assert_eq!(good(34), [1, 2, 3]);
        assert_eq!(good(35), [3]);
        assert_eq!(keys["k"].rotated_ms, Some(30));
    }

    #[test]
    fn a_rotation_that_another_clock_dates_before_the_creation_counts() {
        let keys = keys(vec![created(300, None), rotated(120, 2, 130)]);
        let secrets: Vec<_> = keys["k"].secrets.iter().map(|secret| (secret.digest.0[0], secret.until_ms)).collect();
        assert_eq!(secrets, [(1, Some(130)), (2, None)]);
    }

    #[test]
    fn facts_of_a_key_that_nobody_created_are_nothing() {
        assert!(keys(vec![rotated(20, 2, 30), fact(20, What::Revoked)]).is_empty());
    }
}
