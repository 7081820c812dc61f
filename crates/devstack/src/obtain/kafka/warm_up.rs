//! Starts Kafka once so that Java keeps an archive of the classes it loads: later starts take half as long.

use std::{path::Path, time::Duration};

use anyhow::Context;

use super::KafkaParts;
use crate::{
    folders::{self, FolderLock, Folders},
    kafka::{self, Settings},
    ports,
    progress::Progress,
    server::Server,
};

/// Makes the class archive where it is missing.
///
/// # Errors
/// When Kafka does not start or stop.
pub(super) async fn warm_up(
    parts: &KafkaParts,
    folders: &Folders,
    supervisor: &Path,
    progress: &Progress,
) -> anyhow::Result<()> {
    let archive = parts.archive();
    // Also where there is none because this Java makes none.
    let done = parts.folder.join("warmed-up");
    if done.exists() {
        return Ok(());
    }
    let _lock =
        FolderLock::wait(&parts.folder, || progress.step("waiting for another run that is preparing Kafka")).await?;
    if done.exists() {
        return Ok(());
    }
    progress.step("preparing Kafka for faster starts");
    let folder = parts.folder.join("warm-up");
    folders::delete(&folder)?;
    folders::delete_file(&archive)?;
    let (ports, _ports_lock) = ports::reserve(folders)?;
    let settings = Settings {
        supervisor: supervisor.to_owned(),
        folder: folder.clone(),
        ports,
        proxies: Vec::new(),
        heap_mib: 512,
        long_lived: false,
        ready_max: Duration::from_secs(90),
        stop_max: Duration::from_secs(60),
    };
    let mut launch = kafka::prepare(parts, &settings)?;
    launch.arguments.insert(0, format!("-XX:ArchiveClassesAtExit={}", archive.display()).into());
    let server = Server::new(launch);
    server.start().await?;
    server.stop().await?;
    drop(server);
    folders::delete(&folder)?;
    std::fs::write(&done, "").with_context(|| format!("cannot write {}", done.display()))
}
