//! Apache Kafka in KRaft mode, one node, configured for one run.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;

use crate::{
    folders,
    obtain::KafkaParts,
    ports::Ports,
    server::{Launch, Probe},
    template,
};

const PROPERTIES: &str = include_str!("../../../deploy/dev/kafka/server.properties");
const LOGGING: &str = include_str!("../../../deploy/dev/kafka/log4j2.properties");

/// What one run asks of Kafka.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) supervisor: PathBuf,
    /// The run's folder.
    pub(crate) folder: PathBuf,
    pub(crate) ports: Ports,
    /// Where the proxies stand that Kafka is behind.
    pub(crate) proxies: Vec<SocketAddr>,
    pub(crate) heap_mib: u32,
    /// As [`StackConfig::kafka_long_lived`](crate::StackConfig::kafka_long_lived).
    pub(crate) long_lived: bool,
    pub(crate) ready_max: Duration,
    pub(crate) stop_max: Duration,
}

/// Writes the configuration, gives a new run its formatted storage, and says how to start the server.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn prepare(parts: &KafkaParts, settings: &Settings) -> anyhow::Result<Launch> {
    let folder = &settings.folder;
    let (config, logs, scratch) = (folder.join("config"), folder.join("logs"), folder.join("tmp/kafka"));
    // The native libraries of a killed server stay behind in its scratch folder.
    folders::delete(&scratch)?;
    for folder in [&config, &logs, &scratch] {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let properties = write_properties(&config, &folder.join("kafka"), settings.ports, &settings.proxies)?;
    let logging = config.join("log4j2.properties");
    std::fs::write(&logging, LOGGING).with_context(|| format!("cannot write {}", logging.display()))?;
    copy_formatted(&parts.formatted(), &folder.join("kafka"))?;

    let log = logs.join("kafka.log");
    let mut arguments: Vec<OsString> = vec![
        format!("-Xmx{}m", settings.heap_mib).into(),
        // A short life on two cores: start fast rather than run fastest, unless it is to be measured.
        format!("-XX:TieredStopAtLevel={}", if settings.long_lived { 4 } else { 1 }).into(),
        "-XX:+UseSerialGC".into(),
        "-XX:+ExitOnOutOfMemoryError".into(),
        "-Xlog:cds=off".into(),
        "-Xlog:cds+dynamic=off".into(),
        "-Djava.awt.headless=true".into(),
        format!("-Djava.io.tmpdir={}", template::plain(&scratch)?).into(),
        format!("-Dlog4j2.configurationFile={}", template::plain(&logging)?).into(),
        format!("-Dkafka.log.file={}", template::plain(&log)?).into(),
    ];
    arguments.extend(parts.archive_flag().map(Into::into));
    arguments.extend(["-cp".into(), parts.class_path()?.into(), "kafka.Kafka".into(), properties.into()]);
    Ok(Launch {
        name: "Kafka",
        supervisor: settings.supervisor.clone(),
        program: java(),
        arguments,
        log,
        output: logs.join("kafka.out"),
        pid_file: pid_file(folder),
        probe: Probe::Kafka(settings.ports.kafka),
        ready_max: settings.ready_max,
        stop_max: settings.stop_max,
    })
}

/// Where a run keeps the process id of its Kafka.
pub(crate) fn pid_file(folder: &Path) -> PathBuf {
    folder.join("kafka.pid")
}

/// The Java to use: the one the environment names, or the first on the path.
pub(crate) fn java() -> PathBuf {
    match std::env::var_os("JAVA_HOME") {
        Some(home) if !home.is_empty() => Path::new(&home).join("bin/java"),
        _ => "java".into(),
    }
}

/// Writes `server.properties` for a data folder, ports and proxies.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_properties(
    config: &Path,
    data: &Path,
    ports: Ports,
    proxies: &[SocketAddr],
) -> anyhow::Result<PathBuf> {
    let file = config.join("server.properties");
    // Who connects through a proxy must be told that proxy's address, so each proxy has a listener of its own.
    let each = |entry: fn(u16, Ports, &SocketAddr) -> String| -> String {
        (0..).zip(proxies).map(|(number, proxy)| entry(number, ports, proxy)).collect()
    };
    let listeners = each(|number, ports, _| format!(",PROXIED{number}://127.0.0.1:{}", ports.behind_proxy(number)));
    let addresses = each(|number, _, proxy| format!(",PROXIED{number}://{proxy}"));
    let protocols = each(|number, _, _| format!(",PROXIED{number}:PLAINTEXT"));
    let values = [
        ("broker_port", &*ports.kafka.to_string()),
        ("controller_port", &ports.kafka_controller.to_string()),
        ("proxied_listeners", &listeners),
        ("proxied_addresses", &addresses),
        ("proxied_protocols", &protocols),
        ("data_folder", template::plain(data)?),
    ];
    template::write(&file, PROPERTIES, &values)?;
    Ok(file)
}

/// Gives a new data folder the storage that was formatted once; one in use is left alone.
fn copy_formatted(formatted: &Path, data: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(data).with_context(|| format!("cannot make the folder {}", data.display()))?;
    // Last, because with it in place the folder counts as formatted.
    for name in ["bootstrap.checkpoint", "meta.properties"] {
        let (from, to) = (formatted.join(name), data.join(name));
        if !to.exists() {
            std::fs::copy(&from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        }
    }
    Ok(())
}
