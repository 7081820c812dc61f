//! The connections that there are, and which of them goes when there are too many.

use std::{collections::HashMap, sync::Arc};

use tokio::{
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::{Duration, Interval, MissedTickBehavior, interval},
};

use super::seat::{Overdue, Patience, Seat};
use crate::metrics::ConnectionMetrics;

/// When all seats are taken, one in so many is freed at once: looking for those costs a look at every seat.
const FREED_SHARE: usize = 64;

/// Those who overstay are looked for at least this often.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(1);

/// The connections of one server; dropped, it cuts them.
pub(crate) struct Seats {
    tasks: JoinSet<()>,
    taken: HashMap<Id, (Arc<Seat>, AbortHandle)>,
    connections_max: usize,
    patience: Patience,
    look: Interval,
    metrics: ConnectionMetrics,
}

impl Seats {
    pub(crate) fn new(connections_max: usize, patience: Patience) -> Self {
        let shortest = patience.head_max.min(patience.idle_max).min(patience.write_max);
        let mut look = interval((shortest / 4).clamp(Duration::from_millis(1), LOOK_EVERY_MAX));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            tasks: JoinSet::new(),
            taken: HashMap::new(),
            connections_max,
            patience,
            look,
            metrics: ConnectionMetrics::new(),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.taken.len()
    }

    /// Whether one more connection has a seat, if need be that of connections that are in nobody's way but ours.
    pub(crate) fn has_room(&mut self) -> bool {
        if self.taken.len() < self.connections_max {
            return true;
        }
        self.free((self.connections_max / FREED_SHARE).max(1));
        self.taken.len() < self.connections_max
    }

    /// Seats a connection.
    pub(crate) fn seat(&mut self, seat: Arc<Seat>, connection: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(connection);
        self.metrics.opened();
        self.taken.insert(task.id(), (seat, task));
    }

    /// Cuts those that overstay, when it is time to look and as connections end. Runs for ever; may be dropped at any time.
    pub(crate) async fn keep(&mut self) {
        loop {
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                _ = self.look.tick() => self.cut_overdue(),
            }
        }
    }

    /// From now on the head of a request may take only so long.
    pub(crate) fn hurry(&mut self, head_max: Duration) {
        self.patience.head_max = self.patience.head_max.min(head_max);
    }

    /// [`keep`](Self::keep)s until the last connection has ended.
    pub(crate) async fn all_ended(&mut self) {
        while !self.tasks.is_empty() {
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                _ = self.look.tick() => self.cut_overdue(),
            }
        }
    }

    /// Frees up to `count` seats of those on which nobody is answered, or whose client does not take its answer.
    pub(crate) fn free(&mut self, count: usize) {
        let mut dispensable: Vec<_> =
            self.taken.iter().filter_map(|(id, (seat, _))| Some((seat.dispensable()?, *id))).collect();
        if dispensable.len() > count {
            dispensable.select_nth_unstable_by(count, |(one, _), (other, _)| other.cmp(one));
            dispensable.truncate(count);
        }
        for (_, id) in dispensable {
            self.cut(id, "displaced");
        }
    }

    fn cut_overdue(&mut self) {
        let overdue: Vec<(Id, Overdue)> =
            self.taken.iter().filter_map(|(id, (seat, _))| Some((*id, seat.overdue(&self.patience)?))).collect();
        for (id, why) in overdue {
            self.cut(id, why.name());
        }
    }

    fn cut(&mut self, id: Id, why: &'static str) {
        if let Some((_, task)) = self.taken.remove(&id) {
            task.abort();
            self.metrics.closed(why);
        }
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(%error, "a connection's task panicked");
                }
                error.id()
            }
        };
        if self.taken.remove(&id).is_some() {
            self.metrics.closed("ended");
        }
    }
}
