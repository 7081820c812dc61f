//! OpenID Connect: a signed token of an issuer that the operator trusts says who asks.

use std::{sync::Arc, time::Duration};

use axum::http::{HeaderMap, header::AUTHORIZATION};
use jsonwebtoken::{Validation, decode, decode_header, errors::ErrorKind};

mod claims;
pub mod config;
mod crypto;
mod keys;

use claims::Claims;
pub use config::OidcConfig;
use keys::{Found, Keys};

use super::Principal;

/// The clocks of issuer and API may differ by so many seconds.
const LEEWAY_S: u64 = 60;

/// Knows the issuer, where there is one. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Tokens(Option<Arc<Oidc>>);

struct Oidc {
    config: OidcConfig,
    issuer: String,
    audience: String,
    keys: Keys,
}

/// Why a token lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// It is none of the issuer's for this API.
    Wrong,
    /// It is one of the issuer's, and its time is over.
    Over,
    /// Nothing can be said of it: the issuer's keys could not be read yet.
    IssuerAway,
}

impl Tokens {
    /// Takes the tokens of the configured issuer; none, if none is configured.
    ///
    /// # Errors
    /// When the configuration is wrong, or the system's certificates, which say whom to believe, cannot be read.
    pub(crate) fn new(config: &OidcConfig) -> anyhow::Result<Self> {
        config.check()?;
        let (Some(issuer), Some(audience)) = (config.issuer.clone(), config.audience.clone()) else {
            return Ok(Self(None));
        };
        crypto::install();
        let keys = Keys::new(issuer.clone(), Duration::from_millis(config.keys_asked_ms_min))?;
        Ok(Self(Some(Arc::new(Oidc { config: config.clone(), issuer, audience, keys }))))
    }

    /// Keeps the issuer's keys. Runs for ever.
    pub(crate) async fn follow(&self) {
        match &self.0 {
            Some(oidc) => oidc.keys.follow().await,
            None => std::future::pending().await,
        }
    }

    /// Who sent the token in these headers; none if there is no token in them, but perhaps a key.
    pub(crate) async fn identify(&self, headers: &HeaderMap) -> Option<Result<Principal, NotTaken>> {
        let oidc = self.0.as_ref()?;
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        let (Some(one), None) = (sent.next(), sent.next()) else { return None };
        let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
        let token = token.trim_matches(' ');
        // A key has no dots in it, and a token two.
        if !scheme.eq_ignore_ascii_case("bearer") || token.split('.').count() != 3 {
            return None;
        }
        // On the heap: a request that shows a key, or nothing, would else carry room for its steps along.
        Some(Box::pin(oidc.identify(token)).await)
    }
}

impl Oidc {
    async fn identify(&self, token: &str) -> Result<Principal, NotTaken> {
        let header = decode_header(token).map_err(|_| NotTaken::Wrong)?;
        // Nothing that could be critical is understood.
        if header.crit.is_some() {
            return Err(NotTaken::Wrong);
        }
        let key = match self.keys.find(header.kid.as_deref().ok_or(NotTaken::Wrong)?).await {
            Found::Key(key) => key,
            Found::Unknown => return Err(NotTaken::Wrong),
            Found::Away => return Err(NotTaken::IssuerAway),
        };
        // The key says the algorithm, never the token.
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        let claims = decode::<Claims>(token, &key.key, &validation).map_err(|error| {
            tracing::debug!(%error, "a token was refused");
            // Its signature has been looked at by then.
            if matches!(error.kind(), ErrorKind::ExpiredSignature) { NotTaken::Over } else { NotTaken::Wrong }
        })?;
        let claims = claims.claims;
        Ok(Principal::bearer(claims.id(), claims.scopes(&self.config), claims.exp.saturating_add(LEEWAY_S)))
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tokens").field(&self.0.as_ref().map(|oidc| &oidc.issuer)).finish()
    }
}
