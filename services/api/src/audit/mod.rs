//! Who read what persons wrote: an entry for every reading, in a file and in ClickHouse's table `audit_log`.
//!
//! An answer with personal text leaves only when both have its entry; where one of them cannot be written, it does not leave. So an
//! entry may stand for an answer that came to nothing, and no answer is without one. What was read is in neither.
//!
//! # Layout
//! - [`Audit`]: writes entries, so many at once.
//! - `entry`: what is written. `file`, `metrics`: where to, and how it went.

mod entry;
mod file;
mod metrics;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use entry::{Action, Entry, Occasion, Outcome};
use file::AuditFile;
use metrics::{AuditMetrics, Came};

use crate::error::Error;

/// An entry is written within so long, or there is no answer.
const WRITE_MAX: Duration = Duration::from_secs(3);

/// So many entries of answers are written at once; others wait.
const AT_ONCE_MAX: usize = 16;

/// So many entries of refusals are written at once. Further ones are counted and left out: who is refused again and again must not
/// keep those waiting who are not.
const REFUSALS_AT_ONCE_MAX: usize = 4;

/// The server joins entries that come at the same time into one part of the table, and acknowledges them when that is on its disk.
const INSERT: &str = "INSERT INTO audit_log SETTINGS async_insert = 1, wait_for_async_insert = 1, \
    date_time_input_format = 'best_effort' FORMAT JSONEachRow";

/// Writes down who reads what persons wrote. By default it can write nowhere, and nothing is told. Cheap to clone.
#[derive(Clone, Default)]
pub struct Audit(Option<Arc<Inner>>);

struct Inner {
    file: AuditFile,
    client: clickhouse::Client,
    answers: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    metrics: AuditMetrics,
}

impl Audit {
    /// Writes to the file at `path`, and to the database of `client`.
    #[must_use]
    pub fn new(path: PathBuf, client: clickhouse::Client) -> Self {
        Self(Some(Arc::new(Inner {
            file: AuditFile::new(path),
            client,
            answers: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            refusals: Arc::new(Semaphore::new(REFUSALS_AT_ONCE_MAX)),
            metrics: AuditMetrics::new(),
        })))
    }

    /// Says in the log if the file cannot be written now, so that not the first reader has to find that out.
    pub(crate) fn warn_if_unwritable(&self) {
        if let Some(inner) = &self.0
            && let Err(error) = inner.file.open()
        {
            let error = format!("{error:#}");
            tracing::warn!(error, "no personal text will be told; correct --api-audit-file or its folder's rights");
        }
    }

    /// Writes down that this is told. Until that is done, and if it fails, it must not be.
    pub(crate) async fn told(&self, entry: Entry) -> Result<(), Error> {
        let Some(inner) = &self.0 else {
            return Err(Error::AuditAway);
        };
        let permit = Arc::clone(&inner.answers).acquire_owned();
        let written = tokio::time::timeout(WRITE_MAX, async { inner.write(entry, permit.await?).await });
        inner.report(written.await.unwrap_or_else(|_| Err(late()))).map_err(|()| Error::AuditAway)
    }

    /// Writes down that somebody with a key was refused this. The refusal stands, whether that can be done or not.
    pub(crate) async fn refused(&self, entry: Entry) {
        let Some(inner) = self.0.as_ref().filter(|_| entry.has_key()) else { return };
        let Ok(permit) = Arc::clone(&inner.refusals).try_acquire_owned() else {
            inner.metrics.entry(Came::LeftOut);
            return;
        };
        let written = tokio::time::timeout(WRITE_MAX, inner.write(entry, permit)).await;
        // It has been reported.
        let _ = inner.report(written.unwrap_or_else(|_| Err(late())));
    }
}

impl Inner {
    /// Writes the entry to the file, then to the table.
    async fn write(self: &Arc<Self>, entry: Entry, permit: OwnedSemaphorePermit) -> anyhow::Result<()> {
        let line = Bytes::from(entry.line()?);
        let (inner, appended) = (Arc::clone(self), line.clone());
        // The permit goes along: a disk that hangs holds no more threads than there are permits.
        let append = move || inner.file.append(&appended).map(|()| permit);
        let _permit = tokio::task::spawn_blocking(append).await.context("the audit file was not written")??;
        let mut insert = self.client.insert_formatted_with(INSERT);
        insert.send(line).await.context("cannot write to audit_log")?;
        insert.end().await.context("cannot write to audit_log")
    }

    fn report(&self, written: anyhow::Result<()>) -> Result<(), ()> {
        written.map(|()| self.metrics.entry(Came::Done)).map_err(|error| {
            self.metrics.entry(Came::Failed);
            let error = format!("{error:#}");
            let remedy = kit::clickhouse::remedy(&error);
            tracing::warn!(error, remedy, "an entry of the audit log could not be written");
        })
    }
}

fn late() -> anyhow::Error {
    anyhow!("it was not written within {} ms", WRITE_MAX.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_written_down_is_not_told() {
        let nowhere = Audit::default();
        assert!(matches!(nowhere.told(Entry::example()).await, Err(Error::AuditAway)));
        let folder = tempfile::tempdir().unwrap();
        let client = clickhouse::Client::default().with_url("http://127.0.0.1:1");
        // With a file and without ClickHouse.
        let path = folder.path().join("audit.jsonl");
        let half = Audit::new(path.clone(), client.clone());
        assert!(matches!(half.told(Entry::example()).await, Err(Error::AuditAway)));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
        // Without a file nothing is asked of ClickHouse.
        let other = Audit::new(folder.path().to_owned(), client);
        assert!(matches!(other.told(Entry::example()).await, Err(Error::AuditAway)));
    }

    #[tokio::test]
    async fn refusals_of_those_without_a_key_are_not_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let audit = Audit::new(path.clone(), clickhouse::Client::default().with_url("http://127.0.0.1:1"));
        audit.refused(Entry::example().without_key()).await;
        assert!(!path.exists());
        audit.refused(Entry::example()).await;
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    }
}
