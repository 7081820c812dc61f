//! Configuration shared by the roles: flags with environment variables, parsed and checked before anything binds or connects.

use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

use clap::{Args, builder::NonEmptyStringValueParser};

/// Where Kafka is.
#[derive(Clone, Debug, Args)]
pub struct KafkaConfig {
    /// Kafka bootstrap brokers, `host:port`, comma-separated.
    #[arg(long = "kafka-brokers", global = true, env = "FLYWHEEL_KAFKA_BROKERS", value_parser = NonEmptyStringValueParser::new(), default_value = "127.0.0.1:9092")]
    pub brokers: String,
}

/// Where ClickHouse is, and as whom to speak to it.
#[derive(Clone, Debug)]
pub struct ClickHouseConfig {
    /// HTTP address, such as `http://127.0.0.1:8123`.
    pub url: String,
    /// Database that holds Flywheel's tables.
    pub database: String,
    /// User.
    pub user: String,
    /// Password; never printed.
    pub password: Secret,
}

/// The admin port: metrics and probes.
#[derive(Clone, Debug, Args)]
pub struct AdminConfig {
    /// Address of the admin port, which serves `/metrics`, `/livez` and `/readyz`.
    #[arg(long = "admin-listen", env = "FLYWHEEL_ADMIN_LISTEN", default_value = "127.0.0.1:9464")]
    pub listen: SocketAddr,
}

/// How the process ends.
#[derive(Clone, Debug, Args)]
pub struct LifecycleConfig {
    /// On SIGTERM or Ctrl-C everything must have stopped within so many milliseconds.
    #[arg(long, env = "FLYWHEEL_SHUTDOWN_MS_MAX", default_value_t = 25_000)]
    pub shutdown_ms_max: u64,
}

impl LifecycleConfig {
    /// The deadline as a duration.
    pub fn shutdown_max(&self) -> Duration {
        Duration::from_millis(self.shutdown_ms_max)
    }
}

/// A value that must not be printed.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// The value itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Ok(Self(s.to_owned()))
    }
}
