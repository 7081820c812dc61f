//! A record of the rankings topic and what it asks of the store. Pure.

use domain::time::{MICROS_PER_SECOND, Timestamp};
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
    #[error("the ranking is of a time after Kafka received it")]
    Ahead,
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
            Self::Ahead => "ahead",
            Self::Unusable(_) => "unusable",
        }
    }
}

/// Clocks of a ranker and a broker may differ by so much.
const AHEAD_US_MAX: i64 = 60 * MICROS_PER_SECOND;

/// Reads one record: `ce_type` is the header of that name, `received` the broker's timestamp; a record without a value is a
/// tombstone.
///
/// One ranking from the future would keep its team's true ones away for as long, so it is refused.
pub(crate) fn read(
    key: Option<&[u8]>,
    ce_type: Option<&[u8]>,
    value: Option<&[u8]>,
    received: Timestamp,
) -> Result<Change, Rejection> {
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
    let published = Published::new(ranking).map_err(Rejection::Unusable)?;
    if published.as_of() > received.plus_micros(AHEAD_US_MAX) {
        return Err(Rejection::Ahead);
    }
    Ok(Change::Publish(Box::new(published)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    const TYPE: Option<&[u8]> = Some(RANKING_PUBLISHED.as_bytes());
    /// 2026-12-01, after the example's instant.
    const RECEIVED: Timestamp = Timestamp(1_796_083_200_000_000);

    #[test]
    fn a_ranking_from_the_future_is_refused() {
        let key = Some(&b"dynamodb"[..]);
        let ahead = value(|ranking| ranking.as_of = RECEIVED.plus_micros(AHEAD_US_MAX + 1).to_rfc3339());
        assert_eq!(reason(key, TYPE, Some(&ahead)), "ahead");
        let in_time = value(|ranking| ranking.as_of = RECEIVED.plus_micros(AHEAD_US_MAX).to_rfc3339());
        assert!(matches!(read(key, TYPE, Some(&in_time), RECEIVED), Ok(Change::Publish(_))));
    }

    fn reason(key: Option<&[u8]>, ce_type: Option<&[u8]>, value: Option<&[u8]>) -> &'static str {
        read(key, ce_type, value, RECEIVED).expect_err("the record is valid").reason()
    }

    fn value(change: impl FnOnce(&mut Ranking)) -> Vec<u8> {
        let mut ranking = example::ranking();
        change(&mut ranking);
        serde_json::to_vec(&ranking).unwrap()
    }

    #[test]
    fn a_ranking_and_a_tombstone_are_read() {
        let key = Some(&b"dynamodb"[..]);
        assert!(matches!(read(key, TYPE, Some(&value(|_| ())), RECEIVED), Ok(Change::Publish(_))));
        assert!(matches!(read(key, None, None, RECEIVED), Ok(Change::Remove(team)) if team == "dynamodb"));
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
        assert_eq!(reason(key, TYPE, Some(&value(|ranking| ranking.snapshot = Some("a\nb".into())))), "unusable");
        assert_eq!(reason(key, TYPE, Some(&value(|ranking| ranking.segment = Some("eu".into())))), "unusable");
        assert_eq!(reason(Some(b"A"), TYPE, Some(&value(|ranking| ranking.team = "A".into()))), "unusable");
    }
}
