//! Wrong keys, counted by the address that they come from: guessing is slow, and a flood of guesses costs little.
//!
//! A guess is counted against its address and the key that it is a guess at; keys that do not exist are one. So whoever guesses from
//! behind the same balancer or gateway as honest readers bars none of them, unless by guessing at their very keys. The table has a
//! fixed size: addresses that fall into the same place share it, so that a million of them take no more memory than one.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::pace::Pace;

const PLACES: usize = 4_096;

/// Wrong keys of late.
#[derive(Debug)]
pub(crate) struct Guesses {
    places: Box<[Place]>,
    /// Of this process alone, so that nobody can choose to share a place.
    hasher: RandomState,
    started: Instant,
}

#[derive(Debug)]
struct Place {
    pace: Pace,
    /// In milliseconds since the start.
    barred_until_ms: AtomicU64,
}

/// Whose guess at what.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Guess<'a> {
    from: Option<IpAddr>,
    /// The id of a key that exists.
    at: Option<&'a str>,
}

impl<'a> Guess<'a> {
    pub(crate) fn new(from: Option<IpAddr>, at: Option<&'a str>) -> Self {
        Self { from: from.map(network), at }
    }

    /// Whether the key exists that it is a guess at.
    pub(crate) fn is_at_a_key(&self) -> bool {
        self.at.is_some()
    }
}

impl Guesses {
    /// An address may be wrong so many times a minute.
    pub(crate) fn new(per_min: u32) -> Self {
        let place = || Place { pace: Pace::per_minute(per_min), barred_until_ms: AtomicU64::new(0) };
        Self {
            places: std::iter::repeat_with(place).take(PLACES).collect(),
            hasher: RandomState::new(),
            started: Instant::now(),
        }
    }

    /// How long nothing is looked at, if it is not now.
    pub(crate) fn barred(&self, guess: Guess<'_>) -> Option<Duration> {
        let until_ms = self.place(guess)?.barred_until_ms.load(Ordering::Relaxed);
        let left_ms = until_ms.saturating_sub(self.now_ms());
        (left_ms > 0).then(|| Duration::from_millis(left_ms))
    }

    /// It was wrong.
    pub(crate) fn wrong(&self, guess: Guess<'_>) {
        let Some(place) = self.place(guess) else { return };
        if let Err(wait) = place.pace.take() {
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            place.barred_until_ms.fetch_max(self.now_ms().saturating_add(wait_ms), Ordering::Relaxed);
        }
    }

    fn place(&self, guess: Guess<'_>) -> Option<&Place> {
        let hash = usize::try_from(self.hasher.hash_one(guess) % PLACES as u64).ok()?;
        self.places.get(hash)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// An IPv6 customer has at least 2^64 addresses: their network is who they are.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_wrong_too_often_is_barred_and_nobody_else() {
        let guesses = Guesses::new(3);
        let from = |address: &str| address.parse().ok();
        let guesser = Guess::new(from("192.0.2.1"), Some("a"));
        for _ in 0..3 {
            guesses.wrong(guesser);
            assert_eq!(guesses.barred(guesser), None);
        }
        guesses.wrong(guesser);
        let wait = guesses.barred(guesser).unwrap();
        assert!(wait > Duration::from_secs(18) && wait <= Duration::from_secs(20), "{wait:?}");
        assert_eq!(guesses.barred(Guess::new(from("192.0.2.1"), Some("b"))), None, "another's key");
        assert_eq!(guesses.barred(Guess::new(from("192.0.2.2"), Some("a"))), None, "the holder, from elsewhere");
    }

    #[test]
    fn the_addresses_of_one_network_are_one() {
        let guesses = Guesses::new(1);
        let guess = |address: &str| Guess::new(address.parse().ok(), None);
        guesses.wrong(guess("2001:db8::1"));
        guesses.wrong(guess("2001:db8::ffff:2"));
        assert!(guesses.barred(guess("2001:db8::3")).is_some());
        assert!(guesses.barred(guess("2001:db8:0:1::3")).is_none());
        guesses.wrong(guess("192.0.2.1"));
        guesses.wrong(guess("::ffff:192.0.2.1"));
        assert!(guesses.barred(guess("192.0.2.1")).is_some());
    }
}
