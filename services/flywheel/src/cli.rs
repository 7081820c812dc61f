//! The command line: one subcommand a role or tool. Every flag has its environment variable, and nothing else is read.

use clap::{Args, Parser, Subcommand};
use kit::config::{AdminConfig, ClickHouseConfig, KafkaConfig, LifecycleConfig, Secret};
use kit::telemetry::TelemetryConfig;

/// Ranked roadmaps from what customers ask for and what they do.
#[derive(Debug, Parser)]
#[command(name = "flywheel", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Logs, traces and metrics.
    #[command(flatten, next_help_heading = "Telemetry")]
    pub telemetry: TelemetryConfig,
}

/// A role or a tool.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start every role in one process.
    Run(Box<Run>),
    /// Take events from Kafka into ClickHouse.
    Ingest(Box<Ingest>),
    /// Keep every team's ranking current and publish it.
    Rank(Box<Rank>),
    /// Answer questions over HTTP.
    Api(Box<Api>),
    /// Create the topics and apply the schema; safe to repeat.
    Migrate(Box<Migrate>),
    /// Bring in what customers asked for elsewhere.
    Import(Box<Import>),
    /// Play the demonstration: a history, then live traffic.
    Demo(Box<Demo>),
    /// List, show and replay records that could not be taken.
    DeadLetters(Box<crate::dead_letters::Args>),
    /// Create, list, rotate and revoke keys of the query API.
    Keys(Box<crate::keys::Args>),
    /// Show a team's ranking in the terminal.
    Rankings(Box<crate::rankings::Args>),
    /// Show why a team's ranking is another than it was.
    Diff(crate::diff::Args),
    /// Show what is behind a feature's place.
    Evidence(crate::evidence::Args),
    /// Show what became of a launch.
    Outcome(crate::outcome::Args),
    /// Show all teams side by side.
    Portfolio(crate::portfolio::Args),
}

/// Options of `flywheel run`.
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "each is documented at its type")]
pub struct Run {
    #[command(flatten)]
    pub process: Process,
    #[command(flatten)]
    pub clickhouse: ClickHouseArgs,
    #[command(flatten)]
    pub ingest: ingest::IngestConfig,
    #[command(flatten)]
    pub ranker: ranker::RankerConfig,
    #[command(flatten)]
    pub api: api::config::ApiConfig,
}

/// Options of `flywheel ingest`.
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "each is documented at its type")]
pub struct Ingest {
    #[command(flatten)]
    pub process: Process,
    #[command(flatten)]
    pub clickhouse: ClickHouseArgs,
    #[command(flatten)]
    pub ingest: ingest::IngestConfig,
}

/// Options of `flywheel rank`.
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "each is documented at its type")]
pub struct Rank {
    #[command(flatten)]
    pub process: Process,
    #[command(flatten)]
    pub clickhouse: ClickHouseArgs,
    #[command(flatten)]
    pub ranker: ranker::RankerConfig,
}

/// Options of `flywheel api`.
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "each is documented at its type")]
pub struct Api {
    #[command(flatten)]
    pub process: Process,
    #[command(flatten)]
    pub clickhouse: ClickHouseArgs,
    #[command(flatten)]
    pub api: api::config::ApiConfig,
}

/// Options of `flywheel migrate`.
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "each is documented at its type")]
pub struct Migrate {
    #[command(flatten)]
    pub kafka: KafkaConfig,
    #[command(flatten)]
    pub clickhouse: ClickHouseArgs,
    #[command(flatten)]
    pub migrate: migrate::MigrateConfig,
}

/// Options of `flywheel import`.
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "each is documented at its type")]
pub struct Import {
    #[command(flatten)]
    pub kafka: KafkaConfig,
    #[command(flatten)]
    pub import: crate::import::Args,
}

/// Options of `flywheel demo`.
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "each is documented at its type")]
pub struct Demo {
    #[command(flatten)]
    pub kafka: KafkaConfig,
    #[command(flatten)]
    pub demo: crate::demo::Args,
}

/// What every process that runs roles has.
#[derive(Clone, Debug, Args)]
#[expect(missing_docs, reason = "each is documented at its type")]
pub struct Process {
    #[command(flatten)]
    pub kafka: KafkaConfig,
    #[command(flatten)]
    pub admin: AdminConfig,
    #[command(flatten)]
    pub lifecycle: LifecycleConfig,
}

/// Where ClickHouse is; one user for everything, or one for each role, so that each can have the least rights.
#[derive(Clone, Debug, Args)]
pub struct ClickHouseArgs {
    /// ClickHouse's HTTP address.
    #[arg(
        long = "clickhouse-url",
        env = "FLYWHEEL_CLICKHOUSE_URL",
        default_value = "http://127.0.0.1:8123",
        value_parser = clickhouse_url
    )]
    url: String,
    /// Database that holds Flywheel's tables.
    #[arg(long = "clickhouse-database", env = "FLYWHEEL_CLICKHOUSE_DATABASE", default_value = "flywheel")]
    database: String,
    /// User of every role that has none of its own.
    #[arg(long = "clickhouse-user", env = "FLYWHEEL_CLICKHOUSE_USER", default_value = "default")]
    user: String,
    /// That user's password.
    #[arg(
        long = "clickhouse-password",
        env = "FLYWHEEL_CLICKHOUSE_PASSWORD",
        default_value = "",
        hide_default_value = true,
        hide_env_values = true
    )]
    password: Secret,
    /// User that migrates.
    #[arg(long, env = "FLYWHEEL_CLICKHOUSE_MIGRATE_USER")]
    clickhouse_migrate_user: Option<String>,
    /// That user's password.
    #[arg(long, env = "FLYWHEEL_CLICKHOUSE_MIGRATE_PASSWORD", hide_env_values = true)]
    clickhouse_migrate_password: Option<Secret>,
    /// User that ingests.
    #[arg(long, env = "FLYWHEEL_CLICKHOUSE_INGEST_USER")]
    clickhouse_ingest_user: Option<String>,
    /// That user's password.
    #[arg(long, env = "FLYWHEEL_CLICKHOUSE_INGEST_PASSWORD", hide_env_values = true)]
    clickhouse_ingest_password: Option<Secret>,
    /// User that ranks.
    #[arg(long, env = "FLYWHEEL_CLICKHOUSE_RANKER_USER")]
    clickhouse_ranker_user: Option<String>,
    /// That user's password.
    #[arg(long, env = "FLYWHEEL_CLICKHOUSE_RANKER_PASSWORD", hide_env_values = true)]
    clickhouse_ranker_password: Option<Secret>,
    /// User that answers questions.
    #[arg(long, env = "FLYWHEEL_CLICKHOUSE_API_USER")]
    clickhouse_api_user: Option<String>,
    /// That user's password.
    #[arg(long, env = "FLYWHEEL_CLICKHOUSE_API_PASSWORD", hide_env_values = true)]
    clickhouse_api_password: Option<Secret>,
}

impl ClickHouseArgs {
    /// As the user that migrates.
    pub fn migrate(&self) -> ClickHouseConfig {
        self.as_user(self.clickhouse_migrate_user.as_ref(), self.clickhouse_migrate_password.as_ref())
    }

    /// As the user that ingests.
    pub fn ingest(&self) -> ClickHouseConfig {
        self.as_user(self.clickhouse_ingest_user.as_ref(), self.clickhouse_ingest_password.as_ref())
    }

    /// As the user that ranks.
    pub fn ranker(&self) -> ClickHouseConfig {
        self.as_user(self.clickhouse_ranker_user.as_ref(), self.clickhouse_ranker_password.as_ref())
    }

    /// As the user that answers questions.
    pub fn api(&self) -> ClickHouseConfig {
        self.as_user(self.clickhouse_api_user.as_ref(), self.clickhouse_api_password.as_ref())
    }

    /// A role's own password goes with its own user; the shared one never does.
    fn as_user(&self, user: Option<&String>, password: Option<&Secret>) -> ClickHouseConfig {
        let (user, password) = match user {
            Some(user) => (user, password.cloned().unwrap_or_default()),
            None => (&self.user, self.password.clone()),
        };
        ClickHouseConfig { url: self.url.clone(), database: self.database.clone(), user: user.clone(), password }
    }
}

/// Credentials are refused in the address, because it is logged.
fn clickhouse_url(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|_| "takes an address such as http://127.0.0.1:8123".to_owned())?;
    if url.scheme() != "http" || url.host().is_none() {
        return Err("takes an http:// address such as http://127.0.0.1:8123".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("takes no user or password; they have flags and variables of their own".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_address_that_cannot_work_or_would_leak_is_refused_before_anything_connects() {
        for good in ["http://127.0.0.1:8123", "http://clickhouse:8123/", "http://[::1]:8123"] {
            assert_eq!(clickhouse_url(good).as_deref(), Ok(good));
        }
        for bad in ["", "127.0.0.1:8123", "localhost:8123", "https://h:8443", "tcp://h:9000", "http://u:p@h:8123"] {
            assert!(clickhouse_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_role_without_a_user_of_its_own_takes_the_shared_one() {
        let cli = Cli::parse_from([
            "flywheel",
            "migrate",
            "--clickhouse-user",
            "shared",
            "--clickhouse-password",
            "a",
            "--clickhouse-ingest-user",
            "own",
            "--clickhouse-ingest-password",
            "b",
        ]);
        let Command::Migrate(migrate) = cli.command else { panic!("{:?}", cli.command) };
        let user = |config: ClickHouseConfig| (config.user.clone(), config.password.expose().to_owned());
        assert_eq!(user(migrate.clickhouse.migrate()), ("shared".to_owned(), "a".to_owned()));
        assert_eq!(user(migrate.clickhouse.ingest()), ("own".to_owned(), "b".to_owned()));
        assert!(!format!("{migrate:?}").contains("\"a\""), "a password was printed");
    }
}
