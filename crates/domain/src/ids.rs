//! The ids that customers choose (team, feature, account) and Kafka's coordinates.

use std::{borrow::Borrow, fmt, sync::Arc};

use thiserror::Error;

/// The longest id, in bytes.
pub const ID_BYTES_MAX: usize = 64;

/// The text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an id: it must match [a-z0-9][a-z0-9._-]{{0,63}}")]
pub struct InvalidId;

/// Defines an id type: the three differ only in what they name, and must not be mixed up.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Matches `[a-z0-9][a-z0-9._-]{0,63}`. Ordered by bytes. Owns its text unless `Text` is a borrowed one, and is
        /// cheap to clone.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name<Text = Arc<str>>(Text);

        impl $name {
            /// Takes the text if it is an id.
            ///
            /// # Errors
            /// [`InvalidId`] if it is not.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                $name::check(text).map($name::into_owned)
            }
        }

        impl<Text: AsRef<str>> $name<Text> {
            /// Takes the text as it is if it is an id.
            ///
            /// # Errors
            /// [`InvalidId`] if it is not.
            pub fn check(text: Text) -> Result<Self, InvalidId> {
                if is_id(text.as_ref()) { Ok(Self(text)) } else { Err(InvalidId) }
            }

            /// The id's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_ref()
            }

            /// The same id with a text of its own.
            #[must_use]
            pub fn into_owned(self) -> $name
            where
                Text: Into<Arc<str>>,
            {
                $name(self.0.into())
            }
        }

        impl<Text: AsRef<str>> fmt::Display for $name<Text> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl<Text: fmt::Debug> fmt::Debug for $name<Text> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        // So that maps keyed by the id can be asked with text; the order and hash of both are the text's.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id! {
    /// A product team.
    TeamId
}
id! {
    /// A feature, within its team.
    FeatureId
}
id! {
    /// A customer as it contracts; never a person.
    AccountId
}

/// A partition of a Kafka topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub i32);

/// A record's place in its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

fn is_id(text: &str) -> bool {
    let [first, rest @ ..] = text.as_bytes() else {
        return false;
    };
    // To the end in any case: without a branch for each byte.
    rest.len() < ID_BYTES_MAX && is_plain(*first) && rest.iter().fold(true, |is, byte| is & IS_PART[usize::from(*byte)])
}

/// Whether an id may go on with this byte.
const IS_PART: [bool; 256] = {
    let mut is_part = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        is_part[byte as usize] = is_plain(byte) || matches!(byte, b'.' | b'_' | b'-');
        byte += 1;
    }
    is_part
};

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_lower_case_starts_plain_and_is_at_most_64_bytes() {
        for good in ["a", "0", "secondary-indexes", "a.b_c-d", &"x".repeat(64)] {
            assert_eq!(FeatureId::parse(good).map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "-a", ".a", "_a", "A", "aB", "a b", "a/b", "é", "a\0", "a\n", &"x".repeat(65)] {
            assert_eq!(FeatureId::parse(bad), Err(InvalidId), "{bad:?}");
        }
    }
}
