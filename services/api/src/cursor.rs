//! Where the next page of a list starts: opaque to the reader, who sends it back as it came.

use ::store::DeadLetterPlace;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{ids::TeamId, time::Timestamp};

/// A cursor is no longer than this, in bytes, so that nobody makes us decode more.
const BYTES_MAX: usize = 512;

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// In the ranking that `snapshot` names, at its `start`th feature. The numbers stay those of the first page.
    Ranking { snapshot: String, start: usize },
    /// In the ranking computed for this instant, at its `start`th feature. The rest of the question comes with the cursor.
    Computed { as_of: Timestamp, start: usize },
    /// In the list of teams, after `team`.
    Teams { after: TeamId },
    /// In the list of dead letters, after this one.
    DeadLetters { after: DeadLetterPlace },
}

impl Cursor {
    pub(crate) fn ranking(snapshot: &str, start: usize) -> Self {
        Self::Ranking { snapshot: snapshot.to_owned(), start }
    }

    pub(crate) fn encode(&self) -> String {
        let text = match self {
            Self::Ranking { snapshot, start } => format!("r1 {snapshot} {start}"),
            Self::Computed { as_of, start } => format!("c1 {} {start}", as_of.0),
            Self::Teams { after } => format!("t1 {after}"),
            Self::DeadLetters { after: DeadLetterPlace { received_ms, topic, partition, offset } } => {
                format!("d1 {received_ms} {topic} {partition} {offset}")
            }
        };
        URL_SAFE_NO_PAD.encode(text)
    }

    /// `None` when nobody here gave out such a cursor.
    pub(crate) fn decode(cursor: &str) -> Option<Self> {
        if cursor.len() > BYTES_MAX {
            return None;
        }
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let words: Vec<&str> = text.split(' ').collect();
        Some(match words.as_slice() {
            ["r1", snapshot, start] => Self::ranking(snapshot, start.parse().ok()?),
            ["c1", as_of, start] => {
                Self::Computed { as_of: Timestamp(as_of.parse().ok()?), start: start.parse().ok()? }
            }
            ["t1", team] => Self::Teams { after: team.parse().ok()? },
            ["d1", received_ms, topic, partition, offset] => Self::DeadLetters {
                after: DeadLetterPlace {
                    received_ms: received_ms.parse().ok()?,
                    topic: (*topic).to_owned(),
                    partition: partition.parse().ok()?,
                    offset: offset.parse().ok()?,
                },
            },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let computed = Cursor::Computed { as_of: Timestamp(1_796_083_200_000_001), start: 200 };
        let teams = Cursor::Teams { after: "dynamodb".parse().unwrap() };
        let after = DeadLetterPlace { received_ms: 17, topic: "flywheel.usage.v1".to_owned(), partition: 5, offset: 9 };
        for cursor in [Cursor::ranking("01JD-x:9", 50), computed, teams, Cursor::DeadLetters { after }] {
            assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }
    }

    #[test]
    fn anything_else_is_not_a_cursor() {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let long = encode(&format!("r1 {} 3", "s".repeat(500)));
        let texts = ["r1 s", "r1 s -1", "r1 s 1 2", "t1 NOT", "t1 a b", "t2 a", ""].map(encode);
        for cursor in ["", "***", "50", long.as_str()].into_iter().chain(texts.iter().map(String::as_str)) {
            assert_eq!(Cursor::decode(cursor), None, "{cursor}");
        }
    }
}
