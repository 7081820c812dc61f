//! Who asks, and what they may read.
//!
//! Every path that is not open to all is behind `authenticate::reader`, which finds the request's [`Principal`] and turns away
//! whoever asks for a team that they may not read, before a handler sees the request. Handlers ask the principal for the rest.
//!
//! # Layout
//! - [`scope`], [`principal`]: rights, and who has them.
//! - [`key`], [`seal`], [`facts`], [`table`]: a key's text, its hash, what became of it, where that is kept. `flywheel keys` uses them too.
//! - `ring`, `reader`: the keys in memory, read again and again.
//! - [`oidc`]: tokens of an issuer, which stand in for keys.
//! - `pace`, `bearers`, `guesses`: how often a key or a token may ask, and an address be wrong.
//! - `authenticate`: what stands before the handlers; `demands`: how the document says so.

pub(crate) mod authenticate;
mod bearers;
pub mod config;
pub(crate) mod demands;
pub mod facts;
mod guesses;
pub mod key;
mod metrics;
pub mod oidc;
mod pace;
pub mod principal;
mod reader;
mod ring;
pub mod scope;
pub mod seal;
pub mod table;

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use kit::health::Health;
use tokio_util::sync::CancellationToken;

use bearers::Bearers;
pub use config::AccessConfig;
use guesses::{Guess, Guesses};
use key::KeyText;
use metrics::{AccessMetrics, Refusal};
use oidc::NotTaken;
pub use oidc::OidcConfig;
pub use principal::Principal;
use ring::{HeldKey, Ring, unix_ms};
pub use scope::Scope;
use seal::{Digest, Seal};
use table::KeyTable;

use crate::{ApiConfig, error::Error};

/// Knows who may ask. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Access(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    anonymous: Principal,
    /// Nobody is let in without a key.
    required: bool,
    /// None where no key can be known.
    seal: Option<Seal>,
    ring: Arc<Ring>,
    refresh: Duration,
    /// At keys that exist, apart from all others: however many addresses make keys up, they bar nobody who has one.
    guesses: Guesses,
    made_up: Guesses,
    bearers: Bearers,
    requests_per_s_max: u32,
    metrics: AccessMetrics,
}

impl Access {
    /// Access as it is configured, with no keys read yet.
    ///
    /// # Errors
    /// When the secret of the keys cannot be read or is too short.
    pub fn new(config: &ApiConfig) -> anyhow::Result<Self> {
        let ring = Arc::new(Ring::new(&config.access));
        metrics::observe(&ring);
        Ok(Self(Arc::new(Inner {
            anonymous: Principal::anonymous(),
            required: config.keys_required(),
            seal: config.access.seal.seal()?,
            ring,
            refresh: Duration::from_millis(config.access.keys_refresh_ms),
            guesses: Guesses::new(config.access.wrong_keys_per_min_max),
            made_up: Guesses::new(config.access.wrong_keys_per_min_max),
            bearers: Bearers::new(&config.access),
            requests_per_s_max: config.access.key_requests_per_s_max,
            metrics: AccessMetrics::new(),
        })))
    }

    /// Keeps the keys as `clickhouse` has them until `shutdown`. Where no key can be known there is nothing to do.
    pub async fn follow(&self, clickhouse: clickhouse::Client, health: &Health, shutdown: CancellationToken) {
        if self.0.seal.is_some() {
            let part = health.part("api keys");
            reader::run(Arc::clone(&self.0.ring), KeyTable::new(clickhouse), self.0.refresh, part, shutdown).await;
        }
    }

    /// Holds these keys, as if they had been read just now.
    pub fn hold(&self, facts: Vec<facts::Fact>) {
        self.0.ring.replace(facts::keys(facts).into_values(), std::time::Instant::now());
    }

    /// Who sent a request with these headers from `peer`. A key that is sent is looked at, whether one is required or not.
    pub(crate) fn identify(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Principal, Error> {
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        let identified = match (sent.next(), sent.next()) {
            (None, _) if self.0.required => Err((Refusal::NoKey, Error::Unauthenticated)),
            (None, _) => return Ok(self.0.anonymous.clone()),
            (Some(one), None) => self.holder(one, peer),
            (Some(_), Some(_)) => self.wrong_key(Guess::new(peer, None)),
        };
        self.counted(identified)
    }

    /// Lets in whoever a token names, sent from `peer`, or turns them away. A wrong token is a guess as a wrong key is, at nobody's
    /// in particular: it bars no right one. One whose time is over is none: its bearer did not make it up.
    pub(crate) fn admit_bearer(
        &self,
        named: Result<Principal, NotTaken>,
        peer: Option<IpAddr>,
    ) -> Result<Principal, Error> {
        let identified = match named {
            Ok(principal) => match self.0.bearers.take(principal.key_id().unwrap_or_default()) {
                Ok(()) => Ok(principal),
                Err(wait) => Err(self.limited(wait)),
            },
            Err(NotTaken::Wrong) => self.wrong(Guess::new(peer, None), (Refusal::WrongToken, Error::WrongToken)),
            Err(NotTaken::Over) => Err((Refusal::WrongToken, Error::WrongToken)),
            Err(NotTaken::IssuerAway) => Err((Refusal::IssuerAway, Error::IssuerAway)),
        };
        self.counted(identified)
    }

    /// For an answer that goes on: whether who was let in with these headers still is.
    pub(crate) fn admit(&self, principal: Principal, headers: &HeaderMap) -> Admission {
        let key = headers.get(AUTHORIZATION).and_then(bearer).and_then(KeyText::parse);
        let secret = key.zip(self.0.seal.as_ref()).map(|(key, seal)| seal.digest(key));
        Admission { access: self.clone(), principal, secret }
    }

    fn holder(&self, sent: &HeaderValue, peer: Option<IpAddr>) -> Result<Principal, (Refusal, Error)> {
        let (Some(key), Some(seal)) = (bearer(sent).and_then(KeyText::parse), &self.0.seal) else {
            return self.wrong_key(Guess::new(peer, None));
        };
        if !self.0.ring.is_read() {
            return Err((Refusal::KeysAway, Error::KeysAway));
        }
        let held = self.0.ring.find(key.id());
        let guess = Guess::new(peer, held.as_ref().map(|_| key.id()));
        if let Some(wait) = self.guesses(guess).barred(guess) {
            return Err((Refusal::Barred, Error::TooManyWrongKeys { wait_s: whole_s(wait) }));
        }
        // Made for an unknown key too, which then takes no less time than a known one.
        let digest = seal.digest(key);
        let now_ms = unix_ms();
        let Some(held) = held.filter(|held| held.knows(&digest, now_ms)) else {
            return self.wrong_key(guess);
        };
        match held.pace.take() {
            Ok(()) => Ok(held.principal.clone()),
            Err(wait) => Err(self.limited(wait)),
        }
    }

    fn limited(&self, wait: Duration) -> (Refusal, Error) {
        let per_s_max = self.0.requests_per_s_max;
        (Refusal::Limited, Error::TooManyRequests { per_s_max, wait_s: whole_s(wait) })
    }

    fn wrong_key(&self, guess: Guess<'_>) -> Result<Principal, (Refusal, Error)> {
        self.wrong(guess, (Refusal::WrongKey, Error::WrongKey))
    }

    fn wrong(&self, guess: Guess<'_>, refused: (Refusal, Error)) -> Result<Principal, (Refusal, Error)> {
        if let Some(wait) = self.guesses(guess).barred(guess) {
            return Err((Refusal::Barred, Error::TooManyWrongKeys { wait_s: whole_s(wait) }));
        }
        self.guesses(guess).wrong(guess);
        Err(refused)
    }

    fn guesses(&self, guess: Guess<'_>) -> &Guesses {
        if guess.is_at_a_key() { &self.0.guesses } else { &self.0.made_up }
    }

    fn counted(&self, identified: Result<Principal, (Refusal, Error)>) -> Result<Principal, Error> {
        identified.map_err(|(refusal, error)| {
            self.0.metrics.refused(refusal);
            error
        })
    }
}

/// Somebody who was let in.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    access: Access,
    principal: Principal,
    /// Of the key that they showed: it may get another secret while the answer goes on.
    secret: Option<Digest>,
}

impl Admission {
    /// The id of their key; none of somebody without one.
    pub(crate) fn key_id(&self) -> Option<&str> {
        self.principal.key_id()
    }

    /// Whether the key, with the secret that was shown, or the token is still good.
    pub(crate) fn stands(&self) -> bool {
        if let Some(until_s) = self.principal.until_s() {
            return i64::try_from(until_s).is_ok_and(|until_s| unix_ms().div_euclid(1_000) < until_s);
        }
        let Some(id) = self.principal.key_id() else { return true };
        let now_ms = unix_ms();
        let good = |held: &HeldKey| self.secret.is_some_and(|secret| held.knows(&secret, now_ms));
        self.access.0.ring.find(id).is_some_and(|held| good(&held))
    }
}

/// What stands after `Bearer`; the scheme's letters may be of either case (RFC 9110).
fn bearer(sent: &HeaderValue) -> Option<&str> {
    let (scheme, token) = sent.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// Rounded up, so that who waits as long does not come too early.
fn whole_s(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::access::{
        facts::{Fact, What},
        key::{new_id, new_key},
        seal::SealConfig,
    };

    /// Whether a key exists is not to be found out with a stopwatch.
    #[test]
    fn the_key_of_nobody_takes_as_long_to_refuse_as_a_wrong_secret() {
        let seal = SealConfig { secret: "of the tests, not of anybody else".parse().ok(), file: None };
        let config =
            AccessConfig { seal, keys_required: true, wrong_keys_per_min_max: u32::MAX, ..AccessConfig::default() };
        let access = Access::new(&ApiConfig { access: config.clone(), ..ApiConfig::default() }).unwrap();
        let (known, unknown) = (new_id().unwrap(), new_id().unwrap());
        let key = new_key(&known).unwrap();
        let digest = config.seal.seal().unwrap().unwrap().digest(KeyText::parse(&key).unwrap());
        let created = What::Created { name: String::new(), scopes: vec![Scope::EveryTeam], expires_ms: None, digest };
        access.hold(vec![Fact { key_id: known.clone(), at_ms: 0, what: created }]);

        let headers = |key: &str| {
            let sent = HeaderValue::from_str(&format!("Bearer {key}")).unwrap();
            HeaderMap::from_iter([(AUTHORIZATION, sent)])
        };
        assert!(access.identify(&headers(&key), None).is_ok(), "else this test shows nothing");
        let (wrong, nobody) = (headers(&new_key(&known).unwrap()), headers(&new_key(&unknown).unwrap()));
        let took = |headers: &HeaderMap| {
            let began = Instant::now();
            assert!(matches!(access.identify(headers, None), Err(Error::WrongKey)));
            began.elapsed()
        };
        // In turns, and of each the quickest: whatever else this machine does only makes some slower.
        let (wrong, nobody): (Vec<Duration>, Vec<Duration>) = (0..2_000).map(|_| (took(&wrong), took(&nobody))).unzip();
        let (wrong, nobody) = (wrong.into_iter().min().unwrap(), nobody.into_iter().min().unwrap());
        assert!(wrong < nobody * 2 && nobody < wrong * 2, "{wrong:?} for a wrong secret, {nobody:?} for nobody's key");
    }
}
