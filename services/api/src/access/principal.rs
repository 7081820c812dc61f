//! Who asks.

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};
use domain::ids::TeamId;

use super::Scope;
use crate::error::Error;

/// Whoever sent a request, with what they may read. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Principal(Arc<Rights>);

#[derive(Debug)]
struct Rights {
    key_id: Option<String>,
    /// In Unix seconds.
    until_s: Option<u64>,
    every_team: bool,
    teams: BTreeSet<TeamId>,
    evidence: bool,
    admin: bool,
}

impl Principal {
    /// Somebody without a key, where none is required: reads every team's rankings, and no more.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::with(None, [Scope::EveryTeam])
    }

    /// The holder of a key.
    #[must_use]
    pub fn holder(key_id: String, scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self::with(Some(key_id), scopes)
    }

    /// The bearer of a token that is good until this Unix second.
    #[must_use]
    pub fn bearer(id: String, scopes: impl IntoIterator<Item = Scope>, until_s: u64) -> Self {
        Self::until(Some(id), scopes, Some(until_s))
    }

    fn with(key_id: Option<String>, scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self::until(key_id, scopes, None)
    }

    fn until(key_id: Option<String>, scopes: impl IntoIterator<Item = Scope>, until_s: Option<u64>) -> Self {
        let mut rights =
            Rights { key_id, until_s, every_team: false, teams: BTreeSet::new(), evidence: false, admin: false };
        for scope in scopes {
            match scope {
                Scope::Team(team) => {
                    rights.teams.insert(team);
                }
                Scope::EveryTeam => rights.every_team = true,
                Scope::Evidence => rights.evidence = true,
                Scope::Admin => rights.admin = true,
            }
        }
        Self(Arc::new(rights))
    }

    /// Whether they may read of this team. Of any other they are told nothing, not even whether it exists.
    #[must_use]
    pub fn may_read(&self, team: &TeamId) -> bool {
        self.0.every_team || self.0.teams.contains(team)
    }

    /// The teams that they may read; none where it is every team.
    #[must_use]
    pub fn teams(&self) -> Option<&BTreeSet<TeamId>> {
        (!self.0.every_team).then_some(&self.0.teams)
    }

    /// Whether they may read what few accounts did and said, of the teams that they may read.
    #[must_use]
    pub fn may_see_evidence(&self) -> bool {
        self.0.evidence
    }

    /// Whether they may do what operators do.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.0.admin
    }

    /// Why they are refused what takes this scope: somebody without a key has to show one first.
    pub(crate) fn lacks(&self, scope: &'static str) -> Error {
        match self.key_id() {
            Some(_) => Error::Forbidden { scope },
            None => Error::Unauthenticated,
        }
    }

    /// The Unix second at which what they showed ends, where it says so itself.
    #[must_use]
    pub fn until_s(&self) -> Option<u64> {
        self.0.until_s
    }

    /// The id of their key, which is no secret; none of somebody without a key.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.0.key_id.as_deref()
    }
}

/// On a path that is not behind `authenticate` there is no principal, and nobody may read anything.
impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get().cloned().ok_or(Error::Unauthenticated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::scope::ADMIN;

    #[test]
    fn each_right_has_to_be_given() {
        let team = |id: &str| id.parse::<TeamId>().unwrap();
        let of_one = Principal::holder("k".to_owned(), [Scope::Team(team("a"))]);
        assert!(
            of_one.may_read(&team("a"))
                && !of_one.may_read(&team("b"))
                && of_one.teams().is_some_and(|teams| teams.len() == 1)
        );
        assert!(!of_one.may_see_evidence() && !of_one.is_admin());
        let admin = Principal::holder("k".to_owned(), [Scope::Admin, Scope::Evidence]);
        assert!(admin.is_admin() && admin.may_see_evidence() && !admin.may_read(&team("a")));
        let anonymous = Principal::anonymous();
        assert!(anonymous.may_read(&team("a")) && !anonymous.may_see_evidence() && !anonymous.is_admin());
        assert_eq!((anonymous.key_id(), anonymous.teams()), (None, None));
        assert!(matches!(anonymous.lacks(ADMIN), Error::Unauthenticated));
        assert!(matches!(of_one.lacks(ADMIN), Error::Forbidden { scope: "admin" }));
    }
}
