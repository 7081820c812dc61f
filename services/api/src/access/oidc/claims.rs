//! What a token says, as rights.

use domain::ids::TeamId;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    super::Scope,
    config::{ClaimValue, OidcConfig},
};

/// A token's claims, after the signature and the registered ones have been checked.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    /// Unix seconds.
    pub(super) exp: u64,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Claims {
    /// Who it is, as logs may have it: the same for the same subject, and nothing that tells who that is.
    pub(super) fn id(&self) -> String {
        let digest = Sha256::new().chain_update(&self.iss).chain_update([0]).chain_update(&self.sub).finalize();
        digest.iter().take(8).fold("oidc:".to_owned(), |id, byte| id + &format!("{byte:02x}"))
    }

    /// What the token gives, as `config` reads it. What is no team's id gives nothing.
    pub(super) fn scopes(&self, config: &OidcConfig) -> Vec<Scope> {
        let teams = self.values(&config.teams_claim).into_iter().filter_map(|team| match team {
            "*" => Some(Scope::EveryTeam),
            team => team.parse::<TeamId>().ok().map(Scope::Team),
        });
        let mut scopes: Vec<Scope> = teams.collect();
        scopes.extend(self.has(config.evidence_claim.as_ref()).then_some(Scope::Evidence));
        scopes.extend(self.has(config.admin_claim.as_ref()).then_some(Scope::Admin));
        scopes
    }

    fn has(&self, wanted: Option<&ClaimValue>) -> bool {
        wanted.is_some_and(|wanted| self.values(&wanted.claim).contains(&wanted.value.as_str()))
    }

    /// A claim's values: those of a list, or those of a text with blanks between them, as `scope` has them.
    fn values(&self, claim: &str) -> Vec<&str> {
        match self.others.get(claim) {
            Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scopes(claims: Value, config: &OidcConfig) -> Vec<String> {
        let mut all = json!({"iss": "i", "sub": "s", "exp": 1});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let claims: Claims = serde_json::from_value(all).unwrap();
        claims.scopes(config).iter().map(Scope::to_string).collect()
    }

    #[test]
    fn a_token_gives_what_the_operator_said_and_no_more() {
        let config = OidcConfig {
            teams_claim: "groups".to_owned(),
            evidence_claim: Some("groups=analysts".parse().unwrap()),
            admin_claim: Some("scope=flywheel.admin".parse().unwrap()),
            ..OidcConfig::default()
        };
        assert_eq!(
            scopes(json!({"groups": ["dynamodb", "Not A Team", 7, "s3"]}), &config),
            ["rankings:read:dynamodb", "rankings:read:s3"]
        );
        assert_eq!(scopes(json!({"groups": ["analysts"]}), &config), ["rankings:read:analysts", "evidence:read"]);
        assert_eq!(
            scopes(json!({"groups": "*", "scope": "openid flywheel.admin"}), &config),
            ["rankings:read:*", "admin"]
        );
        assert_eq!(
            scopes(json!({"teams": ["dynamodb"], "admin": true, "scope": {"flywheel.admin": 1}}), &config),
            [] as [&str; 0]
        );
        assert_eq!(
            scopes(json!({"teams": ["dynamodb"], "groups": ["analysts"]}), &OidcConfig::default()),
            ["rankings:read:dynamodb"]
        );
    }
}
