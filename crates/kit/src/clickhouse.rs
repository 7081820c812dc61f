//! A ClickHouse client from the configuration, and what is asked of the server.

use crate::config::ClickHouseConfig;

/// The oldest ClickHouse whose answers are known to be right, year and month: rankings are computed with common table expressions that
/// are `MATERIALIZED`, which older ones refuse, or compute as often as they are named.
pub const VERSION_MIN: (u32, u32) = (26, 7);

/// ClickHouse is older than [`VERSION_MIN`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ClickHouse is {found}, and {}.{} or later is needed", VERSION_MIN.0, VERSION_MIN.1)]
pub struct TooOld {
    /// What it says that it is.
    pub found: String,
}

/// What ClickHouse says that it is.
pub const VERSION: &str = "SELECT version()";

/// Whether a server that says this of itself will do.
///
/// # Errors
/// When it is too old, or says what cannot be read.
pub fn check_version(found: &str) -> Result<(), TooOld> {
    let mut numbers = found.split('.').map(|number| number.parse::<u32>().ok());
    let version = numbers.next().flatten().zip(numbers.next().flatten());
    if version.is_some_and(|version| version >= VERSION_MIN) { Ok(()) } else { Err(TooOld { found: found.to_owned() }) }
}

/// A client for `config`'s database, as its user. It connects on first use.
pub fn client(config: &ClickHouseConfig) -> clickhouse::Client {
    clickhouse::Client::default()
        .with_url(&config.url)
        .with_database(&config.database)
        .with_user(&config.user)
        .with_password(config.password.expose())
}

/// ClickHouse's code in the text of an error, if it answered with one.
pub fn code(error: &str) -> Option<u32> {
    let (_, rest) = error.split_once("Code: ")?;
    rest.split_once('.')?.0.parse().ok()
}

/// What to do about an error that does not pass by itself; `None` for any other.
pub fn remedy(error: &str) -> Option<&'static str> {
    match code(error)? {
        // A column, name, table or database that does not exist.
        16 | 47 | 60 | 81 => Some("run `flywheel migrate`"),
        192..=194 | 516 => Some("check ClickHouse's user and password"),
        497 => Some("grant the user its rights, as deploy/clickhouse/users.xml does"),
        241 => Some("give ClickHouse more memory, or send smaller inserts"),
        243 => Some("make room on ClickHouse's disk"),
        252 => Some("let ClickHouse merge: give its disk and background pool more room"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_before_the_oldest_that_will_do_is_told_apart() {
        for found in ["26.7.3.1", "26.7.3-stable.1", "26.10.1.1", "27.1.2.3"] {
            assert_eq!(check_version(found), Ok(()), "{found}");
        }
        for found in ["26.6.9.99", "25.12.1.1", "", "main"] {
            assert_eq!(check_version(found), Err(TooOld { found: found.to_owned() }), "{found}");
        }
        let said = check_version("25.8.2.1").unwrap_err().to_string();
        assert_eq!(said, "ClickHouse is 25.8.2.1, and 26.7 or later is needed");
    }

    #[test]
    fn what_does_not_pass_by_itself_has_a_remedy() {
        let missing = "bad response: Code: 60. DB::Exception: Table flywheel.usage does not exist. (UNKNOWN_TABLE)";
        assert_eq!((code(missing), remedy(missing)), (Some(60), Some("run `flywheel migrate`")));
        let busy = "bad response: Code: 202. DB::Exception: Too many simultaneous queries.";
        assert_eq!((code(busy), remedy(busy)), (Some(202), None));
        assert_eq!(code("network error: connection refused"), None);
    }
}
