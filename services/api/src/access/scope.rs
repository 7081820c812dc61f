//! What a key may be good for.

use std::{fmt, str::FromStr};

use domain::ids::TeamId;

/// One right. Rights are independent: each has to be given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// `rankings:read:<team>`: everything told of the team, but for what would tell of a few accounts.
    Team(TeamId),
    /// `rankings:read:*`: the same of every team.
    EveryTeam,
    /// `evidence:read`: what few accounts did too, and what persons wrote, of the teams that may be read.
    Evidence,
    /// `admin`: what operators need, of all teams.
    Admin,
}

/// The text is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("takes rankings:read:<team>, rankings:read:*, evidence:read or admin")]
pub struct InvalidScope;

const RANKINGS: &str = "rankings:read:";
const EVERY_TEAM: &str = "*";
pub(crate) const EVIDENCE: &str = "evidence:read";
pub(crate) const ADMIN: &str = "admin";

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        match (text, text.strip_prefix(RANKINGS)) {
            (EVIDENCE, _) => Ok(Self::Evidence),
            (ADMIN, _) => Ok(Self::Admin),
            (_, Some(EVERY_TEAM)) => Ok(Self::EveryTeam),
            (_, Some(team)) => team.parse().map(Self::Team).map_err(|_| InvalidScope),
            _ => Err(InvalidScope),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Team(team) => write!(f, "{RANKINGS}{team}"),
            Self::EveryTeam => write!(f, "{RANKINGS}{EVERY_TEAM}"),
            Self::Evidence => f.write_str(EVIDENCE),
            Self::Admin => f.write_str(ADMIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_reads_as_it_is_written() {
        for text in ["rankings:read:dynamodb", "rankings:read:*", "evidence:read", "admin"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for wrong in
            ["", "*", "rankings:read", "rankings:read:", "rankings:read:A", "rankings:read:a,b", "admin:*", "Admin"]
        {
            assert_eq!(wrong.parse::<Scope>(), Err(InvalidScope), "{wrong}");
        }
    }
}
