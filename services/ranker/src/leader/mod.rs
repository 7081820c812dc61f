//! Leads shards: looks for what changed, ranks the teams that are due, small ones together, and publishes shard by shard.
//!
//! One task keeps the state and waits for nobody but ClickHouse's answer to what changed; what takes longer is a task of its
//! own that ends in a [`Done`]. `done` has what follows from each.

mod done;

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use domain::{
    ids::TeamId,
    time::{MICROS_PER_SECOND, Timestamp},
};
use kit::health::Part;
use opentelemetry::trace::SpanContext;
use store::{SIZED_MAX, Store};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    batch,
    changes::Changes,
    clock,
    compute::{Batch, Computed, Order, WeekAgo, compute},
    config::RankerConfig,
    cycles::Cycles,
    led::{Led, Post, Term},
    membership::{Holdings, Membership},
    metrics::Metrics,
    publisher::{Publisher, Unpublished},
    ready::Ready,
    schedule::{Limits, Schedule},
    shard::Shard,
    trouble::Trouble,
    writer::{Writer, Writers},
};

/// Snapshots are looked for from so long before now, when a shard is taken over: of older ones our clock is ahead anyway.
const NEWEST_S: i64 = 60;

/// Nothing is published while teams are counted, so it is given up after this.
const SIZING_MAX: Duration = Duration::from_secs(2);

/// Ranks the teams of the shards that the group gives us.
pub(crate) struct Leader {
    config: RankerConfig,
    store: Store,
    /// The same with a part of ClickHouse's threads for each question, where several are asked at once.
    shared: Store,
    publisher: Arc<Publisher>,
    writers: Arc<Writers>,
    holdings: watch::Receiver<Holdings>,
    trouble: Trouble,
    metrics: Metrics,
    schedule: Schedule,
    changes: Option<Changes>,
    watermark: Option<Timestamp>,
    /// Partitions of the topic when the schedule was divided.
    shards: Option<i32>,
    led: BTreeMap<Shard, Led>,
    /// Teams that are due, in the order in which they are begun.
    queue: VecDeque<TeamId>,
    past: BTreeMap<TeamId, Past>,
    cycles: Cycles,
    tasks: JoinSet<Done>,
    batches: usize,
    /// Teams in them.
    computing: usize,
}

/// What is kept of a team's last ranking, or known of the team before its first one here.
struct Past {
    week_ago: Option<WeekAgo>,
    rows: u64,
}

/// What a task has done.
enum Done {
    /// For a shard, in which term.
    Of { shard: Shard, term: Term, what: What },
    /// A batch was computed, each team for its shard and term.
    Computed(Vec<(Shard, Term, Computed)>),
}

enum What {
    /// A writer was opened, and the newest snapshots read.
    Opened(anyhow::Result<(Writer, BTreeMap<TeamId, Timestamp>)>),
    Published(Vec<Ready>, Result<(), Unpublished>),
}

impl Leader {
    pub(crate) fn new(
        config: RankerConfig,
        store: Store,
        publisher: Publisher,
        writers: Writers,
        membership: &Membership,
        part: Part,
    ) -> Self {
        let schedule = Schedule::new(Limits {
            refresh_s: config.refresh_s,
            teams_max: config.teams_max,
            account_teams_per_s_max: config.account_teams_per_s_max,
        });
        Self {
            trouble: Trouble::new(part, Duration::from_millis(config.poll_ms)),
            config,
            shared: store.clone(),
            store,
            publisher: Arc::new(publisher),
            writers: Arc::new(writers),
            holdings: membership.holdings(),
            metrics: Metrics::new(),
            schedule,
            changes: None,
            watermark: None,
            shards: None,
            led: BTreeMap::new(),
            queue: VecDeque::new(),
            past: BTreeMap::new(),
            cycles: Cycles::default(),
            tasks: JoinSet::new(),
            batches: 0,
            computing: 0,
        }
    }

    /// Keeps the rankings of our shards current. While ClickHouse or Kafka is away it waits and tries again.
    pub(crate) async fn lead(&mut self) -> Infallible {
        let mut look_at = Instant::now();
        loop {
            tokio::select! {
                Some(done) = self.tasks.join_next() => match done {
                    Ok(done) => self.done(done),
                    // What it held is given up with its shard, which is taken over anew.
                    Err(error) => self.crashed(&anyhow::Error::new(error)),
                },
                () = sleep_until(look_at) => {
                    self.take_over();
                    match self.look().await {
                        Ok(()) => self.looked(),
                        Err(error) => self.trouble.failed(&error),
                    }
                    look_at = self.next_look();
                }
                changed = self.holdings.changed() => match changed {
                    Ok(()) => self.take_over(),
                    // The group's thread has ended, because we are asked to stop.
                    Err(_) => std::future::pending().await,
                },
            }
            self.begin();
            self.publish();
        }
    }

    /// Lets what is being published come to its end, so that no transaction is left open.
    pub(crate) async fn finish(&mut self) {
        self.trouble.stopping();
        while self.led.values().any(Led::is_publishing) {
            match self.tasks.join_next().await {
                Some(Ok(done)) => self.done(done),
                Some(Err(_)) => {}
                None => return,
            }
        }
    }

    /// Forgets what is held and under way; what the group says is ours is taken over anew.
    fn give_up_all(&mut self) {
        // A transaction that is cut off is aborted by whoever opens the shard next.
        self.tasks = JoinSet::new();
        self.batches = 0;
        self.computing = 0;
        for shard in std::mem::take(&mut self.led).into_keys() {
            self.schedule.give_up(shard);
        }
    }

    /// Follows what the group says is ours.
    fn take_over(&mut self) {
        let holdings = self.holdings.borrow_and_update().clone();
        if holdings.shards != self.shards
            && let Some(shards) = holdings.shards
        {
            // Teams lie in other partitions now: everything is taken over anew.
            self.give_up_all();
            self.schedule.divide(shards);
            self.shards = Some(shards);
        }
        let lost: Vec<Shard> = self
            .led
            .iter()
            .filter(|(shard, led)| holdings.tenures.get(shard) != Some(&led.term().tenure))
            .map(|(shard, _)| *shard)
            .collect();
        for shard in lost {
            self.led.remove(&shard);
            self.schedule.give_up(shard);
            tracing::info!(flywheel.shard = shard.0, "shard given up");
        }
        for (shard, tenure) in holdings.tenures {
            if let Entry::Vacant(vacant) = self.led.entry(shard) {
                tracing::info!(flywheel.shard = shard.0, "shard assigned");
                vacant.insert(Led::new(tenure));
                self.metrics.taken_over();
                self.open(shard, Duration::ZERO);
            }
        }
        let schedule = &self.schedule;
        self.past.retain(|team, _| self.led.contains_key(&schedule.shard(team)));
        self.cycles.retain(|team| self.led.contains_key(&schedule.shard(team)));
        self.metrics.merge_cycles(self.cycles.count());
        self.metrics.leads(self.led.len());
    }

    /// Opens the shard's writer, then reads the newest snapshots: in this order they bound whatever was published before.
    fn open(&mut self, shard: Shard, pause: Duration) {
        let Some(led) = self.led.get(&shard) else { return };
        // What could not be sent may be older than what is looked for otherwise.
        let (term, oldest) = (led.term(), led.oldest_unsent());
        let (writers, publisher) = (Arc::clone(&self.writers), Arc::clone(&self.publisher));
        self.tasks.spawn(async move {
            sleep(pause).await;
            let opened = async {
                let writer = writers.open(shard, term.tenure).await?;
                let since = clock::now()?.plus_micros(-NEWEST_S * MICROS_PER_SECOND);
                let newest = publisher.newest(oldest.map_or(since, |oldest| oldest.min(since))).await?;
                Ok((writer, newest))
            };
            Done::Of { shard, term, what: What::Opened(opened.await) }
        });
    }

    /// Looks for what changed, and for what is due.
    async fn look(&mut self) -> anyhow::Result<()> {
        if let Err(error) = self.notice().await {
            // What may have been missed is found by beginning anew.
            self.changes = None;
            return Err(error);
        }
        let now_s = clock::now_s()?;
        let due = self.schedule.due(now_s);
        self.metrics.oldest(self.schedule.oldest_s());
        self.queue = due.into();
        if !self.queue.is_empty() {
            // Before any row is read: what is durable by then is in the facts.
            self.watermark = self.store.watermark().await?;
            self.size_up().await;
        }
        Ok(())
    }

    /// Counts what there is of teams that have not been ranked here yet: after a takeover that is all of them, and small ones need
    /// not go alone. Where that cannot be said soon, they do.
    async fn size_up(&mut self) {
        let new = self.queue.iter().filter(|team| !self.past.contains_key(*team));
        let new: Vec<TeamId> = new.take(SIZED_MAX).cloned().collect();
        if new.is_empty() {
            return;
        }
        let sized = timeout(SIZING_MAX, self.store.sizes(&new)).await.context("ClickHouse takes too long");
        let sizes = sized.flatten().unwrap_or_else(|error| {
            tracing::warn!(
                error = format!("{error:#}"),
                teams = new.len(),
                "cannot count how large teams are, ranking each alone"
            );
            vec![u64::MAX; new.len()]
        });
        self.past.extend(new.into_iter().zip(sizes).map(|(team, rows)| (team, Past { week_ago: None, rows })));
    }

    /// Says how it looks after a look that worked.
    fn looked(&mut self) {
        if !self.holdings.borrow().joined {
            self.trouble.waiting("not a member of the rankers' group yet");
        } else if self.led.values().any(|led| !led.is_open()) {
            self.trouble.waiting("shards are being taken over");
        } else if self.led.values().any(|led| !led.flows()) {
            self.trouble.waiting("what could not be sent goes first");
        } else if !self.queue.is_empty() && self.watermark.is_none() {
            // Nothing can be promised.
            self.trouble.waiting("an input partition has not reported its progress yet");
        } else {
            self.trouble.over();
        }
    }

    async fn notice(&mut self) -> anyhow::Result<()> {
        let Some(changes) = &mut self.changes else {
            // The place in the changes first, then the teams: what comes between the two is seen twice rather than never.
            let changes = Changes::from_now(self.store.clone()).await?;
            let now_s = clock::now_s()?;
            self.shared =
                self.store.on_threads(share(self.store.threads().await?, self.config.ranker_batches_at_once_max));
            for team in self.store.teams().await? {
                self.schedule.changed(team, None, now_s);
            }
            self.changes = Some(changes);
            return Ok(());
        };
        let changed = changes.poll().await?;
        let now_s = clock::now_s()?;
        let mut accounts: Option<Option<SpanContext>> = None;
        for changed in changed {
            match changed.team {
                Some(team) => self.schedule.changed(team, changed.link, now_s),
                None => accounts = Some(changed.link),
            }
        }
        if let Some(link) = accounts {
            self.schedule.accounts_changed(link.as_ref(), now_s);
        }
        Ok(())
    }

    /// Begins as many batches as may be computed at once.
    fn begin(&mut self) {
        let at_once = usize::try_from(self.config.ranker_batches_at_once_max).unwrap_or(usize::MAX);
        while self.batches < at_once {
            let Some(watermark) = self.watermark else { return };
            let Ok(as_of_s) = clock::now_s() else { return };
            let (places, orders): (Vec<(Shard, Term)>, Vec<Order>) = self.next_batch(as_of_s).into_iter().unzip();
            if orders.is_empty() {
                return;
            }
            // One alone has all threads; where several go on at once, each has its part of them.
            let alone = self.batches == 0 && self.queue.is_empty();
            let store = if alone { self.store.clone() } else { self.shared.clone() };
            self.batches += 1;
            self.computing += orders.len();
            let batch = Batch { as_of_s, watermark, orders };
            self.tasks.spawn(async move {
                let computed = compute(&store, batch).await;
                Done::Computed(
                    places.into_iter().zip(computed).map(|((shard, term), one)| (shard, term, one)).collect(),
                )
            });
        }
    }

    /// Begins the teams that are ranked together next.
    fn next_batch(&mut self, as_of_s: i64) -> Vec<((Shard, Term), Order)> {
        let ready: usize = self.led.values().map(Led::ready).sum();
        let Some(limits) = batch::Limits::of(&self.config).beside(self.computing + ready) else { return Vec::new() };
        let (led, schedule, past) = (&self.led, &self.schedule, &self.past);
        // While a shard's records wait, there is no room for more.
        let flows = |team: &TeamId| led.get(&schedule.shard(team)).is_some_and(Led::flows);
        self.queue.retain(|team| flows(team) && schedule.is_due(team, as_of_s));
        let teams = batch::take(&mut self.queue, limits, |team| past.get(team).map(|past| past.rows));
        teams.into_iter().filter_map(|team| self.order(team, as_of_s)).collect()
    }

    /// Begins a team; none if it is not due any more.
    fn order(&mut self, team: TeamId, as_of_s: i64) -> Option<((Shard, Term), Order)> {
        let shard = self.schedule.shard(&team);
        let term = self.led.get(&shard)?.term();
        let links = self.schedule.begin(&team, as_of_s)?;
        let week_ago = self.past.get(&team).and_then(|past| past.week_ago.as_ref());
        let week_ago = week_ago.filter(|week_ago| week_ago.serves(as_of_s, self.config.refresh_s)).cloned();
        Some(((shard, term), Order { team, week_ago, links }))
    }

    /// Begins to publish what is ready, in every shard that is not publishing.
    fn publish(&mut self) {
        for (shard, led) in &mut self.led {
            let Some(Post { writer, mut rankings }) = led.post() else { continue };
            let (shard, term, publisher) = (*shard, led.term(), Arc::clone(&self.publisher));
            self.tasks.spawn(async move {
                let published = publisher.publish(&writer, &mut rankings).await;
                Done::Of { shard, term, what: What::Published(rankings, published) }
            });
        }
    }

    /// When to look again: at the next multiple of the interval since the epoch, so that a look comes right after the turn of
    /// the second, when every team that changed may be ranked again. Later after failures.
    fn next_look(&self) -> Instant {
        let poll_us = i64::try_from(self.config.poll_ms * 1_000).unwrap_or(i64::MAX);
        let wait_us = clock::now().map_or(poll_us, |now| poll_us - now.0.rem_euclid(poll_us));
        let aligned = Duration::from_micros(wait_us.unsigned_abs());
        Instant::now() + self.trouble.pause().map_or(aligned, |pause| pause.max(aligned))
    }
}

/// The part of ClickHouse's threads that each of so many questions has.
pub(crate) fn share(threads: u64, at_once: u64) -> u64 {
    (threads / at_once.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_that_are_asked_at_once_share_the_threads_and_each_has_one() {
        assert_eq!(
            [(2, 2), (2, 1), (32, 2), (2, 8), (0, 0)].map(|(threads, at_once)| share(threads, at_once)),
            [1, 2, 16, 1, 1]
        );
    }
}
