//! A real issuer on this machine: it serves its description and its keys over HTTP, and signs tokens.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use axum::{Json, Router, extract::State, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

/// A key pair under an id.
pub(super) struct Key {
    pub(super) id: String,
    pair: Pair,
}

enum Pair {
    Rs256(RsaKeyPair),
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Key {
    pub(super) fn rs256(id: &str) -> Self {
        // Made for this test alone: ring does not make any.
        let pair = RsaKeyPair::from_pkcs8(include_bytes!("rs256.pk8")).unwrap();
        Self { id: id.to_owned(), pair: Pair::Rs256(pair) }
    }

    pub(super) fn es256(id: &str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { id: id.to_owned(), pair: Pair::Es256(pair) }
    }

    pub(super) fn eddsa(id: &str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { id: id.to_owned(), pair: Pair::EdDsa(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap()) }
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rs256(_) => "RS256",
            Pair::Es256(_) => "ES256",
            Pair::EdDsa(_) => "EdDSA",
        }
    }

    /// The public half, as the key set has it.
    pub(super) fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| BASE64.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::Rs256(pair) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "n": text(&public.n), "e": text(&public.e)})
            }
            Pair::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Pair::EdDsa(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref())}),
        };
        let common = json!({"kid": self.id, "use": "sig", "alg": self.algorithm()});
        jwk.as_object_mut().unwrap().extend(common.as_object().unwrap().clone());
        jwk
    }

    /// A token with these claims.
    pub(super) fn token(&self, claims: &Value) -> String {
        self.token_under(&json!({"alg": self.algorithm(), "kid": self.id, "typ": "JWT"}), claims)
    }

    /// A token that says of itself whatever `header` says.
    pub(super) fn token_under(&self, header: &Value, claims: &Value) -> String {
        self.signed(&header.to_string(), &claims.to_string())
    }

    /// A token of these texts, which need not be JSON.
    pub(super) fn signed(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Pair::Es256(pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", BASE64.encode(signature))
    }
}

/// The issuer; it is gone when dropped.
pub(super) struct Issuer {
    pub(super) url: String,
    published: Arc<Published>,
    server: AbortHandle,
}

struct Published {
    address: SocketAddr,
    keys: Mutex<Vec<Value>>,
    /// What it calls itself, where that is not its address.
    name: Option<String>,
    asked: AtomicUsize,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Issuer {
    pub(super) async fn start(keys: &[&Key]) -> Self {
        Self::start_named(keys, None).await
    }

    pub(super) async fn start_named(keys: &[&Key], name: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let keys = Mutex::new(keys.iter().map(|key| key.jwk()).collect());
        let published = Arc::new(Published { address, keys, name, asked: AtomicUsize::new(0) });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(key_set))
            .with_state(Arc::clone(&published));
        let server = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        Self { url: format!("http://{address}"), published, server }
    }

    /// Has these keys from now on.
    pub(super) fn publish(&self, keys: &[&Key]) {
        *self.published.keys.lock().unwrap() = keys.iter().map(|key| key.jwk()).collect();
    }

    /// How often its keys were asked for.
    pub(super) fn asked(&self) -> usize {
        self.published.asked.load(Relaxed)
    }
}

async fn discovery(State(published): State<Arc<Published>>) -> Json<Value> {
    let url = format!("http://{}", published.address);
    Json(json!({"issuer": published.name.as_ref().unwrap_or(&url), "jwks_uri": format!("{url}/keys")}))
}

async fn key_set(State(published): State<Arc<Published>>) -> Json<Value> {
    published.asked.fetch_add(1, Relaxed);
    let mut keys = published.keys.lock().unwrap().clone();
    // What issuers have beside those that sign tokens.
    keys.push(json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}));
    keys.push(json!({"kty": "RSA", "kid": "encrypts", "use": "enc", "n": "AQAB", "e": "AQAB"}));
    keys.push(json!({"kty": "of the future"}));
    Json(json!({"keys": keys}))
}
