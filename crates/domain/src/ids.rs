//! The ids that customers choose (team, feature, account) and Kafka's coordinates.

use std::{fmt, sync::Arc};

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
        /// Matches `[a-z0-9][a-z0-9._-]{0,63}`. Cheap to clone. Ordered by bytes.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text if it is an id.
            ///
            /// # Errors
            /// [`InvalidId`] if it is not.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if is_id(text) { Ok(Self(text.into())) } else { Err(InvalidId) }
            }

            /// The id's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        // So that maps keyed by the id can be asked with text; the order and hash of both are the text's.
        impl std::borrow::Borrow<str> for $name {
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
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    match text.as_bytes() {
        [] => false,
        bytes if bytes.len() > ID_BYTES_MAX => false,
        [first, rest @ ..] => plain(first) && rest.iter().all(|byte| plain(byte) || b"._-".contains(byte)),
    }
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
