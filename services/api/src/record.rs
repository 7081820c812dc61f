//! A record of the rankings topic and what it asks of the store. Pure.

use wire::{ranking::Ranking, topics::RANKING_PUBLISHED};

use crate::published::{Published, Unusable};

/// What a valid record asks for.
#[derive(Debug)]
pub(crate) enum Change {
    /// Hold this ranking.
    Publish(Box<Published>),
    /// Forget this team.
    Remove(String),
}

/// Why a record is passed over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("the key is not a team")]
    Key,
    #[error("the event type is not {RANKING_PUBLISHED}")]
    Type,
    #[error("the value is not a ranking")]
    Value(#[source] serde_json::Error),
    #[error("the key names another team than the ranking")]
    Team,
    #[error("the ranking cannot be answered from")]
    Unusable(#[source] Unusable),
}

impl Rejection {
    /// The reason for counters and logs.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Type => "type",
            Self::Value(_) => "value",
            Self::Team => "team",
            Self::Unusable(_) => "unusable",
        }
    }
}

/// Reads one record: `ce_type` is the header of that name; a record without a value is a tombstone.
pub(crate) fn read(key: Option<&[u8]>, ce_type: Option<&[u8]>, value: Option<&[u8]>) -> Result<Change, Rejection> {
    let team = std::str::from_utf8(key.ok_or(Rejection::Key)?).map_err(|_| Rejection::Key)?;
    let Some(value) = value else {
        return Ok(Change::Remove(team.to_owned()));
    };
    if ce_type != Some(RANKING_PUBLISHED.as_bytes()) {
        return Err(Rejection::Type);
    }
    let ranking: Ranking = serde_json::from_slice(value).map_err(Rejection::Value)?;
    if ranking.team != team {
        return Err(Rejection::Team);
    }
    Published::new(ranking).map(|published| Change::Publish(Box::new(published))).map_err(Rejection::Unusable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    const TYPE: Option<&[u8]> = Some(RANKING_PUBLISHED.as_bytes());

    fn reason(key: Option<&[u8]>, ce_type: Option<&[u8]>, value: Option<&[u8]>) -> &'static str {
        read(key, ce_type, value).expect_err("the record is valid").reason()
    }

    fn value(change: impl FnOnce(&mut Ranking)) -> Vec<u8> {
        let mut ranking = example::ranking();
        change(&mut ranking);
        serde_json::to_vec(&ranking).unwrap()
    }

    #[test]
    fn a_ranking_and_a_tombstone_are_read() {
        let key = Some(&b"dynamodb"[..]);
        assert!(matches!(read(key, TYPE, Some(&value(|_| ()))), Ok(Change::Publish(_))));
        assert!(matches!(read(key, None, None), Ok(Change::Remove(team)) if team == "dynamodb"));
    }

    #[test]
    fn each_cause_of_rejection_has_its_reason() {
        let key = Some(&b"dynamodb"[..]);
        let valid = value(|_| ());
        assert_eq!(reason(None, TYPE, Some(&valid)), "key");
        assert_eq!(reason(Some(b"\xff"), TYPE, Some(&valid)), "key");
        assert_eq!(reason(key, None, Some(&valid)), "type");
        assert_eq!(reason(key, Some(b"io.flywheel.other.v1"), Some(&valid)), "type");
        assert_eq!(reason(key, TYPE, Some(b"{")), "value");
        assert_eq!(reason(key, TYPE, Some(b"{}")), "value");
        assert_eq!(reason(Some(b"lambda"), TYPE, Some(&valid)), "team");
        assert_eq!(reason(key, TYPE, Some(&value(|ranking| ranking.as_of = "now".into()))), "unusable");
        assert_eq!(reason(key, TYPE, Some(&value(|ranking| ranking.snapshot = "a\nb".into()))), "unusable");
        assert_eq!(reason(key, TYPE, Some(&value(|ranking| ranking.segment = Some("eu".into())))), "unusable");
        assert_eq!(reason(Some(b"A"), TYPE, Some(&value(|ranking| ranking.team = "A".into()))), "unusable");
    }
}
