//! Where the arms run: one Kafka and one ClickHouse, and their processes.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clickhouse::Client;
use devstack::{Folders, Stack, StackConfig};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
};
use tokio::process::Command;

use crate::process::Process;

/// The stack's users may do what a role needs; the Kafka engine, which we compare ourselves with, needs more.
const USER: &str = "flywheel_bench";
const PASSWORD: &str = "local-bench";
const MERGES_MAX: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The running stack.
pub(crate) struct Site {
    stack: Stack,
    flywheel: PathBuf,
    pub(crate) clickhouse: Process,
    pub(crate) broker: Process,
    client: Client,
}

impl Site {
    /// Starts Kafka and ClickHouse with data of their own, and makes the topics. `flywheel` migrates them.
    ///
    /// # Errors
    /// When the stack does not come up.
    pub(crate) async fn start(folders: Folders, flywheel: &Path) -> anyhow::Result<Self> {
        let config = StackConfig { folders, kafka_long_lived: true, ..StackConfig::test()? };
        let run = config.folders.run(&config.run);
        let stack = Stack::start(config).await?;
        add_user(&run.join("config/clickhouse-users.xml"))?;
        // The users are read at the start.
        stack.clickhouse().context("no ClickHouse of our own")?.restart().await?;
        let client = Client::default()
            .with_url(stack.clickhouse_url())
            .with_database(stack.clickhouse_database())
            .with_user(USER)
            .with_password(PASSWORD);
        let site = Self {
            clickhouse: Process::of_file(&run.join("clickhouse.pid"))?,
            broker: Process::of_file(&run.join("kafka.pid"))?,
            flywheel: flywheel.to_owned(),
            client,
            stack,
        };
        site.empty_tables().await?;
        Ok(site)
    }

    /// Kafka's address.
    pub(crate) fn brokers(&self) -> &str {
        self.stack.kafka_brokers()
    }

    /// Where logs go.
    pub(crate) fn logs(&self) -> PathBuf {
        self.stack.logs()
    }

    /// ClickHouse, with all rights.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// ClickHouse's address, user and password.
    pub(crate) fn clickhouse_access(&self) -> [String; 4] {
        [self.stack.clickhouse_url(), self.stack.clickhouse_database(), USER, PASSWORD].map(ToOwned::to_owned)
    }

    /// What makes `flywheel` use this stack.
    pub(crate) fn env(&self) -> Vec<(String, String)> {
        self.stack.env()
    }

    /// Gives every arm new tables, as `flywheel migrate` makes them: also what the server remembers of inserts is gone.
    ///
    /// # Errors
    /// When ClickHouse or the migration refuses.
    pub(crate) async fn empty_tables(&self) -> anyhow::Result<()> {
        let database = self.stack.clickhouse_database();
        self.run(&format!("DROP DATABASE IF EXISTS {database} SYNC")).await?;
        let output = Command::new(&self.flywheel).arg("migrate").envs(self.env()).stdin(Stdio::null()).output().await;
        let output = output.with_context(|| format!("cannot run {}", self.flywheel.display()))?;
        let said = [output.stdout, output.stderr].concat();
        ensure!(
            output.status.success(),
            "flywheel migrate failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&said)
        );
        Ok(())
    }

    /// Makes a topic like those of the migration.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub(crate) async fn make_topic(&self, name: &str, partitions: usize) -> anyhow::Result<()> {
        let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", self.brokers()).create()?;
        let topic = NewTopic::new(name, i32::try_from(partitions)?, TopicReplication::Fixed(1))
            .set("message.timestamp.type", "LogAppendTime");
        for created in admin.create_topics([&topic], &AdminOptions::new()).await? {
            created.map_err(|(topic, code)| anyhow::anyhow!("cannot create topic {topic}: {code}"))?;
        }
        Ok(())
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// When ClickHouse refuses it.
    pub(crate) async fn run(&self, sql: &str) -> anyhow::Result<()> {
        // The database may be what the statement is about.
        let client = self.client().with_database("default");
        client.query(&sql.replace('?', "??")).execute().await.with_context(|| format!("ClickHouse refused: {sql}"))
    }

    /// A query's one number.
    ///
    /// # Errors
    /// When ClickHouse refuses it.
    pub(crate) async fn number(&self, sql: &str) -> anyhow::Result<u64> {
        let answer = self.client.query(&sql.replace('?', "??")).fetch_one::<u64>().await;
        answer.with_context(|| format!("ClickHouse refused: {sql}"))
    }

    /// Whether a table is there.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub(crate) async fn has_table(&self, table: &str) -> anyhow::Result<bool> {
        let sql = format!("SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = '{table}'");
        Ok(self.number(&sql).await? > 0)
    }

    /// Waits until no merge runs and none is about to.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub(crate) async fn merges_settled(&self) -> anyhow::Result<()> {
        let began = std::time::Instant::now();
        let mut quiet = 0;
        while quiet < 4 && began.elapsed() < MERGES_MAX {
            tokio::time::sleep(LOOK_EVERY).await;
            quiet = if self.number("SELECT count() FROM system.merges").await? == 0 { quiet + 1 } else { 0 };
        }
        Ok(())
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
