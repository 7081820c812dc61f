//! The issuer's public keys, as it last published them.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use axum::{body::Body, http::Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use rustls::crypto::ring;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{sync::Mutex, time::Instant};

use super::config::trusted_url;

/// The keys are read again this often, so that one that was withdrawn is not good for ever.
const READ_EVERY: Duration = Duration::from_secs(600);

/// The issuer is given up on after this.
const ANSWER_MAX: Duration = Duration::from_secs(5);

const ANSWER_BYTES_MAX: usize = 256 * 1024;
const KEYS_MAX: usize = 100;

/// A public key and the one algorithm that it is good for.
pub(super) struct PublicKey {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

type Held = HashMap<String, Arc<PublicKey>>;

/// The issuer's keys by their ids.
pub(super) struct Keys {
    issuer: String,
    /// The issuer is asked at most this often, however many tokens name keys that nobody knows.
    asked_every_min: Duration,
    http: Client<HttpsConnector<HttpConnector>, Body>,
    /// None before they could first be read.
    held: RwLock<Option<Held>>,
    /// When the issuer was last asked. Whoever asks holds this; the others wait for the answer.
    asked: Mutex<Option<Instant>>,
}

/// What became of looking for a key.
pub(super) enum Found {
    Key(Arc<PublicKey>),
    /// The issuer has no such key, or had none a moment ago.
    Unknown,
    /// No key could be read yet.
    Away,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

impl Keys {
    /// # Errors
    /// When the system's certificates, which say whom to believe, cannot be read.
    pub(super) fn new(issuer: String, asked_every_min: Duration) -> anyhow::Result<Self> {
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(ring::default_provider())
            .context("the system's certificates cannot be read")?
            .https_or_http()
            .enable_http1()
            .build();
        let http = Client::builder(TokioExecutor::new()).build(https);
        Ok(Self { issuer, asked_every_min, http, held: RwLock::default(), asked: Mutex::default() })
    }

    /// Reads the keys now and then. While the issuer is away, those held stay good. Runs for ever.
    pub(super) async fn follow(&self) {
        loop {
            self.read_unless_asked().await;
            let wait = if self.are_held() { READ_EVERY } else { self.asked_every_min };
            tokio::time::sleep(wait).await;
        }
    }

    /// The key of this id. One that is not held is asked for, if the issuer was not asked a moment ago.
    pub(super) async fn find(&self, id: &str) -> Found {
        if let Some(key) = self.held(id) {
            return Found::Key(key);
        }
        self.read_unless_asked().await;
        match self.held(id) {
            Some(key) => Found::Key(key),
            None if self.are_held() => Found::Unknown,
            None => Found::Away,
        }
    }

    fn held(&self, id: &str) -> Option<Arc<PublicKey>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(id).cloned()
    }

    fn are_held(&self) -> bool {
        self.held.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    async fn read_unless_asked(&self) {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|asked| asked.elapsed() < self.asked_every_min) {
            return;
        }
        let read = tokio::time::timeout(ANSWER_MAX, self.read()).await.context("it does not answer").flatten();
        // From the answer on: those who waited for this one do not ask again.
        *asked = Some(Instant::now());
        match read {
            Ok(keys) => *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(keys),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the token issuer's keys cannot be read; those held stay good"
                );
            }
        }
    }

    async fn read(&self) -> anyhow::Result<Held> {
        let discovery = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let discovery: Discovery = self.get(trusted_url(&discovery)?).await?;
        // Else one issuer could have us believe another's keys.
        ensure!(discovery.issuer == self.issuer, "it calls itself {:?}", discovery.issuer);
        let set: KeySet = self.get(trusted_url(&discovery.jwks_uri).context("jwks_uri")?).await?;
        ensure!(set.keys.len() <= KEYS_MAX, "it has {} keys, and {KEYS_MAX} are held", set.keys.len());
        // Keys for other uses and of kinds that we do not take are none of our business.
        Ok(set.keys.into_iter().filter_map(usable).collect())
    }

    async fn get<T: DeserializeOwned>(&self, url: Uri) -> anyhow::Result<T> {
        let asked = || format!("asked {url}");
        let response = self.http.get(url.clone()).await.with_context(asked)?;
        if !response.status().is_success() {
            bail!("asked {url}: {}", response.status());
        }
        let body = axum::body::to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX).await.with_context(asked)?;
        serde_json::from_slice(&body).with_context(asked)
    }
}

/// The key and its id, if tokens may be signed with it.
fn usable(key: serde_json::Value) -> Option<(String, Arc<PublicKey>)> {
    let key: Jwk = serde_json::from_value(key).ok()?;
    let (algorithm, named) = match &key.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(of) if of.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(of) if of.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let signs = key.common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature);
    let of_its_kind = key.common.key_algorithm.is_none_or(|algorithm| algorithm == named);
    if !(signs && of_its_kind) {
        return None;
    }
    let decoding = DecodingKey::from_jwk(&key).ok()?;
    Some((key.common.key_id?, Arc::new(PublicKey { algorithm, key: decoding })))
}
