//! Server-sent events: a team's rankings as they are published.
//!
//! The bytes of an event are made once and shared by all who read them, and a stream costs its connection and little more:
//! no task, no queue. A reader who is slow finds, when it is written to again, where the team is by then.

pub(crate) mod event;
mod resume;
mod share;

use std::{sync::Arc, time::Duration};

use axum::body::{Body, Bytes};
use domain::{ids::TeamId, time::Timestamp};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    access::Admission,
    error::Error,
    history::History,
    metrics::{OpenStream, StreamMetrics},
    published::Published,
    store::{
        Store,
        following::{Place, Step},
    },
};
use event::{KEEP_ALIVE, REMOVED, RETRY, STOPPING};
use resume::{Older, Resume};
use share::{Share, Shares};

/// A stream that has nothing to tell says so after this long: what lies between would close it otherwise.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// The streams that are open, so many at once. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Streams {
    permits: Arc<Semaphore>,
    shares: Arc<Shares>,
    metrics: Arc<StreamMetrics>,
    /// Who looks up snapshots that are no longer held waits for this: after an interruption many ask for the same ones, and what the
    /// first one reads is kept for the others.
    resuming: Arc<Mutex<()>>,
    stopping: CancellationToken,
}

impl Streams {
    /// Up to `streams_max` streams, `each_max` of a key, which end when `stopping` is cancelled.
    pub(crate) fn new(streams_max: usize, each_max: usize, stopping: CancellationToken) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(streams_max.min(Semaphore::MAX_PERMITS))),
            shares: Shares::new(each_max),
            metrics: Arc::new(StreamMetrics::new()),
            resuming: Arc::default(),
            stopping,
        }
    }

    /// Opens a stream of the team's rankings: those published after `last`, the id that the reader saw last, or from the
    /// current one on. It ends when the `admission` does: nothing is told after that.
    pub(crate) fn open(
        &self,
        store: &Arc<Store>,
        history: &History,
        team: TeamId,
        last: Option<String>,
        admission: Admission,
    ) -> Result<Body, Error> {
        let share = self.shares.take(admission.key_id())?;
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| Error::TooManyStreams)?;
        let unknown = || Error::UnknownTeam { team: team.to_string() };
        // Before anything is looked up, so that nothing is missed between.
        let changed = store.follow(&team).ok_or_else(unknown)?;
        let stream = Stream {
            store: Arc::clone(store),
            history: history.clone(),
            open: self.metrics.open(),
            streams: self.clone(),
            team,
            admission,
            changed,
            phase: Phase::Opening(last),
            then: None,
            _permit: permit,
            _share: share,
        };
        let chunks = futures::stream::unfold(stream, async |mut stream| {
            let chunk = stream.next().await?;
            Some((Ok::<_, std::convert::Infallible>(chunk), stream))
        });
        Ok(Body::from_stream(chunks))
    }
}

/// One reader's stream.
struct Stream {
    store: Arc<Store>,
    history: History,
    streams: Streams,
    open: OpenStream,
    team: TeamId,
    admission: Admission,
    changed: watch::Receiver<()>,
    phase: Phase,
    /// The second piece of what was begun.
    then: Option<Bytes>,
    _permit: OwnedSemaphorePermit,
    _share: Share,
}

/// What a stream does next.
#[derive(Debug)]
enum Phase {
    /// Tells when to come back, and then starts after the snapshot that the reader names.
    Opening(Option<String>),
    Starting(Option<String>),
    /// Tells what is no longer held.
    CatchingUp(Older),
    /// Tells what is published after this place. What is not later than the instant, the reader has seen.
    Following(Place, Timestamp),
    Ended,
}

/// No instant is earlier: nothing has been seen.
const NOTHING_SEEN: Timestamp = Timestamp(i64::MIN);

impl Stream {
    /// The next piece; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(rest) = self.then.take() {
            return Some(rest);
        }
        loop {
            match std::mem::replace(&mut self.phase, Phase::Ended) {
                Phase::Ended => return None,
                _ if !self.admission.stands() => return None,
                _ if self.streams.stopping.is_cancelled() => return Some(STOPPING),
                Phase::Opening(last) => {
                    self.phase = Phase::Starting(last);
                    return Some(RETRY);
                }
                Phase::Starting(None) => {
                    let Some((current, place)) = self.store.newest(&self.team) else { return Some(REMOVED) };
                    self.phase = Phase::Following(place, NOTHING_SEEN);
                    return Some(current.event().encoded());
                }
                Phase::Starting(Some(last)) => {
                    let resume = resume::after(&self.store, &self.history, &self.streams.resuming, &self.team, &last);
                    let resumed = tokio::select! {
                        () = self.streams.stopping.cancelled() => return Some(STOPPING),
                        resumed = resume => resumed,
                    };
                    match resumed {
                        Resume::Follow(place, seen) => self.phase = Phase::Following(place, seen),
                        Resume::CatchUp(older) => self.phase = Phase::CatchingUp(older),
                        Resume::Reset => return Some(self.start_again()),
                    }
                }
                Phase::CatchingUp(mut older) => {
                    let next =
                        resume::next(&self.store, &self.history, &self.streams.resuming, &self.team, &mut older).await;
                    match next {
                        Ok(Some(published)) => {
                            self.phase = Phase::CatchingUp(older);
                            return Some(published.event().encoded());
                        }
                        Ok(None) => self.phase = Phase::Following(older.then, older.seen),
                        Err(error) => {
                            tracing::warn!(
                                %error,
                                "a stream could not be resumed and starts again"
                            );
                            return Some(self.start_again());
                        }
                    }
                }
                Phase::Following(place, seen) => {
                    if let Some(chunk) = self.follow(place, seen).await {
                        return Some(chunk);
                    }
                }
            }
        }
    }

    /// The current ranking to one who may have missed some.
    fn start_again(&mut self) -> Bytes {
        let Some((current, place)) = self.store.newest(&self.team) else { return REMOVED };
        self.phase = Phase::Following(place, NOTHING_SEEN);
        self.reset(&current)
    }

    fn reset(&mut self, current: &Published) -> Bytes {
        self.open.reset();
        let [first, rest] = current.event().reset();
        self.then = Some(rest);
        first
    }

    /// What is published after `place`; none where it is to be looked again.
    async fn follow(&mut self, place: Place, seen: Timestamp) -> Option<Bytes> {
        match self.store.after(&self.team, place) {
            Step::Next(published, place) => {
                self.phase = Phase::Following(place, seen);
                return (published.as_of() > seen).then(|| published.event().encoded());
            }
            Step::Gap(published, place) => {
                self.phase = Phase::Following(place, NOTHING_SEEN);
                return Some(self.reset(&published));
            }
            Step::Gone => return Some(REMOVED),
            Step::UpToDate => {}
        }
        tokio::select! {
            () = self.streams.stopping.cancelled() => Some(STOPPING),
            changed = timeout(KEEP_ALIVE_EVERY, self.changed.changed()) => match changed {
                Ok(Err(_)) => Some(REMOVED),
                Ok(Ok(())) => {
                    self.phase = Phase::Following(place, seen);
                    None
                }
                Err(_) => {
                    self.phase = Phase::Following(place, seen);
                    Some(KEEP_ALIVE)
                }
            },
        }
    }
}
