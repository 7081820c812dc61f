//! Kafka and ClickHouse together, as one run has them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, bail, ensure};

use crate::{
    clickhouse,
    folders::{self, FolderLock, Folders},
    kafka, obtain,
    ports::{
        self, CLICKHOUSE_HTTP_PORT, CLICKHOUSE_NATIVE_PORT, KAFKA_CONTROLLER_PORT, KAFKA_PORT, PROXIES_MAX, Ports,
    },
    progress::Progress,
    role::Role,
    server::{Server, kill_stale},
    template,
    variable::variable,
};

/// What to start, and where.
#[derive(Clone, Debug)]
pub struct StackConfig {
    /// Where downloads, data and logs go.
    pub folders: Folders,
    /// The run's name, under which its data is kept.
    pub run: String,
    /// Delete the run's folder in the end.
    pub temporary: bool,
    /// The ports to use, or `None` for ones that no other run uses.
    pub ports: Option<Ports>,
    /// ClickHouse database that the users get rights on.
    pub database: String,
    /// Brokers (`host:port`, comma-separated) to use instead of starting Kafka.
    pub external_kafka: Option<String>,
    /// HTTP address to use instead of starting ClickHouse.
    pub external_clickhouse: Option<String>,
    /// Where proxies stand, four at most, that the caller puts before Kafka: for each, Kafka listens on a further port,
    /// [`Stack::kafka_behind_proxy`], and tells who connects there to stay with that proxy. Only with ports of the run's own.
    pub kafka_proxies: Vec<SocketAddr>,
    /// Most memory for Kafka's heap, in MiB.
    pub kafka_heap_mib: u32,
    /// Compile Kafka's code fully, as it is in production: it starts more slowly and takes less once it has run for a while.
    pub kafka_long_lived: bool,
    /// Longest time for each server from its start until it answers.
    pub ready_max: Duration,
    /// Longest time for each server from SIGTERM until SIGKILL.
    pub stop_max: Duration,
    /// Whether to say what happens.
    pub progress: Progress,
}

impl StackConfig {
    /// The developer's own stack: [`Ports::from_env`], data that is kept, and what the environment says already runs
    /// (`FLYWHEEL_KAFKA_BROKERS`, `FLYWHEEL_CLICKHOUSE_URL`) used instead.
    ///
    /// # Errors
    /// When the stack's folder cannot be made or a variable makes no sense.
    pub fn local(progress: Progress) -> anyhow::Result<Self> {
        Ok(Self {
            folders: Folders::from_env()?,
            run: "local".to_owned(),
            temporary: false,
            ports: Some(Ports::from_env()?),
            database: variable("FLYWHEEL_CLICKHOUSE_DATABASE")?.unwrap_or_else(|| "flywheel".to_owned()),
            external_kafka: variable("FLYWHEEL_KAFKA_BROKERS")?,
            external_clickhouse: variable("FLYWHEEL_CLICKHOUSE_URL")?,
            kafka_proxies: Vec::new(),
            kafka_heap_mib: 512,
            kafka_long_lived: false,
            ready_max: Duration::from_secs(90),
            stop_max: Duration::from_secs(15),
            progress,
        })
    }

    /// A stack for one test: its own ports and data, deleted in the end. It never uses what the environment names, so
    /// that no test can touch anybody's Kafka or ClickHouse.
    ///
    /// # Errors
    /// When the stack's folder cannot be made.
    pub fn test() -> anyhow::Result<Self> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            run: format!("{TEMPORARY}{}-{number}", std::process::id()),
            temporary: true,
            ports: None,
            database: "flywheel".to_owned(),
            external_kafka: None,
            external_clickhouse: None,
            ..Self::local(Progress::printing())?
        })
    }
}

/// Begins the names of runs that may be deleted once nobody holds their lock.
const TEMPORARY: &str = "test-";

/// A running stack. Dropping it kills what it started; [`Stack::stop`] ends it gracefully first.
#[derive(Debug)]
pub struct Stack {
    kafka: Option<Server>,
    clickhouse: Option<Server>,
    brokers: String,
    url: String,
    database: String,
    ports: Ports,
    supervisor: PathBuf,
    // After the servers: the folder must not be anybody else's while they run.
    folder: RunFolder,
    _ports_lock: Option<FolderLock>,
}

impl Stack {
    /// Obtains what is missing, starts what is not there already, and waits until everything answers.
    ///
    /// # Errors
    /// In one sentence, where possible: when another run uses the same data, a port is taken, a download fails, or a
    /// server does not come up (with the end of its log).
    pub async fn start(config: StackConfig) -> anyhow::Result<Self> {
        let progress = &config.progress;
        let folder = {
            let runs = config.folders.runs();
            folders::make_apart(&runs).with_context(|| format!("cannot make {}", runs.display()))?;
            // So that nobody sweeps away a folder that has been made but not yet locked.
            let _entry = FolderLock::wait(&runs, || ()).await?;
            sweep(&config.folders)?;
            RunFolder::lock(config.folders.run(&config.run), config.temporary)?
        };
        let path = template::plain(&folder.path)?;
        // Also where nothing is started: whoever runs Flywheel on the stack logs there.
        std::fs::create_dir_all(folder.logs()).with_context(|| format!("cannot make {}", folder.logs().display()))?;
        kill_stale(&kafka::pid_file(&folder.path), path).await?;
        kill_stale(&clickhouse::pid_file(&folder.path), path).await?;
        let proxies = config.kafka_proxies.len();
        ensure!(
            proxies <= usize::from(PROXIES_MAX),
            "{proxies} proxies before Kafka, at most {PROXIES_MAX} are possible"
        );
        let (ports, ports_lock) = match config.ports {
            Some(_) if proxies > 0 => bail!("Kafka behind proxies needs ports of the run's own"),
            Some(ports) => (ports, None),
            None => ports::reserve(&config.folders).map(|(ports, lock)| (ports, Some(lock)))?,
        };
        check_ports(&config, ports)?;

        let supervisor = obtain::supervisor(&config.folders, progress).await?;
        let (kafka, clickhouse) = tokio::try_join!(
            start_kafka(&config, &folder.path, ports, &supervisor),
            start_clickhouse(&config, &folder.path, ports, &supervisor),
        )?;
        Ok(Self {
            kafka,
            clickhouse,
            brokers: config.external_kafka.unwrap_or_else(|| format!("127.0.0.1:{}", ports.kafka)),
            url: config.external_clickhouse.unwrap_or_else(|| format!("http://127.0.0.1:{}", ports.clickhouse_http)),
            database: config.database,
            ports,
            supervisor,
            folder,
            _ports_lock: ports_lock,
        })
    }

    /// The Kafka this stack started; `None` where another one is used.
    pub fn kafka(&self) -> Option<&Server> {
        self.kafka.as_ref()
    }

    /// The ClickHouse this stack started; `None` where another one is used.
    pub fn clickhouse(&self) -> Option<&Server> {
        self.clickhouse.as_ref()
    }

    /// Kafka's bootstrap brokers, `host:port`, comma-separated.
    pub fn kafka_brokers(&self) -> &str {
        &self.brokers
    }

    /// Where Kafka listens behind the proxy of that number.
    pub fn kafka_behind_proxy(&self, number: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.behind_proxy(number)).into()
    }

    /// ClickHouse's HTTP address.
    pub fn clickhouse_url(&self) -> &str {
        &self.url
    }

    /// The ClickHouse database that the users have rights on; the migration makes it.
    pub fn clickhouse_database(&self) -> &str {
        &self.database
    }

    /// User and password of a role on the ClickHouse this stack started; elsewhere, what the environment says.
    pub fn clickhouse_user(&self, role: Role) -> (String, String) {
        if self.clickhouse.is_some() {
            let (user, password) = role.local_user();
            return (user.to_owned(), password.to_owned());
        }
        let named = |name: String| std::env::var(name).ok();
        match named(format!("FLYWHEEL_CLICKHOUSE_{}_USER", role.variable())) {
            Some(user) => {
                (user, named(format!("FLYWHEEL_CLICKHOUSE_{}_PASSWORD", role.variable())).unwrap_or_default())
            }
            None => (
                named("FLYWHEEL_CLICKHOUSE_USER".to_owned()).unwrap_or_else(|| "default".to_owned()),
                named("FLYWHEEL_CLICKHOUSE_PASSWORD".to_owned()).unwrap_or_default(),
            ),
        }
    }

    /// The environment that makes `flywheel` use this stack.
    pub fn env(&self) -> Vec<(String, String)> {
        let mut env = vec![
            ("FLYWHEEL_KAFKA_BROKERS".to_owned(), self.brokers.clone()),
            ("FLYWHEEL_CLICKHOUSE_URL".to_owned(), self.url.clone()),
            ("FLYWHEEL_CLICKHOUSE_DATABASE".to_owned(), self.database.clone()),
            ("FLYWHEEL_API_AUDIT_FILE".to_owned(), self.logs().join("audit.jsonl").display().to_string()),
        ];
        for role in [Role::Migrate, Role::Ingest, Role::Ranker, Role::Api] {
            let (user, password) = self.clickhouse_user(role);
            env.push((format!("FLYWHEEL_CLICKHOUSE_{}_USER", role.variable()), user));
            env.push((format!("FLYWHEEL_CLICKHOUSE_{}_PASSWORD", role.variable()), password));
        }
        env
    }

    /// The folder of the logs.
    pub fn logs(&self) -> PathBuf {
        self.folder.logs()
    }

    /// The program that [`crate::Supervised`] runs others under.
    pub fn supervisor(&self) -> &Path {
        &self.supervisor
    }

    /// Waits until a server of this stack ends without having been asked to, and says which.
    pub async fn unexpected_end(&self) -> anyhow::Error {
        let of = async |server: &Option<Server>| match server {
            Some(server) => server.unexpected_end().await,
            None => std::future::pending().await,
        };
        tokio::select! {
            end = of(&self.kafka) => end,
            end = of(&self.clickhouse) => end,
        }
    }

    /// Stops what this stack started, gracefully, Kafka first.
    ///
    /// # Errors
    /// When a server does not end even when killed.
    pub async fn stop(&self) -> anyhow::Result<()> {
        for server in [&self.kafka, &self.clickhouse].into_iter().flatten() {
            server.stop().await?;
        }
        Ok(())
    }
}

/// A run's folder, ours alone while this lives.
#[derive(Debug)]
struct RunFolder {
    path: PathBuf,
    temporary: bool,
    _lock: FolderLock,
}

impl RunFolder {
    fn lock(path: PathBuf, temporary: bool) -> anyhow::Result<Self> {
        let lock = FolderLock::try_new(&path)?;
        let lock = lock
            .with_context(|| format!("a local stack runs already on the data in {}: stop it first", path.display()))?;
        Ok(Self { path, temporary, _lock: lock })
    }

    fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if self.temporary {
            // What remains is swept by the next run.
            let _ = folders::delete(&self.path);
        }
    }
}

/// Deletes what temporary runs left that were killed.
fn sweep(folders: &Folders) -> anyhow::Result<()> {
    let Ok(runs) = std::fs::read_dir(folders.runs()) else { return Ok(()) };
    for run in runs.flatten().filter(|run| run.file_name().to_string_lossy().starts_with(TEMPORARY)) {
        // Locking makes the folder where it is missing, so look again: its run may have deleted it meanwhile.
        if run.path().is_dir()
            && let Some(_lock) = FolderLock::try_new(&run.path())?
        {
            folders::delete(&run.path())?;
        }
    }
    Ok(())
}

fn check_ports(config: &StackConfig, ports: Ports) -> anyhow::Result<()> {
    if config.external_kafka.is_none() {
        let instead = format!(
            "set FLYWHEEL_KAFKA_BROKERS=127.0.0.1:{} if it is the Kafka to use, or {KAFKA_PORT} to another port",
            ports.kafka
        );
        ports::check_free(ports.kafka, "Kafka", &instead)?;
        let instead = format!("set {KAFKA_CONTROLLER_PORT} to another port");
        ports::check_free(ports.kafka_controller, "Kafka's controller", &instead)?;
    }
    if config.external_clickhouse.is_none() {
        let instead = format!(
            "set FLYWHEEL_CLICKHOUSE_URL=http://127.0.0.1:{} if it is the ClickHouse to use, or {CLICKHOUSE_HTTP_PORT} to another port",
            ports.clickhouse_http
        );
        ports::check_free(ports.clickhouse_http, "ClickHouse over HTTP", &instead)?;
        let instead = format!("set {CLICKHOUSE_NATIVE_PORT} to another port");
        ports::check_free(ports.clickhouse_native, "ClickHouse's native protocol", &instead)?;
    }
    Ok(())
}

async fn start_kafka(
    config: &StackConfig,
    folder: &Path,
    ports: Ports,
    supervisor: &Path,
) -> anyhow::Result<Option<Server>> {
    if let Some(brokers) = &config.external_kafka {
        config.progress.step(format_args!("using the Kafka at {brokers}"));
        return Ok(None);
    }
    let parts = obtain::kafka(&config.folders, supervisor, &config.progress).await?;
    let settings = kafka::Settings {
        supervisor: supervisor.to_owned(),
        folder: folder.to_owned(),
        ports,
        proxies: config.kafka_proxies.clone(),
        heap_mib: config.kafka_heap_mib,
        long_lived: config.kafka_long_lived,
        ready_max: config.ready_max,
        stop_max: config.stop_max,
    };
    let server = Server::new(kafka::prepare(&parts, &settings)?);
    config.progress.step("starting Kafka");
    server.start().await?;
    config.progress.step(format_args!("Kafka answers on 127.0.0.1:{}", ports.kafka));
    Ok(Some(server))
}

async fn start_clickhouse(
    config: &StackConfig,
    folder: &Path,
    ports: Ports,
    supervisor: &Path,
) -> anyhow::Result<Option<Server>> {
    if let Some(url) = &config.external_clickhouse {
        config.progress.step(format_args!("using the ClickHouse at {url}"));
        return Ok(None);
    }
    let parts = obtain::clickhouse(&config.folders, &config.progress).await?;
    let settings = clickhouse::Settings {
        supervisor: supervisor.to_owned(),
        folder: folder.to_owned(),
        ports,
        database: config.database.clone(),
        ready_max: config.ready_max,
        stop_max: config.stop_max,
    };
    let server = Server::new(clickhouse::prepare(&parts, &settings)?);
    config.progress.step("starting ClickHouse");
    server.start().await?;
    config.progress.step(format_args!("ClickHouse answers on http://127.0.0.1:{}", ports.clickhouse_http));
    Ok(Some(server))
}
