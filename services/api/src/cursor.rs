//! Where the next page of a list starts: opaque to the reader, who sends it back as it came.
//!
//! A cursor carries a checksum over itself and the list that it is of, so that one that was cut short, altered, or given for
//! another question is refused and does not lead to a wrong page. It needs no secret and so works on every copy of the API: what
//! a cursor says, parameters could say too, and what a reader may see is checked with every page.

use ::store::DeadLetterPlace;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{ids::TeamId, time::Timestamp};
use sha2::{Digest, Sha256};

/// A cursor is no longer than this, in bytes, so that nobody makes us decode more.
const BYTES_MAX: usize = 512;

/// The checksum's length, in bytes.
const CHECKSUM_BYTES: usize = 12;

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

/// A cursor as it came, and the list that it says it is of unproved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    text: String,
    checksum: [u8; CHECKSUM_BYTES],
    cursor: Cursor,
}

impl Cursor {
    pub(crate) fn ranking(snapshot: &str, start: usize) -> Self {
        Self::Ranking { snapshot: snapshot.to_owned(), start }
    }

    /// As the reader gets it. `list` names the list: the question without its pages.
    pub(crate) fn encode(&self, list: &str) -> String {
        let text = match self {
            Self::Ranking { snapshot, start } => format!("r2 {snapshot} {start}"),
            Self::Computed { as_of, start } => format!("c2 {} {start}", as_of.0),
            Self::Teams { after } => format!("t2 {after}"),
            Self::DeadLetters { after: DeadLetterPlace { received_ms, topic, partition, offset } } => {
                format!("d2 {received_ms} {topic} {partition} {offset}")
            }
        };
        URL_SAFE_NO_PAD.encode([&checksum(list, &text)[..], text.as_bytes()].concat())
    }

    /// `None` when nobody here gave out such a cursor.
    pub(crate) fn decode(cursor: &str) -> Option<Sealed> {
        if cursor.len() > BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (checksum, text) = bytes.split_first_chunk()?;
        let text = String::from_utf8(text.to_vec()).ok()?;
        let words: Vec<&str> = text.split(' ').collect();
        let cursor = match words.as_slice() {
            ["r2", snapshot, start] => Self::ranking(snapshot, start.parse().ok()?),
            ["c2", as_of, start] => {
                let as_of = Timestamp(as_of.parse().ok()?);
                // One that could be asked for.
                Timestamp::parse_rfc3339(&as_of.to_rfc3339()).ok()?;
                Self::Computed { as_of, start: start.parse().ok()? }
            }
            ["t2", team] => Self::Teams { after: team.parse().ok()? },
            ["d2", received_ms, topic, partition, offset] => Self::DeadLetters {
                after: DeadLetterPlace {
                    received_ms: received_ms.parse().ok()?,
                    topic: (*topic).to_owned(),
                    partition: partition.parse().ok()?,
                    offset: offset.parse().ok()?,
                },
            },
            _ => return None,
        };
        Some(Sealed { checksum: *checksum, cursor, text })
    }
}

impl Sealed {
    /// The place, if it is one in this list.
    pub(crate) fn of(&self, list: &str) -> Option<&Cursor> {
        (checksum(list, &self.text) == self.checksum).then_some(&self.cursor)
    }

    /// The place, whichever list it is in.
    pub(crate) fn unproved(&self) -> &Cursor {
        &self.cursor
    }
}

fn checksum(list: &str, text: &str) -> [u8; CHECKSUM_BYTES] {
    let digest =
        Sha256::new().chain_update("flywheel cursor 2\n").chain_update(text).chain_update("\n").chain_update(list);
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&digest.finalize()[..CHECKSUM_BYTES]);
    checksum
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
            assert_eq!(Cursor::decode(&cursor.encode("here")).unwrap().of("here"), Some(&cursor));
            assert_eq!(Cursor::decode(&cursor.encode("here")).unwrap().of("there"), None);
        }
    }

    #[test]
    fn an_instant_that_nobody_can_ask_for_is_in_no_cursor() {
        for (as_of, possible) in [(i64::MIN, false), (i64::MAX, false), (0, true)] {
            let cursor = Cursor::Computed { as_of: Timestamp(as_of), start: 0 }.encode("here");
            assert_eq!(Cursor::decode(&cursor).is_some(), possible, "{as_of}");
        }
    }

    #[test]
    fn no_other_cursor_can_be_made_of_one() {
        let cursor = Cursor::ranking("s1", 50).encode("here");
        for at in 0..cursor.len() {
            let mut altered = cursor.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(Cursor::decode(&altered).and_then(|sealed| sealed.of("here").cloned()), None, "{altered}");
            let short = &cursor[..at];
            assert_eq!(Cursor::decode(short).and_then(|sealed| sealed.of("here").cloned()), None, "{short}");
        }
    }

    #[test]
    fn anything_else_is_not_a_cursor() {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode([&checksum("", text)[..], text.as_bytes()].concat());
        let long = encode(&format!("r2 {} 3", "s".repeat(500)));
        let texts = ["r2 s", "r2 s -1", "r2 s 1 2", "t2 NOT", "t2 a b", "t3 a", ""].map(encode);
        for cursor in ["", "***", "50", long.as_str()].into_iter().chain(texts.iter().map(String::as_str)) {
            assert_eq!(Cursor::decode(cursor), None, "{cursor}");
        }
    }
}
