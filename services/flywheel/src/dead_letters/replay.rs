//! `flywheel dead-letters replay`.
//!
//! Small groups, one after the other: read, claim, produce, confirm. What goes wrong costs one group at most, and a claim
//! is recorded as late as possible, when everything else is known to be there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail, ensure};
use clap::Args as ClapArgs;
use kit::config::{ClickHouseConfig, KafkaConfig};
use tokio_util::sync::CancellationToken;

use super::{
    claim::Claim,
    place::Place,
    print,
    producer::{Outcome, Producer},
    progress::Progress,
    report::{Failure, Report},
    selection::{Filter, Selection},
    store::{Letter, Order, Replays, Store},
};
use crate::cli::ClickHouseArgs;

/// A group holds at most so many dead letters. Their places are part of an address, which has to stay short.
const GROUP_LETTERS_MAX: usize = 100;
/// A group holds at most so many bytes of payloads, or one dead letter.
const GROUP_BYTES_MAX: u64 = 16 * 1024 * 1024;
const PLACES_MAX: usize = GROUP_LETTERS_MAX;

/// Options of `flywheel dead-letters replay`.
#[derive(Clone, Debug, ClapArgs)]
pub struct Replay {
    /// Which to replay: TOPIC/PARTITION/OFFSET, up to 100 of them. Without any, those that pass the filters.
    #[arg(value_name = "TOPIC/PARTITION/OFFSET", num_args = 0..=PLACES_MAX)]
    pub places: Vec<Place>,
    /// Replay all that were never replayed, whatever they are.
    #[arg(long, conflicts_with = "places")]
    pub all: bool,
    /// Replay at most so many, the oldest of each topic first.
    #[arg(long, value_name = "LETTERS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub limit: u64,
    /// Say what would be replayed, and produce and record nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
    /// A record that Kafka has not acknowledged after so many milliseconds is given up.
    #[arg(long, value_name = "MS", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1_000..=600_000))]
    pub delivery_ms_max: u64,
    /// Which to replay.
    #[command(flatten, next_help_heading = "Filters")]
    pub filter: Filter,
    /// Where Kafka is.
    #[command(flatten, next_help_heading = "Kafka")]
    pub kafka: KafkaConfig,
    /// Where ClickHouse is; as the user that ingests.
    #[command(flatten, next_help_heading = "ClickHouse")]
    pub clickhouse: ClickHouseArgs,
}

pub(super) async fn run(args: Replay, shutdown: CancellationToken) -> anyhow::Result<()> {
    let clickhouse = args.clickhouse.ingest();
    let store = Store::new(&clickhouse);
    let selection = selection(&args)?;
    let mut report = Report { dry_run: args.dry_run, ..Report::default() };
    for count in store.counts(&selection).await? {
        report.found += count.letters;
        report.already_replayed += count.replayed;
        report.unconfirmed += count.unconfirmed;
    }
    if let Selection::Places(places) = &selection {
        name_missing(&store, &selection, places).await?;
    }
    let letters = store.letters(&selection, Replays::Unclaimed, Order::AsReceived, args.limit).await?;
    // Between the two questions some more may have arrived.
    let known = report.already_replayed + report.unconfirmed + letters.len() as u64;
    report.found = report.found.max(known);
    report.left = report.found - known;
    let stopped = if args.dry_run {
        report.replayed = letters.len() as u64;
        Ok(())
    } else if letters.is_empty() {
        Ok(())
    } else {
        let producer = Producer::new(&args.kafka, args.delivery_ms_max)?;
        Replayer { store, clickhouse, producer, report: &mut report, shutdown }.replay(letters).await
    };
    // What was done is told whatever came after it.
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.text() };
    print(text.as_bytes())?;
    stopped?;
    ensure!(report.failed.is_empty(), "{} of {} dead letters could not be replayed", report.failed.len(), report.found);
    Ok(())
}

fn selection(args: &Replay) -> anyhow::Result<Selection> {
    let filtered = args.filter != Filter::default();
    if args.places.is_empty() {
        ensure!(filtered || args.all, "say which to replay: filters, places, or --all");
        return Ok(Selection::Filter(args.filter.clone()));
    }
    ensure!(!filtered, "name places or give filters, not both");
    let places: BTreeSet<&Place> = args.places.iter().collect();
    Ok(Selection::Places(places.into_iter().cloned().collect()))
}

/// A place that was named must be there: a typing error is no dead letter that was replayed.
async fn name_missing(store: &Store, selection: &Selection, places: &[Place]) -> anyhow::Result<()> {
    let letters = store.letters(selection, Replays::Any, Order::AsReceived, places.len() as u64).await?;
    let there: BTreeSet<Place> = letters.iter().map(Letter::place).collect();
    let missing: Vec<_> = places.iter().filter(|place| !there.contains(place)).map(Place::to_string).collect();
    ensure!(missing.is_empty(), "nothing was replayed: there is no dead letter at {}", missing.join(", "));
    Ok(())
}

struct Replayer<'a> {
    store: Store,
    clickhouse: ClickHouseConfig,
    producer: Producer,
    report: &'a mut Report,
    shutdown: CancellationToken,
}

impl Replayer<'_> {
    /// Replays `letters` group by group, until all are decided or something stops it; those not reached are left.
    async fn replay(&mut self, letters: Vec<Letter>) -> anyhow::Result<()> {
        let progress = Progress::new(letters.len() as u64);
        self.report.left += letters.len() as u64;
        for group in groups(letters) {
            if self.shutdown.is_cancelled() {
                bail!("stopped; replay again to go on");
            }
            let places = self.with_partition(group, &progress).await?;
            if !places.is_empty() {
                self.replay_group(places, &progress).await?;
            }
        }
        progress.finish();
        Ok(())
    }

    /// Those whose partition exists; the others fail before anything is recorded of them.
    async fn with_partition(&mut self, group: Vec<Letter>, progress: &Progress) -> anyhow::Result<BTreeSet<Place>> {
        let mut places = BTreeSet::new();
        for place in group.iter().map(Letter::place) {
            if self.producer.knows(&place).await? {
                places.insert(place);
            } else {
                self.fail(place, "Kafka has no such partition".to_owned(), true, progress);
            }
        }
        Ok(places)
    }

    async fn replay_group(&mut self, places: BTreeSet<Place>, progress: &Progress) -> anyhow::Result<()> {
        // In the order of the log, so that replays of one partition keep it.
        let mut bodies = self.store.bodies(places.iter().cloned().collect()).await?;
        bodies.sort_by_key(|body| body.place());
        let claim = Claim::stake(&self.clickhouse, places.clone()).await?;
        let ours = claim.settle().await?;
        for _ in places.difference(&ours) {
            self.report.already_replayed += 1;
            self.report.left -= 1;
            progress.step();
        }
        let sent: Vec<_> = bodies
            .iter()
            .filter(|body| ours.contains(&body.place()))
            .map(|body| (body.place(), self.producer.send(body)))
            .collect();
        drop(bodies);
        let (mut produced, mut not_sent, mut unacknowledged) = (BTreeMap::new(), BTreeSet::new(), 0);
        for (place, sent) in sent {
            match sent.outcome().await {
                Outcome::Produced(offset) => {
                    produced.insert(place, offset);
                    self.report.replayed += 1;
                    self.report.left -= 1;
                    progress.step();
                }
                Outcome::NotSent(reason) => {
                    not_sent.insert(place.clone());
                    self.fail(place, reason, true, progress);
                }
                Outcome::Unacknowledged(reason) => {
                    unacknowledged += 1;
                    self.fail(place, reason, false, progress);
                }
            }
        }
        let will_stay = || format!("{} were replayed, and will be listed as unconfirmed", produced.len());
        claim.confirm(&produced).await.with_context(will_stay)?;
        claim.withdraw(&not_sent).await?;
        // Whatever comes next would be lost as well.
        ensure!(
            unacknowledged == 0,
            "stopped: Kafka did not acknowledge {unacknowledged} records; replay again to go on"
        );
        Ok(())
    }

    fn fail(&mut self, place: Place, reason: String, may_be_replayed: bool, progress: &Progress) {
        self.report.failed.push(Failure { place, reason, may_be_replayed });
        self.report.left -= 1;
        progress.step();
    }
}

/// Groups of at most [`GROUP_LETTERS_MAX`] and, but for single ones, at most [`GROUP_BYTES_MAX`], in order.
fn groups(letters: Vec<Letter>) -> Vec<Vec<Letter>> {
    let mut groups: Vec<Vec<Letter>> = Vec::new();
    let mut bytes = 0;
    for letter in letters {
        match groups.last_mut() {
            Some(group) if group.len() < GROUP_LETTERS_MAX && bytes + letter.bytes <= GROUP_BYTES_MAX => {
                bytes += letter.bytes;
                group.push(letter);
            }
            _ => {
                bytes = letter.bytes;
                groups.push(vec![letter]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn letter(offset: i64, bytes: u64) -> Letter {
        Letter {
            topic: "t".to_owned(),
            partition: 0,
            offset,
            received_ms: 0,
            reason: String::new(),
            pointer: String::new(),
            event_type: String::new(),
            bytes,
            claimed_ms: 0,
            replayed: 0,
            replay_offset: -1,
        }
    }

    fn parsed(arguments: &[&str]) -> Result<Selection, String> {
        let line = ["flywheel", "dead-letters", "replay"].iter().chain(arguments);
        let cli = crate::cli::Cli::try_parse_from(line).map_err(|error| error.to_string())?;
        let crate::cli::Command::DeadLetters(args) = cli.command else { panic!("{:?}", cli.command) };
        let super::super::What::Replay(replay) = args.what else { panic!("{args:?}") };
        selection(&replay).map_err(|error| error.to_string())
    }

    #[test]
    fn groups_are_bounded_in_number_and_bytes_and_lose_nothing() {
        let large = GROUP_BYTES_MAX / 2;
        let sizes = [vec![1; 250], vec![large, large, 1, GROUP_BYTES_MAX + 1, 1]].concat();
        let letters: Vec<_> = (0..).zip(sizes).map(|(offset, bytes)| letter(offset, bytes)).collect();
        let groups = groups(letters.clone());
        let lengths: Vec<_> = groups.iter().map(Vec::len).collect();
        assert_eq!(lengths, [100, 100, 51, 2, 1, 1]);
        assert_eq!(groups.concat(), letters);
    }

    #[test]
    fn everything_is_replayed_only_when_that_is_said() {
        assert!(parsed(&[]).is_err_and(|error| error.contains("--all")));
        assert_eq!(parsed(&["--all"]), Ok(Selection::Filter(Filter::default())));
        let reason = Filter { reasons: vec!["not_json".to_owned()], ..Filter::default() };
        assert_eq!(parsed(&["--reason", "not_json"]), Ok(Selection::Filter(reason)));
        assert!(parsed(&["--reason", "no_reason"]).is_err_and(|error| error.contains("not_json")));
    }

    #[test]
    fn a_place_named_twice_is_one_and_goes_with_no_filter() {
        let place: Place = "t/0/1".parse().unwrap();
        assert_eq!(parsed(&["t/0/1", "t/0/1"]), Ok(Selection::Places(vec![place])));
        assert!(parsed(&["t/0/1", "--team", "x"]).is_err_and(|error| error.contains("not both")));
        assert!(parsed(&["t/0"]).is_err_and(|error| error.contains("TOPIC/PARTITION/OFFSET")));
        assert!(parsed(&["t/0/1", "--all"]).is_err());
    }
}
