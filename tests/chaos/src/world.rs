//! The real stack under load with its instances: everything that faults happen to.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clickhouse::Client;
use devstack::{Role, Stack};
use futures::future::join_all;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};
use testkit::eventually::eventually;
use tokio::process::Command;
use wire::topics::{CATALOG, USAGE};

use crate::{
    event::Partitions,
    fault::inflict,
    fleet::{Doors, Fleet},
    judge::{Judged, judge},
    load::{Load, LoadConfig},
    log::{Log, Place},
    plan::Round,
    report::{Done, Report},
};

/// Ingest's consumer group, as it is called where nobody says otherwise.
const GROUP: &str = "flywheel-ingest";
/// From the end of a round's faults until everything is durable that was in the log then; more counts as stuck.
const RECOVERY_MAX: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What runs.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// Where the load comes from.
    pub seed: u64,
    /// Instances of ingest that there is room for.
    pub instances: usize,
    /// How many of them are static members of the group.
    pub named: usize,
    /// The program that they run.
    pub program: PathBuf,
    /// Records produced a second.
    pub records_per_s: u32,
    /// Partitions of usage.
    pub usage_partitions: i32,
}

/// A running world.
pub struct World {
    /// The instances. Before the stack, so that they end first.
    pub fleet: Fleet,
    /// Kafka and ClickHouse.
    pub stack: Stack,
    seed: u64,
    load: Load,
    log: Arc<Log>,
    done: Done,
}

impl World {
    /// Starts everything but the instances.
    ///
    /// # Errors
    /// When the stack does not come up.
    pub async fn start(config: WorldConfig) -> anyhow::Result<Self> {
        let (doors, stack) = Doors::open(config.instances).await?;
        let stack = Stack::start(stack).await?;
        make_usage_topic(&stack, config.usage_partitions).await?;
        // A copy, so that a build meanwhile does not change what is started again.
        let program = stack.logs().with_file_name("flywheel");
        std::fs::copy(&config.program, &program).context("cannot copy the program")?;
        migrate(&stack, &program).await?;
        let log = Arc::new(Log::new(stack.kafka_brokers(), GROUP)?);
        let ends = blocking(&log, Log::ends).await?;
        let others = ends.keys().filter(|(topic, _)| *topic == CATALOG).count();
        let load = Load::start(LoadConfig {
            brokers: stack.kafka_brokers().to_owned(),
            seed: config.seed,
            records_per_s: config.records_per_s,
            partitions: Partitions { usage: config.usage_partitions, others: i32::try_from(others)? },
        });
        let fleet = Fleet::new(&stack, doors, program, config.named)?;
        Ok(Self { stack, fleet, seed: config.seed, load, log, done: Done::default() })
    }

    /// Starts every instance and waits until they take what is produced.
    ///
    /// # Errors
    /// When they do not.
    pub async fn start_instances(&self) -> anyhow::Result<()> {
        join_all((0..self.fleet.len()).map(|instance| self.fleet.start(&self.stack, instance))).await;
        eventually("the load has begun", RECOVERY_MAX, async || {
            assert!(self.load.failed().is_none(), "the load has ended: {:?}", self.load.failed());
            let ends = blocking(&self.log, Log::ends).await.map_err(|error| format!("{error:#}"))?;
            if ends.values().all(|end| *end > 0) { Ok(()) } else { Err(format!("the log ends at {ends:?}")) }
        })
        .await;
        self.caught_up().await.map(drop)
    }

    /// Lets a round's faults happen and waits until the instances have recovered; returns how long that took.
    ///
    /// # Errors
    /// When a server does not come up again, or the instances are stuck.
    pub async fn round(&mut self, round: &Round) -> anyhow::Result<Duration> {
        keeping_logs(&self.stack, inflict(round, &self.fleet, &self.stack)).await?;
        let took = self.caught_up().await?;
        self.done.rounds += 1;
        self.done.max_recovery_s = self.done.max_recovery_s.max(took.as_secs_f64());
        for timed in &round.0 {
            *self.done.faults.entry(timed.fault.kind()).or_default() += 1;
        }
        Ok(took)
    }

    /// Waits until everything is durable that is in the log now; returns how long that took.
    ///
    /// # Errors
    /// When it is not in time; says how far each partition is.
    pub async fn caught_up(&self) -> anyhow::Result<Duration> {
        keeping_logs(&self.stack, caught_up(&self.stack, &self.fleet, &self.log)).await
    }

    /// The group's committed offset of every partition.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub async fn committed(&self) -> anyhow::Result<BTreeMap<Place, i64>> {
        blocking(&self.log, |log| log.committed(log.ends()?.into_keys())).await
    }

    /// Ends the load, waits until everything is durable, stops the instances, and compares what is there with the log.
    ///
    /// # Errors
    /// When something is stuck, or Kafka's log is not what it acknowledged.
    pub async fn finish(self) -> anyhow::Result<Report> {
        let Self { stack, fleet, seed, load, log, mut done } = self;
        let judged = async {
            let receipts = load.finish().await?;
            caught_up(&stack, &fleet, &log).await?;
            join_all((0..fleet.len()).map(|instance| fleet.stop(instance))).await;
            // Ingest is shown its own inserts, and may not read texts; the migration's user may read everything.
            nothing_is_inserted(&testkit::clickhouse(&stack, Role::Ingest)).await;
            judge(&testkit::clickhouse(&stack, Role::Migrate), &log, receipts).await
        };
        let Judged { produced, doubled, findings } = keeping_logs(&stack, judged).await?;
        if !findings.exact() {
            keep_logs(&stack)?;
        }
        done.ended_alone = fleet.ended_alone().await;
        Ok(Report { seed, produced, produced_twice: doubled, done, findings })
    }
}

/// The folder of what was built: reports and kept logs go there.
#[must_use]
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).join("target")
}

/// Does `work`; where it fails, keeps the logs, which would end with the stack.
async fn keeping_logs<T>(stack: &Stack, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    match work.await {
        Ok(done) => Ok(done),
        Err(error) => Err(error.context(format!("the logs are in {}", keep_logs(stack)?.display()))),
    }
}

fn keep_logs(stack: &Stack) -> anyhow::Result<PathBuf> {
    let run = stack.logs();
    let run = run.parent().and_then(Path::file_name).context("the logs lie in the run's folder")?;
    let kept = target().join("chaos-logs").join(run);
    std::fs::create_dir_all(&kept)?;
    for file in std::fs::read_dir(stack.logs())? {
        let file = file?;
        std::fs::copy(file.path(), kept.join(file.file_name()))?;
    }
    Ok(kept)
}

/// Waits until everything is durable that is in the log now. Instances that end by themselves are started again.
async fn caught_up(stack: &Stack, fleet: &Fleet, log: &Arc<Log>) -> anyhow::Result<Duration> {
    let since = Instant::now();
    let mut ends = None;
    loop {
        fleet.tend(stack).await;
        let known = ends.clone();
        let reason = match blocking(log, move |log| lag(log, known)).await {
            Ok((_, lag)) if lag.is_empty() => return Ok(since.elapsed()),
            Ok((known, lag)) => {
                ends = Some(known);
                listed(&lag)
            }
            Err(error) => format!("{error:#}"),
        };
        ensure!(since.elapsed() < RECOVERY_MAX, "not caught up within {RECOVERY_MAX:?}: {reason}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Partitions that are not durable up to `ends`, with the committed and the wanted offset; the ends as they are, where none
/// are given.
type Lag = BTreeMap<Place, (i64, i64)>;

fn lag(log: &Log, ends: Option<BTreeMap<Place, i64>>) -> anyhow::Result<(BTreeMap<Place, i64>, Lag)> {
    let ends = match ends {
        Some(ends) => ends,
        None => log.ends()?,
    };
    let committed = log.committed(ends.keys().copied())?;
    let behind = ends.iter().map(|(place, end)| (*place, (committed[place], *end)));
    let behind = behind.filter(|(_, (committed, end))| committed < end).collect();
    Ok((ends, behind))
}

fn listed(lag: &Lag) -> String {
    let each = lag.iter().map(|((topic, partition), (at, end))| format!("{topic} {partition} at {at} of {end}"));
    each.collect::<Vec<_>>().join(", ")
}

/// Asks Kafka, which blocks the thread.
async fn blocking<T: Send + 'static>(
    log: &Arc<Log>,
    ask: impl FnOnce(&Log) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let log = Arc::clone(log);
    tokio::task::spawn_blocking(move || ask(&log)).await.context("the question to Kafka panicked")?
}

async fn migrate(stack: &Stack, program: &Path) -> anyhow::Result<()> {
    let migrated = Command::new(program).arg("migrate").envs(stack.env()).kill_on_drop(true).output().await?;
    let said = || String::from_utf8_lossy(&migrated.stderr).into_owned();
    ensure!(migrated.status.success(), "the migration failed: {}", said());
    Ok(())
}

/// Usage is dated by the load, so that days pass within minutes; the migration leaves a topic that exists as it is.
async fn make_usage_topic(stack: &Stack, partitions: i32) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", stack.kafka_brokers()).create()?;
    let topic = NewTopic::new(USAGE, partitions, TopicReplication::Fixed(1))
        .set("message.timestamp.type", "CreateTime")
        .set("max.message.bytes", "8388608");
    for made in admin.create_topics(&[topic], &AdminOptions::new()).await? {
        made.map_err(|(topic, code)| anyhow::anyhow!("cannot make topic {topic}: {code}"))?;
    }
    Ok(())
}

/// Waits until no insert is at work any more, of an instance that was killed say.
async fn nothing_is_inserted(client: &Client) {
    eventually("no insert is at work", RECOVERY_MAX, async || {
        let sql = "SELECT count() FROM system.processes WHERE query_kind = 'Insert'";
        match client.query(sql).fetch_one::<u64>().await {
            Ok(0) => Ok(()),
            Ok(count) => Err(format!("{count} inserts")),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
}
