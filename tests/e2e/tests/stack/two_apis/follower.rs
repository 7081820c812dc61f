//! Follows a team's stream and, when it breaks, comes back with the id of the event that it saw last.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, Response};
use serde_json::Value;
use tokio::{sync::watch, task::JoinHandle};

use crate::topic::text;

/// As the stream's `retry` says, but sooner: a test need not spare the server.
const RETRY: Duration = Duration::from_millis(100);

/// Follows until it is dropped.
pub(crate) struct Follower {
    team: String,
    seen: Arc<Mutex<Vec<Event>>>,
    broken: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

#[derive(Clone, Debug, Default)]
struct Event {
    name: String,
    id: String,
    data: String,
}

impl Follower {
    /// Follows at `first`, and ever after at `then`, once `back` says so.
    pub(crate) fn start(team: &str, first: &str, then: &str, back: watch::Receiver<bool>) -> Self {
        let (seen, broken) = (Arc::<Mutex<Vec<Event>>>::default(), Arc::<AtomicUsize>::default());
        let path = format!("/v1/teams/{team}/rankings/stream");
        let (first, then) = (format!("{first}{path}"), format!("{then}{path}"));
        let task = tokio::spawn(follow(first, then, back, Arc::clone(&seen), Arc::clone(&broken)));
        Self { team: team.to_owned(), seen, broken, task }
    }

    /// Events so far.
    pub(crate) fn seen(&self) -> usize {
        assert!(!self.task.is_finished(), "a follower has failed: see above");
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Follows no more.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }

    /// How often its stream broke.
    pub(crate) fn broken(&self) -> usize {
        self.broken.load(Ordering::Relaxed)
    }

    pub(crate) fn team(&self) -> &str {
        &self.team
    }

    /// What it saw is what was published, from the first it saw on, each once and in order.
    pub(crate) fn saw(&self, published: &[Value]) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = published.iter().position(|document| text(document, "snapshot") == seen[0].id);
        let first = first.unwrap_or_else(|| panic!("{:?} was never published", seen[0].id));
        for (event, document) in seen.iter().zip(&published[first..]) {
            assert_eq!(event.name, "ranking.published", "of {}, after {} breaks", event.id, self.broken());
            assert_eq!(event.id, text(document, "snapshot"), "a gap or a double, after {} breaks", self.broken());
            let data: Value = serde_json::from_str(&event.data).expect("a ranking");
            assert_eq!(&data, document, "another ranking than was published");
        }
        assert!(seen.len() <= published.len() - first, "more was seen than published");
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(
    first: String,
    then: String,
    mut back: watch::Receiver<bool>,
    seen: Arc<Mutex<Vec<Event>>>,
    broken: Arc<AtomicUsize>,
) {
    let mut url = &first;
    loop {
        let last = seen.lock().unwrap_or_else(PoisonError::into_inner).last().map(|event| event.id.clone());
        // A connection of its own, each time.
        let mut request = Client::new().get(url);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        if let Ok(stream) = request.send().await {
            let status = stream.status();
            assert_eq!(status, 200, "{url}: {:?}", stream.text().await);
            read(stream, &seen).await;
            broken.fetch_add(1, Ordering::Relaxed);
        }
        back.wait_for(|back| *back).await.expect("the test says when");
        tokio::time::sleep(RETRY).await;
        url = &then;
    }
}

/// Until the stream breaks. An event that is not whole by then was not seen.
async fn read(mut stream: Response, seen: &Mutex<Vec<Event>>) {
    let mut text = Vec::new();
    while let Ok(Some(chunk)) = stream.chunk().await {
        text.extend_from_slice(&chunk);
        while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
            let whole: Vec<u8> = text.drain(..end + 2).collect();
            let event = event(std::str::from_utf8(&whole).expect("text"));
            if !event.data.is_empty() {
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }
        }
    }
}

fn event(text: &str) -> Event {
    let mut event = Event::default();
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("event", name)) => event.name = name.to_owned(),
            Some(("id", id)) => event.id = id.to_owned(),
            Some(("data", data)) => event.data.push_str(data),
            _ => {}
        }
    }
    event
}
