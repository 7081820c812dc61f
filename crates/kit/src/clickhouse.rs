//! A ClickHouse client from the configuration.

use crate::config::ClickHouseConfig;

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
    fn what_does_not_pass_by_itself_has_a_remedy() {
        let missing = "bad response: Code: 60. DB::Exception: Table flywheel.usage does not exist. (UNKNOWN_TABLE)";
        assert_eq!((code(missing), remedy(missing)), (Some(60), Some("run `flywheel migrate`")));
        let busy = "bad response: Code: 202. DB::Exception: Too many simultaneous queries.";
        assert_eq!((code(busy), remedy(busy)), (Some(202), None));
        assert_eq!(code("network error: connection refused"), None);
    }
}
