//! ClickHouse: one shared library from an npm package, checked by npm against the lock's integrity hash, and a launcher.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};

use super::{command::Step, compile::compile, part, write};
use crate::{
    folders::{self, Folders},
    progress::Progress,
};

const PACKAGE: &str = include_str!("../../../../deploy/dev/clickhouse/package.json");
const LOCK: &str = include_str!("../../../../deploy/dev/clickhouse/package-lock.json");
const NPMRC: &str = include_str!("../../../../deploy/dev/clickhouse/.npmrc");
const LAUNCHER: &str = include_str!("../../../../deploy/dev/clickhouse/launcher.c");
const LIBRARY: &str = "libchdb.so";
/// The platforms in the lock: a package without its hash there is not one we would run.
const PLATFORMS: [(&str, &str, &str); 1] = [("linux", "x86_64", "@chdb/lib-linux-x64-gnu")];

/// Where ClickHouse is.
#[derive(Clone, Debug)]
pub(crate) struct ClickHouseParts {
    library: PathBuf,
    launcher: PathBuf,
}

impl ClickHouseParts {
    /// The server, as a shared library.
    pub(crate) fn library(&self) -> &Path {
        &self.library
    }

    /// The program that runs it.
    pub(crate) fn launcher(&self) -> &Path {
        &self.launcher
    }
}

/// Obtains ClickHouse where it is missing.
///
/// # Errors
/// When npm or a C compiler is missing, the download fails or is not what was pinned, or this platform has no package.
pub(crate) async fn clickhouse(folders: &Folders, progress: &Progress) -> anyhow::Result<ClickHouseParts> {
    let inputs = [PACKAGE, LOCK, NPMRC];
    let folder = part(folders, progress, "clickhouse", &inputs, async |folder| build(folder, progress).await).await?;
    let launcher = compile(folders, progress, "clickhouse-launcher", LAUNCHER).await?;
    Ok(ClickHouseParts { library: folder.join(LIBRARY), launcher })
}

async fn build(folder: &Path, progress: &Progress) -> anyhow::Result<()> {
    let package = package()?;
    for (name, text) in [("package.json", PACKAGE), ("package-lock.json", LOCK), (".npmrc", NPMRC)] {
        write(folder, name, text)?;
    }
    Step {
        doing: "downloading ClickHouse 26.7 (about 170 MB, 570 MB unpacked)",
        program: OsStr::new("npm"),
        install: "install Node.js 20 or later with npm, or set FLYWHEEL_CLICKHOUSE_URL to use a ClickHouse that runs already",
        arguments: &["ci", "--no-progress"].map(OsStr::new),
        folder,
        timeout: Duration::from_secs(1_800),
    }
    .run(progress)
    .await?;
    let library = folder.join("node_modules").join(package).join(LIBRARY);
    std::fs::rename(&library, folder.join(LIBRARY)).with_context(|| format!("there is no {}", library.display()))?;
    folders::delete(&folder.join("node_modules"))
}

fn package() -> anyhow::Result<&'static str> {
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    match PLATFORMS.iter().find(|(of, on, _)| (*of, *on) == (system, machine)) {
        Some((_, _, package)) => Ok(package),
        None => bail!(
            "the local stack has no pinned ClickHouse for {system} on {machine}: \
             set FLYWHEEL_CLICKHOUSE_URL to use a ClickHouse that runs already (such as the one in deploy/compose.yaml)"
        ),
    }
}
