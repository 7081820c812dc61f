//! Keys for an API under test.

use api::{
    ApiConfig,
    access::{
        AccessConfig, Scope,
        facts::{Fact, What},
        key::{KeyText, new_id, new_key},
        seal::{Digest, SealConfig},
    },
};

use crate::support::{Api, ranking};

/// A key, and the facts that make it known.
pub(crate) struct TestKey {
    pub(crate) text: String,
    pub(crate) facts: Vec<Fact>,
}

impl TestKey {
    /// A key with these scopes.
    pub(crate) fn new(scopes: &[&str]) -> Self {
        let text = new_key(&new_id().unwrap()).unwrap();
        let scopes: Vec<Scope> = scopes.iter().map(|scope| scope.parse().unwrap()).collect();
        let created = What::Created { name: "test".to_owned(), scopes, expires_ms: None, digest: digest(&text) };
        let facts = vec![fact(&text, 0, created)];
        Self { text, facts }
    }

    pub(crate) fn expired(mut self) -> Self {
        for fact in &mut self.facts {
            if let What::Created { expires_ms, .. } = &mut fact.what {
                *expires_ms = Some(1);
            }
        }
        self
    }

    pub(crate) fn revoked(mut self) -> Self {
        self.facts.push(fact(&self.text, 1, What::Revoked));
        self
    }

    /// The same key with a new secret; the old one is good until then, in Unix milliseconds.
    pub(crate) fn rotated(&self, previous_until_ms: i64) -> Self {
        let text = new_key(id(&self.text)).unwrap();
        let mut facts = self.facts.clone();
        facts.push(fact(&text, 1, What::Rotated { digest: digest(&text), previous_until_ms }));
        Self { text, facts }
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.text)
    }
}

/// Access with a secret, by which these keys are made.
pub(crate) fn sealed() -> AccessConfig {
    let seal = SealConfig { secret: "of the tests, not of anybody else".parse().ok(), file: None };
    AccessConfig { seal, ..AccessConfig::default() }
}

/// An API that requires keys and knows these, with a ranking of `dynamodb`, one of `lambda`, and nothing else.
pub(crate) async fn guarded(access: AccessConfig, keys: &[&TestKey]) -> Api {
    let access = AccessConfig { keys_required: true, ..access };
    let api = Api::start_unloaded(ApiConfig { access, ..ApiConfig::default() }).await;
    for team in ["dynamodb", "lambda"] {
        api.publish(ranking(team, "s1", "2026-01-01T12:00:00Z", 3, 1));
    }
    api.store.set_loaded();
    api.access.hold(keys.iter().flat_map(|key| key.facts.clone()).collect());
    api
}

fn fact(text: &str, at_ms: i64, what: What) -> Fact {
    Fact { key_id: id(text).to_owned(), at_ms, what }
}

fn digest(text: &str) -> Digest {
    sealed().seal.seal().unwrap().unwrap().digest(KeyText::parse(text).unwrap())
}

fn id(text: &str) -> &str {
    KeyText::parse(text).unwrap().id()
}
