//! Downloads, once, what the stack runs on. Everything is pinned by version and by checksum.
//!
//! A part is a folder named after the digest of what describes it, so that a changed description is another part and a
//! part that exists is complete: it is built aside and moved into place.

mod clickhouse;
mod command;
mod compile;
mod kafka;

use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest, Sha256};

pub(crate) use clickhouse::{ClickHouseParts, clickhouse};
pub(crate) use compile::supervisor;
pub(crate) use kafka::{KafkaParts, kafka};

use crate::{
    folders::{self, FolderLock, Folders},
    progress::Progress,
};

/// Downloads everything that [`crate::Stack::start`] would, and starts nothing.
///
/// # Errors
/// When a needed program is missing, or a download fails or is not what was pinned.
pub async fn fetch(folders: &Folders, progress: &Progress) -> anyhow::Result<()> {
    let supervisor = supervisor(folders, progress).await?;
    tokio::try_join!(kafka(folders, &supervisor, progress), clickhouse(folders, progress))?;
    Ok(())
}

/// The part `name` as described by `inputs`, made by `build` in an empty folder where it does not exist yet.
async fn part(
    folders: &Folders,
    progress: &Progress,
    name: &str,
    inputs: &[&str],
    build: impl AsyncFnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let parts = folders.parts();
    let place = parts.join(format!("{name}-{}", digest(inputs)));
    if place.is_dir() {
        return Ok(place);
    }
    let lock = parts.join(format!("{name}.lock"));
    let _lock =
        FolderLock::wait(&lock, || progress.step(format_args!("waiting for another run that is obtaining {name}")))
            .await?;
    if place.is_dir() {
        return Ok(place);
    }
    let aside = parts.join(format!("{name}.partial"));
    folders::delete(&aside)?;
    std::fs::create_dir_all(&aside).with_context(|| format!("cannot make the folder {}", aside.display()))?;
    build(&aside).await?;
    std::fs::rename(&aside, &place).with_context(|| format!("cannot move {} into place", aside.display()))?;
    Ok(place)
}

fn digest(inputs: &[&str]) -> String {
    let mut digest = Sha256::new();
    for input in inputs {
        digest.update(input.len().to_le_bytes());
        digest.update(input);
    }
    hex(&digest.finalize()[..6])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let file = folder.join(name);
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}
