//! Where a record stands in Kafka: what names a dead letter.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// `topic/partition/offset`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Topic.
    pub topic: String,
    /// Partition, from 0.
    pub partition: i32,
    /// Offset, from 0.
    pub offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut parts = text.split('/');
            let (topic, partition, offset) = (parts.next()?, parts.next()?, parts.next()?);
            let place = Self { topic: topic.to_owned(), partition: number(partition)?, offset: number(offset)? };
            (parts.next().is_none() && is_topic(topic)).then_some(place)
        };
        parse().ok_or_else(|| "expected TOPIC/PARTITION/OFFSET, such as flywheel.usage.v1/0/42".to_owned())
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Digits alone: no sign, no blanks.
fn number<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// What Kafka takes as a topic's name.
fn is_topic(text: &str) -> bool {
    (1..=249).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for text in ["flywheel.usage.v1/0/0", "a_b-C.1/2147483647/9223372036854775807"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "",
            "t",
            "t/1",
            "t/1/",
            "t//1",
            "/1/2",
            "t/1/2/3",
            "t/-1/2",
            "t/1/-2",
            "t/+1/2",
            "t/ 1/2",
            "t/1/2 ",
            "t/2147483648/0",
            "t/0/9223372036854775808",
            "a b/1/2",
            "t'/1/2",
            "t/x/2",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }
}
