//! What takes time: questions to Kafka and ClickHouse, and inserts. Each runs beside the loop and sends one answer back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, mpsc},
    thread::Thread,
    time::{Duration, Instant},
};

use clickhouse::Client;
use protocol::{Group, Input, InsertAnswer, Look, Offset, Part, Range, RequestId, Token, TopicPartition};
use tokio::runtime::Handle;
use tracing::Instrument as _;

use crate::{
    clickhouse::{self as ch, Findings, Found},
    inserts::{self, Insert},
    kafka::{Consumer, fetch_committed, input_topic, topic_ids},
    metrics::Metrics,
    repeats::{Window, history},
    tables::There,
};

use super::{rows::Rows, trouble::Work};

/// How long Kafka is given to say which topics these are.
const TOPICS_MAX: Duration = Duration::from_secs(1);

/// An answer to something that was asked.
pub(crate) enum Answer {
    /// One that the protocol waits for.
    Protocol(Input),
    /// Which rows are there, and which partitions have rows beyond.
    Looked(Look, Found, Vec<(TopicPartition, Offset)>),
    /// A partition's window, with what it has had lately.
    Remembered(TopicPartition, u64, Window),
    /// Which of a range's offsets repeat a pair from below the window.
    Searched(TopicPartition, u64, Range, BTreeSet<Offset>),
    /// An insert ended.
    Inserted(RequestId, Written),
    /// What an audit found.
    Audited(Part, Findings),
    /// Which topics these are.
    Topics(BTreeMap<&'static str, u32>),
    /// The ranker was told of new rows.
    Told,
    /// A try failed.
    Failed(Work, String),
}

/// What an insert did.
pub(crate) struct Written {
    pub(crate) answer: InsertAnswer,
    /// What each partition's rows became, for the metrics.
    pub(crate) tables: Vec<(&'static str, usize)>,
    pub(crate) took: Duration,
    pub(crate) error: Option<String>,
}

/// Rows to insert.
pub(crate) struct Cargo {
    pub(crate) rows: Arc<Rows>,
    pub(crate) partition: TopicPartition,
    /// What is there already, and is left out.
    pub(crate) there: Option<There>,
}

/// Starts tasks. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tasks {
    pub(crate) runtime: Handle,
    pub(crate) answers: mpsc::Sender<Answer>,
    pub(crate) waker: Thread,
    /// For questions.
    pub(crate) client: Client,
    /// For inserts: with the pinned settings.
    pub(crate) inserting: Client,
    pub(crate) insert_max: Duration,
    pub(crate) retry_pause: Duration,
    pub(crate) metrics: Metrics,
}

impl Tasks {
    fn answer(&self, answer: Answer) {
        // Nobody listens any more: the membership has ended, and what was asked in it no longer matters.
        drop(self.answers.send(answer));
        self.waker.unpark();
    }

    /// Asks Kafka which topics these are.
    pub(crate) fn topics(&self, consumer: Arc<Consumer>) {
        let tasks = self.clone();
        self.runtime.spawn_blocking(move || {
            let asked = topic_ids(&consumer, TOPICS_MAX);
            drop(consumer);
            match asked {
                Ok(topics) => tasks.answer(Answer::Topics(topics)),
                // Whoever reads or commits says that Kafka is away; this is asked again soon.
                Err(error) => tracing::debug!(error = format!("{error:#}"), "which topics these are is not known now"),
            }
        });
    }

    /// Asks Kafka what is committed.
    pub(crate) fn fetch(&self, id: RequestId, consumer: Arc<Consumer>, partitions: Vec<TopicPartition>) {
        let tasks = self.clone();
        // librdkafka blocks the thread for these calls.
        self.runtime.spawn_blocking(move || match fetch_committed(&consumer, &partitions) {
            Ok(fetched) => {
                drop(consumer);
                tasks.answer(Answer::Protocol(Input::Fetched(id, fetched)));
            }
            Err(error) => {
                drop(consumer);
                tasks.answer(Answer::Failed(Work::Offsets, format!("{error:#}")));
                tasks.answer(Answer::Protocol(Input::FetchFailed(id)));
            }
        });
    }

    /// Asks ClickHouse which rows are there.
    pub(crate) fn look(&self, look: Look) {
        let tasks = self.clone();
        self.runtime.spawn(async move {
            let asked = async {
                let found = ch::look(&tasks.client, &look.parts).await?;
                Ok::<_, ::clickhouse::error::Error>((found, ch::rows_beyond(&tasks.client, &look.beyond).await?))
            };
            match asked.await {
                Ok((found, beyond)) => tasks.answer(Answer::Looked(look, found, beyond)),
                Err(error) => {
                    tasks.answer(Answer::Failed(Work::Asking, error.to_string()));
                    tasks.answer(Answer::Protocol(Input::LookFailed(look.id)));
                }
            }
        });
    }

    /// Asks ClickHouse whether an insert of the group still runs.
    pub(crate) fn check_dead(&self, id: RequestId, group: Group) {
        let tasks = self.clone();
        self.runtime.spawn(async move {
            let dead = match ch::is_dead(&tasks.client, &group).await {
                Ok(dead) => dead,
                Err(error) => {
                    tasks.answer(Answer::Failed(Work::Asking, error.to_string()));
                    false
                }
            };
            tasks.answer(Answer::Protocol(Input::Checked(id, dead)));
        });
    }

    /// Asks ClickHouse for the pairs that the partition had up to `position` and the window does not know, until it answers.
    pub(crate) fn remember(&self, partition: TopicPartition, tenure: u64, position: Offset, mut window: Window) {
        let tasks = self.clone();
        let Some(topic) = input_topic(partition.topic.0) else { return };
        self.runtime.spawn(async move {
            loop {
                let asked = history::catch_up(&tasks.client, topic, partition.partition, position, &mut window);
                match asked.await {
                    Ok(()) => return tasks.answer(Answer::Remembered(partition, tenure, window)),
                    Err(error) if tasks.failed(&error).await => {}
                    Err(_) => return,
                }
            }
        });
    }

    /// Asks ClickHouse which of the rows repeat a pair that the partition had below `before`, until it answers.
    pub(crate) fn search(&self, partition: TopicPartition, tenure: u64, range: Range, rows: Arc<Rows>, before: Offset) {
        let tasks = self.clone();
        let Some(topic) = input_topic(partition.topic.0) else { return };
        self.runtime.spawn(async move {
            loop {
                let identities = rows.tables.identities();
                let asked = history::said_before(&tasks.client, topic, partition.partition, before, identities);
                match asked.await {
                    Ok(repeats) => {
                        // The loop changes the rows when it is told, so nobody else may hold them.
                        drop(rows);
                        return tasks.answer(Answer::Searched(partition, tenure, range, repeats));
                    }
                    Err(error) if tasks.failed(&error).await => {}
                    Err(_) => return,
                }
            }
        });
    }

    /// Counts the rows of a durable range. An audit that fails is left to the next.
    pub(crate) fn audit(&self, part: Part, records: u64) {
        let tasks = self.clone();
        self.runtime.spawn(async move {
            match ch::audit(&tasks.client, &part, records).await {
                Ok(findings) => tasks.answer(Answer::Audited(part, findings)),
                Err(error) => tasks.answer(Answer::Failed(Work::Asking, error.to_string())),
            }
        });
    }

    /// Says that something could not be asked and pauses; returns whether anybody still wants to know.
    async fn failed(&self, error: &anyhow::Error) -> bool {
        let wanted = self.answers.send(Answer::Failed(Work::Asking, format!("{error:#}"))).is_ok();
        self.waker.unpark();
        tokio::time::sleep(self.retry_pause).await;
        wanted
    }

    /// Inserts a group's rows.
    ///
    /// The span is the batch's own: it links to the spans of its records' producers, and the ranker links to it.
    pub(crate) fn insert(&self, id: RequestId, token: Token, cargo: Vec<Cargo>) {
        let tasks = self.clone();
        let records: u64 = cargo.iter().map(|cargo| cargo.rows.records).sum();
        let span = tracing::info_span!(
            "process flywheel.batch",
            otel.kind = "consumer",
            messaging.system = "kafka",
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.batch.message_count = records,
        );
        let links = cargo.iter().flat_map(|cargo| cargo.rows.links.iter().cloned()).take(kit::propagation::LINKS_MAX);
        kit::propagation::add_links(&span, links);
        let traceparent = kit::propagation::traceparent(&span).unwrap_or_default();
        let cargo: Arc<[Cargo]> = cargo.into();
        let work = async move {
            let begun = Instant::now();
            // Where rows may be there already, each is looked up: not on a thread that others wait for.
            let inserts = tokio::task::spawn_blocking({
                let cargo = Arc::clone(&cargo);
                move || inserts::inserts(&parts(&cargo))
            });
            let inserts = match inserts.await {
                Ok(inserts) => inserts,
                Err(error) => {
                    let error = Some(error.to_string());
                    let written =
                        Written { answer: InsertAnswer::Failed, tables: Vec::new(), took: begun.elapsed(), error };
                    return tasks.answer(Answer::Inserted(id, written));
                }
            };
            let write = {
                let cargo = Arc::clone(&cargo);
                move |insert: &Insert, hand_on: &mut dyn FnMut(Vec<u8>)| insert.block(&parts(&cargo), hand_on)
            };
            let inserted = ch::insert(&tasks.inserting, token, inserts, write, tasks.insert_max, &tasks.metrics).await;
            let durable = inserted.answer == InsertAnswer::Ok;
            let error = inserted.error.map(|error| error.to_string());
            let written = Written { answer: inserted.answer, tables: inserted.written, took: begun.elapsed(), error };
            tasks.answer(Answer::Inserted(id, written));
            if durable {
                tasks.tell_ranker(&cargo, &traceparent).await;
            }
        };
        self.runtime.spawn(work.instrument(span));
    }

    /// Tells the ranker which teams have rows, after the rows are there. If this fails, the rankings follow when they are
    /// refreshed anyway.
    async fn tell_ranker(&self, cargo: &[Cargo], traceparent: &str) {
        self.tell_teams(&inserts::rows_by_team(&parts(cargo)), traceparent).await;
    }

    /// Tells the ranker that these teams have rows; the empty name stands for every team.
    pub(crate) async fn tell_teams(&self, teams: &BTreeMap<String, u64>, traceparent: &str) {
        let Some((sql, block)) = inserts::team_changes(teams, traceparent) else { return };
        self.answer(match ch::tell(&self.inserting, sql, block, self.insert_max).await {
            Ok(()) => Answer::Told,
            Err(error) => Answer::Failed(Work::Telling, error.to_string()),
        });
    }
}

fn parts(cargo: &[Cargo]) -> Vec<inserts::Part<'_>> {
    cargo
        .iter()
        .map(|cargo| inserts::Part {
            partition: cargo.partition.partition,
            tables: &cargo.rows.tables,
            there: cargo.there.as_ref(),
        })
        .collect()
}
