//! The keys in memory, as they were last read.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant, SystemTime},
};

use super::{
    Principal,
    config::AccessConfig,
    facts::{Key, Sealed},
    pace::Pace,
    seal::Digest,
};

/// Every key that may be good for something. A request finds its key without waiting for anybody but the one that replaces them all.
#[derive(Debug)]
pub(crate) struct Ring {
    held: RwLock<Held>,
    keys_max: usize,
    requests_per_s_max: u32,
    requests_burst_max: u32,
}

#[derive(Debug, Default)]
struct Held {
    keys: HashMap<String, Arc<HeldKey>>,
    /// When what is held was true; none before anything was read.
    read_at: Option<Instant>,
}

/// A key that is held.
#[derive(Debug)]
pub(crate) struct HeldKey {
    pub(crate) principal: Principal,
    pub(crate) secrets: Vec<Sealed>,
    expires_ms: Option<i64>,
    /// How often it may ask; it outlives what is read.
    pub(crate) pace: Arc<Pace>,
}

impl Ring {
    pub(crate) fn new(config: &AccessConfig) -> Self {
        Self {
            held: RwLock::default(),
            keys_max: config.keys_max,
            requests_per_s_max: config.key_requests_per_s_max,
            requests_burst_max: config.key_requests_burst_max,
        }
    }

    /// The key of this id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<HeldKey>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).keys.get(id).cloned()
    }

    /// Holds these keys instead, as they were at `read_at`; how many there was no room for.
    pub(crate) fn replace(&self, keys: impl IntoIterator<Item = Key>, read_at: Instant) -> usize {
        let now_ms = unix_ms();
        let mut keys: Vec<Key> = keys.into_iter().filter(|key| key.stands(now_ms)).collect();
        // The oldest stay: who can create keys cannot drive out those in use.
        keys.sort_by(|a, b| (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id)));
        let left_out = keys.len().saturating_sub(self.keys_max);
        keys.truncate(self.keys_max);
        let held = keys.into_iter().map(|key| (key.id.clone(), Arc::new(self.hold(key)))).collect();
        let mut ring = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *ring, Held { keys: held, read_at: Some(read_at) });
        drop(ring);
        // Elsewhere than under the lock: there may be many.
        drop(before);
        left_out
    }

    fn hold(&self, key: Key) -> HeldKey {
        let pace = self.find(&key.id).map_or_else(
            || Arc::new(Pace::per_second(self.requests_per_s_max, self.requests_burst_max)),
            |held| Arc::clone(&held.pace),
        );
        HeldKey {
            principal: Principal::holder(key.id, key.scopes),
            secrets: key.secrets,
            expires_ms: key.expires_ms,
            pace,
        }
    }

    /// Whether anything was read yet.
    pub(crate) fn is_read(&self) -> bool {
        self.held.read().unwrap_or_else(PoisonError::into_inner).read_at.is_some()
    }

    /// How old what is held is; none before anything was read.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).read_at.map(|read_at| read_at.elapsed())
    }

    /// Keys held.
    pub(crate) fn len(&self) -> usize {
        self.held.read().unwrap_or_else(PoisonError::into_inner).keys.len()
    }
}

impl HeldKey {
    /// Whether it is good at this instant, in Unix milliseconds, with the secret that hashes to this.
    pub(crate) fn knows(&self, digest: &Digest, now_ms: i64) -> bool {
        // All of them, so that the time tells nothing of which one was right.
        let matches = self.secrets.iter().filter(|secret| secret.digest.is(digest) & secret.stands(now_ms)).count();
        matches > 0 && self.stands(now_ms)
    }

    /// Whether it has not expired.
    pub(crate) fn stands(&self, now_ms: i64) -> bool {
        self.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms)
    }
}

/// Now, in Unix milliseconds.
pub(crate) fn unix_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, created_ms: i64) -> Key {
        Key {
            id: id.to_owned(),
            name: String::new(),
            scopes: Vec::new(),
            created_ms,
            expires_ms: None,
            rotated_ms: None,
            revoked_ms: None,
            secrets: vec![Sealed { digest: Digest([0; 32]), until_ms: None }],
        }
    }

    #[test]
    fn a_key_keeps_its_pace_when_keys_are_read_again() {
        let config = AccessConfig { key_requests_per_s_max: 1, key_requests_burst_max: 1, ..AccessConfig::default() };
        let ring = Ring::new(&config);
        ring.replace([key("a", 1)], Instant::now());
        assert!(ring.find("a").unwrap().pace.take().is_ok());
        ring.replace([key("a", 1)], Instant::now());
        assert!(ring.find("a").unwrap().pace.take().is_err());
    }

    #[test]
    fn keys_are_bounded_and_those_in_use_stay() {
        let ring = Ring::new(&AccessConfig { keys_max: 2, ..AccessConfig::default() });
        assert_eq!(ring.age(), None);
        let left_out = ring.replace([key("new", 3), key("old", 1), key("older", 0)], Instant::now());
        assert_eq!((left_out, ring.len()), (1, 2));
        assert!(ring.find("new").is_none() && ring.find("older").is_some());
        assert!(ring.age().is_some());
        ring.replace([Key { revoked_ms: Some(5), ..key("old", 1) }], Instant::now());
        assert!(ring.find("old").is_none() && ring.find("older").is_none());
    }
}
