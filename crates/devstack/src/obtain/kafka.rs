//! Apache Kafka's server: jars resolved by Maven and checked against our own list of checksums.

mod jars;
mod warm_up;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;

use super::{command::Step, part, write};
use crate::{
    folders::{self, Folders},
    kafka::{java, write_properties},
    ports::Ports,
    progress::Progress,
    template,
};

const POM: &str = include_str!("../../../../deploy/dev/kafka/pom.xml");
const CHECKSUMS: &str = include_str!("../../../../deploy/dev/kafka/sha256sums");
/// Sixteen bytes, `flywheel-local-1`, as Kafka writes them: every run is a cluster of its own that nobody else talks to.
const CLUSTER_ID: &str = "Zmx5d2hlZWwtbG9jYWwtMQ";
const INSTALL_JAVA: &str =
    "install a Java runtime, version 17 or later, or set FLYWHEEL_KAFKA_BROKERS to use a Kafka that runs already";

/// Where Kafka is.
#[derive(Clone, Debug)]
pub(crate) struct KafkaParts {
    folder: PathBuf,
}

impl KafkaParts {
    /// The jars, in an order that is always the same: Java's class archive holds for one class path only.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn class_path(&self) -> anyhow::Result<String> {
        let names = jars::names(&self.folder.join("jars"))?;
        let jars = template::plain(&self.folder)?;
        Ok(names.iter().map(|name| format!("{jars}/jars/{name}")).collect::<Vec<_>>().join(":"))
    }

    /// A freshly formatted storage folder, to be copied.
    pub(crate) fn formatted(&self) -> PathBuf {
        self.folder.join("formatted")
    }

    /// Java's flag for the archive of Kafka's loaded classes, where there is one.
    pub(crate) fn archive_flag(&self) -> Option<String> {
        let archive = self.archive();
        archive.is_file().then(|| format!("-XX:SharedArchiveFile={}", archive.display()))
    }

    fn archive(&self) -> PathBuf {
        self.folder.join("classes.jsa")
    }
}

/// Obtains Kafka where it is missing.
///
/// # Errors
/// When Maven or Java is missing, or the download fails or is not what was pinned.
pub(crate) async fn kafka(folders: &Folders, supervisor: &Path, progress: &Progress) -> anyhow::Result<KafkaParts> {
    let inputs = [POM, CHECKSUMS];
    let folder = part(folders, progress, "kafka", &inputs, async |folder| build(folder, progress).await).await?;
    let parts = KafkaParts { folder };
    warm_up::warm_up(&parts, folders, supervisor, progress).await?;
    Ok(parts)
}

async fn build(folder: &Path, progress: &Progress) -> anyhow::Result<()> {
    write(folder, "pom.xml", POM)?;
    let jars = folder.join("jars");
    Step {
        doing: "downloading Apache Kafka 4.3.1 (about 45 MB)",
        program: OsStr::new("mvn"),
        install: "install Apache Maven 3.6 or later, or set FLYWHEEL_KAFKA_BROKERS to use a Kafka that runs already",
        arguments: &["-B", "-ntp", "dependency:copy-dependencies", "-DoutputDirectory=jars"].map(OsStr::new),
        folder,
        timeout: Duration::from_secs(1_800),
    }
    .run(progress)
    .await?;
    jars::verify(&jars, CHECKSUMS)?;

    let config = write_properties(folder, &folder.join("formatted"), Ports::DEFAULT, &[])?;
    Step {
        doing: "formatting Kafka's storage",
        program: java().as_os_str(),
        install: INSTALL_JAVA,
        arguments: &[
            "-cp",
            "jars/*",
            "kafka.tools.StorageTool",
            "format",
            "-t",
            CLUSTER_ID,
            "-c",
            template::plain(&config)?,
        ]
        .map(OsStr::new),
        folder,
        timeout: Duration::from_secs(120),
    }
    .run(progress)
    .await?;
    folders::delete(&folder.join("target")).context("cannot tidy up after Maven")
}
