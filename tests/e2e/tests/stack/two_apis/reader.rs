//! Readers: each asks over a connection of its own, again and again, and asks once more over another when that is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use domain::time::Timestamp;
use reqwest::Client;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::answers::Answers;

const ANSWER_MAX: Duration = Duration::from_secs(90);
/// What computed answers may be refused with; current rankings never need ClickHouse.
const AWAY: &str = "urn:flywheel:problem:history-away";
/// As `Retry-After` says.
const COME_BACK: Duration = Duration::from_secs(1);

/// The system ends the connections of a process that was killed before it closes the port: whoever comes back at once may be taken and
/// lost a second time.
const LOSSES_MAX: usize = 3;
const RETRY: Duration = Duration::from_millis(100);

/// Asks until it is dropped.
pub(crate) struct Reader {
    answered: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
    interrupted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Reader {
    /// Asks for these paths in turn, this often; every answer is checked.
    pub(crate) fn start(url: &str, paths: Vec<String>, every: Duration, answers: &Arc<Answers>) -> Self {
        let [answered, lost, interrupted] = [(); 3].map(|()| Arc::<AtomicUsize>::default());
        let (url, answers) = (url.to_owned(), Arc::clone(answers));
        let counts = (Arc::clone(&answered), Arc::clone(&lost), Arc::clone(&interrupted));
        let task = tokio::spawn(async move {
            let mut pace = tokio::time::interval(every);
            let mut connection = Connection::default();
            for path in paths.iter().cycle() {
                pace.tick().await;
                let mut losses = 0;
                let answer = loop {
                    match connection.ask(&url, path).await {
                        Ok(answer) => break answer,
                        Err(error) => assert!(losses < LOSSES_MAX, "lost again and again: {error:?}"),
                    }
                    counts.2.fetch_add(usize::from(losses == 0), Ordering::Relaxed);
                    losses += 1;
                    counts.1.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(RETRY).await;
                    connection = Connection::default();
                };
                connection.newest = answers.check(path, answer, connection.newest);
                counts.0.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { answered, lost, interrupted, task }
    }

    /// Answers so far.
    pub(crate) fn answered(&self) -> usize {
        assert!(!self.task.is_finished(), "a reader has failed: see above");
        self.answered.load(Ordering::Relaxed)
    }

    /// Asks no more.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }

    /// Connections that were lost with a request.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }

    /// Requests that were lost with their connection, however often each.
    pub(crate) fn interrupted(&self) -> usize {
        self.interrupted.load(Ordering::Relaxed)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection at a time: whom it leads to answers all that is asked over it.
pub(crate) struct Connection {
    client: Client,
    /// Of the newest ranking that was answered: nobody goes back.
    newest: Timestamp,
}

impl Default for Connection {
    fn default() -> Self {
        let client = Client::builder().pool_max_idle_per_host(1).timeout(ANSWER_MAX).build().expect("a client");
        Self { client, newest: Timestamp(i64::MIN) }
    }
}

impl Connection {
    /// The answer; an error where the connection is lost. Who is told to come back, because ClickHouse is too busy, does.
    pub(crate) async fn ask(&self, url: &str, path: &str) -> reqwest::Result<(u16, Value)> {
        let deadline = Instant::now() + ANSWER_MAX;
        loop {
            let answer = self.client.get(format!("{url}{path}")).send().await?;
            let (status, body) = (answer.status().as_u16(), answer.json::<Value>().await?);
            if status != 503 || body["type"] != AWAY || Instant::now() > deadline {
                return Ok((status, body));
            }
            tokio::time::sleep(COME_BACK).await;
        }
    }
}
