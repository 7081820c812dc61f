//! A ClickHouse of the run's own, with the tables that the migration makes.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clickhouse::Client;
use devstack::{Role, Stack, StackConfig};
use kit::config::{ClickHouseConfig, KafkaConfig};
use migrate::MigrateConfig;
use tokio_util::sync::CancellationToken;

use crate::process::Process;

/// The stack's users may do what a role needs; making teams and looking at what was read needs more.
const USER: &str = "flywheel_bench";
const PASSWORD: &str = "local-bench";
const MERGES_MAX: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The running stack.
#[derive(Debug)]
pub struct Site {
    /// Kafka and ClickHouse.
    pub stack: Stack,
    /// ClickHouse's process.
    pub clickhouse: Process,
    /// ClickHouse, with all rights.
    pub client: Client,
    /// ClickHouse, with the ranker's rights.
    pub ranker: Client,
}

impl Site {
    /// Starts and migrates a stack with data of its own.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start() -> anyhow::Result<Self> {
        let config = StackConfig::test()?;
        let run = config.folders.run(&config.run);
        let stack = Stack::start(config).await?;
        add_user(&run.join("config/clickhouse-users.xml"))?;
        // The users are read at the start.
        stack.clickhouse().context("no ClickHouse of our own")?.restart().await?;
        let (user, password) = stack.clickhouse_user(Role::Migrate);
        let clickhouse = ClickHouseConfig {
            url: stack.clickhouse_url().to_owned(),
            database: stack.clickhouse_database().to_owned(),
            user,
            password: password.parse()?,
        };
        let config = MigrateConfig {
            dry_run: false,
            topic_partitions: 1,
            topic_replication: 1,
            wait_ms_max: 60_000,
            lock_age_s_max: 600,
        };
        let kafka = KafkaConfig { brokers: stack.kafka_brokers().to_owned() };
        migrate::run(&config, &kafka, &clickhouse, CancellationToken::new()).await?;

        let client = Client::default().with_url(stack.clickhouse_url()).with_database(stack.clickhouse_database());
        let (user, password) = stack.clickhouse_user(Role::Ranker);
        Ok(Self {
            clickhouse: Process::of_file(&run.join("clickhouse.pid"))?,
            ranker: client.clone().with_user(user).with_password(password),
            client: client.with_user(USER).with_password(PASSWORD),
            stack,
        })
    }

    /// Waits until no merge runs.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn merges_settled(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut quiet = 0;
        while quiet < 4 && began.elapsed() < MERGES_MAX {
            tokio::time::sleep(LOOK_EVERY).await;
            let merges = self.client.query("SELECT count() FROM system.merges").fetch_one::<u64>().await?;
            quiet = if merges == 0 { quiet + 1 } else { 0 };
        }
        Ok(())
    }

    /// Stops it.
    ///
    /// # Errors
    /// When a server does not stop in time.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stack.stop().await
    }
}

/// Adds a user with all rights to the run's users.
fn add_user(file: &Path) -> anyhow::Result<()> {
    let users = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let user = format!(
        "<{USER}><password>{PASSWORD}</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>\
         <quota>default</quota><grants><query>GRANT ALL ON *.*</query></grants></{USER}></users>"
    );
    ensure!(users.contains("</users>"), "{} has no users", file.display());
    std::fs::write(file, users.replace("</users>", &user)).with_context(|| format!("cannot write {}", file.display()))
}
