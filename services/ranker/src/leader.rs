//! Leads shards: looks for what changed, ranks the teams that are due, a few at once, and publishes shard by shard.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use domain::{
    ids::TeamId,
    time::{MICROS_PER_SECOND, Timestamp},
};
use kit::health::Part;
use opentelemetry::trace::SpanContext;
use store::Store;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    changes::Changes,
    clock,
    compute::{Order, WeekAgo, compute},
    config::RankerConfig,
    led::{Led, Post, Term},
    membership::{Holdings, Membership},
    metrics::Metrics,
    publisher::{Publisher, Unpublished},
    ready::{Ready, TooLarge},
    schedule::{Limits, Schedule},
    shard::Shard,
    writer::{Unwritten, Writer, Writers},
};

const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Snapshots are looked for from so long before now, when a shard is taken over: of older ones our clock is ahead anyway.
const NEWEST_S: i64 = 60;
/// Rankings that are computed and not published yet may be so many; then nothing is computed.
const READY_MAX: usize = 64;

/// Ranks the teams of the shards that the group gives us.
pub(crate) struct Leader {
    config: RankerConfig,
    store: Store,
    publisher: Arc<Publisher>,
    writers: Arc<Writers>,
    holdings: watch::Receiver<Holdings>,
    part: Part,
    metrics: Metrics,
    schedule: Schedule,
    changes: Option<Changes>,
    watermark: Option<Timestamp>,
    /// Partitions of the topic when the schedule was divided.
    shards: Option<i32>,
    led: BTreeMap<Shard, Led>,
    /// Teams that are due, in the order in which they are begun.
    queue: VecDeque<TeamId>,
    weeks_ago: BTreeMap<TeamId, WeekAgo>,
    tasks: JoinSet<Done>,
    computing: usize,
    pause: Duration,
    failing: bool,
    waiting: bool,
}

/// What a task has done, and for which term.
struct Done {
    shard: Shard,
    term: Term,
    what: What,
}

enum What {
    /// A writer was opened, and the newest snapshots read.
    Opened(anyhow::Result<(Writer, BTreeMap<TeamId, Timestamp>)>),
    Computed(TeamId, anyhow::Result<(Ready, WeekAgo)>),
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
            pause: Duration::from_millis(config.poll_ms),
            config,
            store,
            publisher: Arc::new(publisher),
            writers: Arc::new(writers),
            holdings: membership.holdings(),
            part,
            metrics: Metrics::new(),
            schedule,
            changes: None,
            watermark: None,
            shards: None,
            led: BTreeMap::new(),
            queue: VecDeque::new(),
            weeks_ago: BTreeMap::new(),
            tasks: JoinSet::new(),
            computing: 0,
            failing: false,
            waiting: false,
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
                        Ok(()) => self.succeeded(),
                        Err(error) => self.failed(&error),
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
        self.part.unready("stopping");
        while self.led.values().any(Led::is_publishing) {
            match self.tasks.join_next().await {
                Some(Ok(done)) => self.done(done),
                Some(Err(_)) => {}
                None => return,
            }
        }
    }

    /// Follows what the group says is ours.
    fn take_over(&mut self) {
        let holdings = self.holdings.borrow_and_update().clone();
        if holdings.shards != self.shards
            && let Some(shards) = holdings.shards
        {
            // Teams lie in other partitions now: everything is taken over anew.
            self.led.clear();
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
        self.weeks_ago.retain(|team, _| self.led.contains_key(&schedule.shard(team)));
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
            Done { shard, term, what: What::Opened(opened.await) }
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
        self.waiting &= !self.queue.is_empty();
        if !self.queue.is_empty() {
            // Before any row is read: what is durable by then is in the facts.
            self.watermark = self.store.watermark().await?;
            self.wait_for_watermark();
        }
        Ok(())
    }

    async fn notice(&mut self) -> anyhow::Result<()> {
        let Some(changes) = &mut self.changes else {
            // The place in the changes first, then the teams: what comes between the two is seen twice rather than never.
            let changes = Changes::from_now(self.store.clone()).await?;
            let now_s = clock::now_s()?;
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

    /// Begins as many rankings as may be computed at once.
    fn begin(&mut self) {
        let at_once = usize::try_from(self.config.teams_at_once_max).unwrap_or(usize::MAX);
        let mut ready: usize = self.led.values().map(Led::ready).sum();
        while self.computing < at_once && self.computing + ready < READY_MAX {
            let Some(watermark) = self.watermark else { return };
            let Some(team) = self.queue.pop_front() else { return };
            let Ok(as_of_s) = clock::now_s() else { return };
            let shard = self.schedule.shard(&team);
            // While a shard's records wait, there is no room for more.
            let Some(term) = self.led.get(&shard).filter(|led| led.flows()).map(Led::term) else { continue };
            let Some(links) = self.schedule.begin(&team, as_of_s) else { continue };
            let week_ago =
                self.weeks_ago.get(&team).filter(|week_ago| week_ago.serves(as_of_s, self.config.refresh_s)).cloned();
            let order = Order { team: team.clone(), as_of_s, watermark, week_ago, links };
            let store = self.store.clone();
            self.tasks
                .spawn(async move { Done { shard, term, what: What::Computed(team, compute(&store, order).await) } });
            self.computing += 1;
            ready = self.led.values().map(Led::ready).sum();
        }
    }

    /// Begins to publish what is ready, in every shard that is not publishing.
    fn publish(&mut self) {
        for (shard, led) in &mut self.led {
            let Some(Post { writer, mut rankings }) = led.post() else { continue };
            let (shard, term, publisher) = (*shard, led.term(), Arc::clone(&self.publisher));
            self.tasks.spawn(async move {
                let published = publisher.publish(&writer, &mut rankings).await;
                Done { shard, term, what: What::Published(rankings, published) }
            });
        }
    }

    fn done(&mut self, done: Done) {
        let Done { shard, term, what } = done;
        if matches!(what, What::Computed(..)) {
            self.computing -= 1;
        }
        // What was done for a term that is over is forgotten: the shard's next leader computes anew, be it us.
        if self.led.get(&shard).is_none_or(|led| led.term() != term) {
            if let What::Published(rankings, Err(_)) = what {
                self.metrics.fenced(rankings.len());
            } else if let What::Opened(Ok((writer, _))) = what {
                drop_aside(writer);
            }
            return;
        }
        match what {
            What::Opened(Ok((writer, newest))) => self.opened(shard, writer, &newest),
            What::Opened(Err(error)) => {
                self.failed(&error);
                self.open(shard, self.pause);
            }
            What::Computed(team, Ok((ready, week_ago))) => {
                self.weeks_ago.insert(team, week_ago);
                if let Some(led) = self.led.get_mut(&shard) {
                    led.push(ready);
                }
            }
            What::Computed(team, Err(error)) => self.not_computed(&team, &error),
            What::Published(rankings, Ok(())) => self.published(shard, rankings),
            What::Published(rankings, Err(error)) => self.not_published(shard, rankings, error),
        }
    }

    fn opened(&mut self, shard: Shard, writer: Writer, newest: &BTreeMap<TeamId, Timestamp>) {
        let Some(led) = self.led.get_mut(&shard) else { return };
        // A snapshot that is still the newest is published after all; another has been published since, or never will be.
        let dropped = led.opened(writer, |ready| newest.get(&ready.team) == Some(&ready.as_of));
        let newest_s: BTreeMap<TeamId, i64> =
            newest.iter().map(|(team, as_of)| (team.clone(), clock::seconds(*as_of))).collect();
        if let Ok(now_s) = clock::now_s() {
            if let Some(ahead_s) =
                newest_s.iter().filter(|(team, _)| self.schedule.shard(team) == shard).map(|(_, s)| s - now_s).max()
                && ahead_s > self.config.refresh_s
            {
                tracing::warn!(
                    flywheel.shard = shard.0,
                    ahead_s,
                    "snapshots are dated ahead of this clock; their teams wait for it"
                );
            }
            self.schedule.lead(shard, &newest_s, now_s);
        }
        tracing::info!(flywheel.shard = shard.0, dropped, "shard taken over");
    }

    fn published(&mut self, shard: Shard, rankings: Vec<Ready>) {
        for ranking in rankings {
            self.schedule.published(&ranking.team, clock::seconds(ranking.as_of), ranking.upcoming.map(clock::seconds));
            self.metrics.published(ranking.begun.elapsed());
            tracing::debug!(
                flywheel.team = %ranking.team,
                flywheel.snapshot = ranking.snapshot,
                computing_ms = (ranking.computed - ranking.begun).as_millis(),
                publishing_ms = ranking.computed.elapsed().as_millis(),
                "ranking published"
            );
        }
        if let Some(led) = self.led.get_mut(&shard) {
            led.posted();
        }
    }

    /// One team's failure keeps no other waiting: where ClickHouse is away altogether, looking fails too.
    fn not_computed(&mut self, team: &TeamId, error: &anyhow::Error) {
        self.schedule.failed(team, Vec::new());
        let Ok(now_s) = clock::now_s() else { return };
        if self.schedule.rest(team, now_s) {
            if error.is::<TooLarge>() {
                tracing::warn!(flywheel.team = %team, error = format!("{error:#}"), "a ranking cannot be published");
            } else {
                tracing::warn!(flywheel.team = %team, error = format!("{error:#}"), "a ranking did not come about, trying on");
            }
        }
    }

    fn not_published(&mut self, shard: Shard, rankings: Vec<Ready>, error: Unpublished) {
        let (poll, pause) = (Duration::from_millis(self.config.poll_ms), self.pause);
        let Some(led) = self.led.get_mut(&shard) else { return };
        led.posted();
        match error {
            Unpublished::NotStored(error) => {
                // Those that were stored before wait on; the others are computed again, as they are then.
                let (stored, unstored): (Vec<Ready>, Vec<Ready>) =
                    rankings.into_iter().partition(|ranking| ranking.row.is_none());
                led.put_back(stored, pause);
                for ranking in unstored {
                    self.schedule.failed(&ranking.team, ranking.links);
                }
                self.failed(&error.context("cannot store snapshots"));
            }
            Unpublished::NotWritten(Unwritten::Fenced(error)) => {
                // The tenure lasts as far as we know: the group has moved on, and the next try has its new generation. If the
                // shard is another's, the group will say so.
                self.metrics.fenced(rankings.len());
                led.put_back(rankings, poll);
                tracing::debug!(flywheel.shard = shard.0, error = format!("{error:#}"), "rankings were fenced");
            }
            Unpublished::NotWritten(Unwritten::Aborted(error)) => {
                led.put_back(rankings, pause);
                self.failed(&error.context("cannot publish"));
            }
            Unpublished::NotWritten(Unwritten::Refused(error)) => {
                let error = error.context("the topic refuses it, or one that was sent with it");
                for ranking in rankings {
                    self.not_computed(&ranking.team, &error);
                }
            }
            Unpublished::NotWritten(Unwritten::Broken(error)) => {
                self.metrics.fenced(rankings.len());
                led.put_back(rankings, Duration::ZERO);
                led.closed();
                self.schedule.give_up(shard);
                self.failed(&error.context("cannot publish"));
                self.open(shard, self.pause);
            }
        }
    }

    /// A part of the role panicked: all shards are taken over anew, in their tenures.
    fn crashed(&mut self, error: &anyhow::Error) {
        self.computing = 0;
        self.tasks = JoinSet::new();
        for shard in std::mem::take(&mut self.led).into_keys() {
            self.schedule.give_up(shard);
        }
        self.failed(error);
    }

    fn succeeded(&mut self) {
        let holdings = self.holdings.borrow();
        if !holdings.joined {
            self.part.unready("not a member of the rankers' group yet");
            return;
        }
        drop(holdings);
        if self.led.values().any(|led| !led.flows()) {
            self.part.unready("shards are being taken over");
            return;
        }
        if self.waiting {
            return;
        }
        self.part.ready();
        if self.failing {
            tracing::info!("rankings are current again");
        }
        self.failing = false;
        self.pause = Duration::from_millis(self.config.poll_ms);
    }

    /// A partition may not have reported its progress yet, so that nothing can be promised: says so once.
    fn wait_for_watermark(&mut self) {
        let waiting = self.watermark.is_none();
        if waiting {
            self.part.unready("an input partition has not reported its progress yet");
            if !self.waiting {
                tracing::info!("rankings wait until ingest has reported the progress of every input partition");
            }
        }
        self.waiting = waiting;
    }

    /// Says so once; every time, the next try comes a little later.
    fn failed(&mut self, error: &anyhow::Error) {
        self.part.unready("cannot read or publish");
        if !self.failing {
            tracing::warn!(error = format!("{error:#}"), "rankings are not current, trying on");
        }
        self.failing = true;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    /// When to look again: at the next multiple of the interval since the epoch, so that a look comes right after the turn of
    /// the second, when every team that changed may be ranked again. Later after failures.
    fn next_look(&self) -> Instant {
        let poll_us = i64::try_from(self.config.poll_ms * 1_000).unwrap_or(i64::MAX);
        let wait_us = clock::now().map_or(poll_us, |now| poll_us - now.0.rem_euclid(poll_us));
        let aligned = Duration::from_micros(wait_us.unsigned_abs());
        Instant::now() + if self.failing { self.pause.max(aligned) } else { aligned }
    }
}

/// Closing a client blocks its thread for a moment.
fn drop_aside(writer: Writer) {
    tokio::task::spawn_blocking(move || drop(writer));
}
