//! The instances of ingest: the real binary several times over, each behind proxies of its own.

use std::path::PathBuf;

use anyhow::Context as _;
use devstack::{Stack, StackConfig};
use testkit::{
    flywheel::Flywheel,
    proxy::{Line, Proxy},
};
use tokio::{net::TcpListener, sync::Mutex};

use crate::plan::{SESSION_MS, Server};

/// The addresses that the instances speak to, taken before Kafka starts, which must name them.
#[derive(Debug)]
pub struct Doors {
    kafka: Vec<TcpListener>,
    clickhouse: Vec<TcpListener>,
}

/// The instances.
#[derive(Debug)]
pub struct Fleet {
    program: PathBuf,
    instances: Vec<Instance>,
    /// How instances ended that nobody had ended.
    ended_alone: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Instance {
    running: Mutex<Option<Flywheel>>,
    kafka: Proxy,
    clickhouse: Proxy,
    env: Vec<(String, String)>,
}

impl Doors {
    /// Doors for so many instances, and a stack that stands behind them.
    ///
    /// # Errors
    /// When there are no ports.
    pub async fn open(instances: usize) -> anyhow::Result<(Self, StackConfig)> {
        let mut config = StackConfig::test()?;
        let mut doors = Self { kafka: Vec::new(), clickhouse: Vec::new() };
        for _ in 0..instances {
            let (address, listener) = Proxy::listener().await?;
            config.kafka_proxies.push(address);
            doors.kafka.push(listener);
            doors.clickhouse.push(Proxy::listener().await?.1);
        }
        Ok((doors, config))
    }
}

impl Fleet {
    /// Puts instances of `program` behind the doors; none runs yet. The first `named` of them keep their place in the group
    /// by a name, the others get a new one with every start.
    ///
    /// # Errors
    /// When ClickHouse's address makes no sense.
    pub fn new(stack: &Stack, doors: Doors, program: PathBuf, named: usize) -> anyhow::Result<Self> {
        let clickhouse =
            stack.clickhouse_url().trim_start_matches("http://").parse().context("ClickHouse's address")?;
        let instance = |(number, (kafka_door, clickhouse_door)): (u16, (TcpListener, TcpListener))| {
            let mut env = vec![
                ("FLYWHEEL_KAFKA_BROKERS", kafka_door.local_addr()?.to_string()),
                ("FLYWHEEL_CLICKHOUSE_URL", format!("http://{}", clickhouse_door.local_addr()?)),
                ("FLYWHEEL_INGEST_SESSION_MS_MAX", SESSION_MS.to_string()),
                // So that an insert without an answer is given up within a fault.
                ("FLYWHEEL_INGEST_INSERT_MS_MAX", "3000".to_owned()),
                ("FLYWHEEL_SHUTDOWN_MS_MAX", "10000".to_owned()),
            ];
            if usize::from(number) < named {
                env.push(("FLYWHEEL_INGEST_INSTANCE", format!("chaos-{number}")));
            }
            anyhow::Ok(Instance {
                running: Mutex::new(None),
                kafka: Proxy::start(kafka_door, stack.kafka_behind_proxy(number)),
                clickhouse: Proxy::start(clickhouse_door, clickhouse),
                env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            })
        };
        let doors = (0..).zip(doors.kafka.into_iter().zip(doors.clickhouse));
        let instances = doors.map(instance).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { program, instances, ended_alone: Mutex::default() })
    }

    /// How many instances there are, running or not.
    pub fn len(&self) -> usize {
        self.instances.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    /// Starts an instance that does not run; one that does is left alone.
    pub async fn start(&self, stack: &Stack, instance: usize) {
        let instance = &self.instances[instance];
        let mut running = instance.running.lock().await;
        if running.is_none() {
            *running = Some(self.spawn(stack, instance));
        }
    }

    fn spawn(&self, stack: &Stack, instance: &Instance) -> Flywheel {
        let env: Vec<(&str, &str)> = instance.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Flywheel::spawn_program(&self.program, stack, "ingest", &env)
    }

    /// Kills an instance with SIGKILL.
    pub async fn kill(&self, instance: usize) {
        if let Some(flywheel) = self.take(instance).await {
            flywheel.kill().await;
        }
    }

    /// Asks an instance to stop, and waits until it has.
    pub async fn stop(&self, instance: usize) {
        if let Some(flywheel) = self.take(instance).await {
            flywheel.terminate().await;
        }
    }

    /// The process, if it still runs.
    async fn take(&self, instance: usize) -> Option<Flywheel> {
        let mut flywheel = self.instances[instance].running.lock().await.take()?;
        if self.has_ended(instance, &mut flywheel).await { None } else { Some(flywheel) }
    }

    /// Whether a process has ended that nobody had ended; remembers how.
    async fn has_ended(&self, instance: usize, flywheel: &mut Flywheel) -> bool {
        let Some(status) = flywheel.end() else { return false };
        let log = flywheel.log();
        let last = log.lines().last().unwrap_or_default();
        self.ended_alone.lock().await.push(format!("instance {instance}: {status}: {last}"));
        true
    }

    /// Freezes an instance, or lets it go on.
    pub async fn freeze(&self, instance: usize, frozen: bool) {
        let mut running = self.instances[instance].running.lock().await;
        if let Some(flywheel) = running.as_mut()
            && flywheel.end().is_none()
        {
            if frozen { flywheel.pause() } else { flywheel.resume() }
        }
    }

    /// Starts every instance again that has ended by itself, as whoever runs it in production would.
    pub async fn tend(&self, stack: &Stack) {
        for (number, instance) in self.instances.iter().enumerate() {
            let mut running = instance.running.lock().await;
            let ended = match running.as_mut() {
                Some(flywheel) => self.has_ended(number, flywheel).await,
                None => false,
            };
            if ended {
                *running = Some(self.spawn(stack, instance));
            }
        }
    }

    /// How instances ended that nobody had ended, with the last line of each one's log.
    pub async fn ended_alone(&self) -> Vec<String> {
        self.ended_alone.lock().await.clone()
    }

    /// Makes the line between an instance and a server so.
    pub fn set_line(&self, instance: usize, server: Server, line: Line) {
        let instance = &self.instances[instance];
        match server {
            Server::Kafka => instance.kafka.set(line),
            Server::ClickHouse => instance.clickhouse.set(line),
        }
    }

    /// The text of an instance's metrics.
    ///
    /// # Errors
    /// When it does not run, or does not answer yet.
    pub async fn metrics(&self, instance: usize) -> anyhow::Result<String> {
        let running = self.instances[instance].running.lock().await;
        let flywheel = running.as_ref().context("the instance does not run")?;
        flywheel.readyz().await.context("the instance does not answer yet")?;
        Ok(flywheel.metrics().await)
    }

    /// What an instance has logged since its last start.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn log(&self, instance: usize) -> anyhow::Result<String> {
        let running = self.instances[instance].running.lock().await;
        Ok(running.as_ref().context("the instance does not run")?.log())
    }
}
