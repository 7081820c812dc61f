//! ClickHouse, configured for one run.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};

use crate::{
    folders::make_apart,
    obtain::ClickHouseParts,
    ports::Ports,
    role::Role,
    server::{Launch, Probe},
    template,
};

const CONFIG: &str = include_str!("../../../deploy/dev/clickhouse/config.xml");
const USERS: &str = include_str!("../../../deploy/dev/clickhouse/users.xml");
/// The command line opens the listeners and then sleeps in three-second steps: the server lives as long as its query.
const SERVE: &str = "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; \
    SELECT sleepEachRow(3) FROM numbers(1000000000) \
    SETTINGS function_sleep_max_microseconds_per_block=0, max_block_size=1 FORMAT Null";

/// What one run asks of ClickHouse.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) supervisor: PathBuf,
    /// The run's folder.
    pub(crate) folder: PathBuf,
    pub(crate) ports: Ports,
    /// The database the users have rights on.
    pub(crate) database: String,
    pub(crate) ready_max: Duration,
    pub(crate) stop_max: Duration,
}

/// Writes the configuration and says how to start the server.
///
/// # Errors
/// When a file cannot be written, or the database's name is not one.
pub(crate) fn prepare(parts: &ClickHouseParts, settings: &Settings) -> anyhow::Result<Launch> {
    let database = &settings.database;
    ensure!(
        database.starts_with(|c: char| c.is_ascii_alphabetic())
            && database.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
        "{database:?} is not a database name: letters, digits and underscores, a letter first"
    );
    let folder = &settings.folder;
    let (config, data, logs) = (folder.join("config"), folder.join("clickhouse"), folder.join("logs"));
    for folder in [&config, &data, &logs] {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    // Where ClickHouse keeps its tables.
    make_apart(&data.join("store")).with_context(|| format!("cannot make a folder in {}", data.display()))?;
    let (config_file, users_file) = (config.join("clickhouse.xml"), config.join("clickhouse-users.xml"));
    template::write(&config_file, CONFIG, &[("users_file", template::plain(&users_file)?)])?;
    let users = [
        ("database", database.as_str()),
        ("migrate_password", Role::Migrate.local_user().1),
        ("ingest_password", Role::Ingest.local_user().1),
        ("ranker_password", Role::Ranker.local_user().1),
        ("api_password", Role::Api.local_user().1),
        ("grafana_password", Role::Grafana.local_user().1),
    ];
    template::write(&users_file, USERS, &users)?;

    let log = logs.join("clickhouse.log");
    let mut arguments: Vec<OsString> = vec![parts.library().into()];
    arguments.extend(
        [
            format!("--config-file={}", template::plain(&config_file)?),
            format!("--path={}", template::plain(&data)?),
            format!("--logger.log={}", template::plain(&log)?),
            "--log-level=warning".to_owned(),
            format!("--http_port={}", settings.ports.clickhouse_http),
            format!("--tcp_port={}", settings.ports.clickhouse_native),
            "--listen_host=127.0.0.1".to_owned(),
            "--query".to_owned(),
            SERVE.to_owned(),
        ]
        .map(Into::into),
    );
    Ok(Launch {
        name: "ClickHouse",
        supervisor: settings.supervisor.clone(),
        program: parts.launcher().to_owned(),
        arguments,
        log,
        output: logs.join("clickhouse.out"),
        pid_file: pid_file(folder),
        probe: Probe::ClickHouse(settings.ports.clickhouse_http),
        ready_max: settings.ready_max,
        stop_max: settings.stop_max,
    })
}

/// Where a run keeps the process id of its ClickHouse.
pub(crate) fn pid_file(folder: &Path) -> PathBuf {
    folder.join("clickhouse.pid")
}

/// Asks for `SELECT 1` over HTTP.
///
/// # Errors
/// When the answer is not 1.
pub(crate) async fn probe(port: u16) -> anyhow::Result<()> {
    let (user, password) = Role::Grafana.local_user();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let request = client.get(format!("http://127.0.0.1:{port}/?query=SELECT%201"));
    let request = request.header("X-ClickHouse-User", user).header("X-ClickHouse-Key", password);
    let answer = request.send().await?.error_for_status()?.text().await?;
    ensure!(answer.trim() == "1", "SELECT 1 answered {answer:?}");
    Ok(())
}
