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
