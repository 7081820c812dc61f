//! The right to replay dead letters, each at most once for ever.
//!
//! ClickHouse has no compare-and-set, so the right is won by what Peterson's lock does: raise a flag first, look at the
//! others' flags after. A claim is a row, recorded before anybody looks. A dead letter is produced only by a claim that
//! then saw no other claim to it standing, and a claim that does not produce withdraws for good.
//!
//! Two claims never both produce. Suppose that they did: each looked and did not see the other standing. Neither had
//! withdrawn, so each looked before the other was recorded; but each was recorded before it looked itself, and so the first
//! to look would have looked before the second was recorded, and the second after. The second saw the first. No clock and no
//! timeout is part of the argument: a process that was paused for a day wakes to what it decided, or decides by what it then
//! sees.
//!
//! What it takes is that a row whose insert was acknowledged is seen by every later query: true of one server, and of a
//! cluster only where all replays speak to one replica. A process that ends between its claim and its answer leaves a
//! claim that stands for ever: that dead letter is not replayed again, and is listed as unconfirmed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clickhouse::{Client, Row};
use kit::config::ClickHouseConfig;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::place::Place;

const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Another process that has claimed the same dead letters has so long to decide before it is left the field.
const SETTLE_MAX: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One claim, to some dead letters.
pub(super) struct Claim {
    client: Client,
    id: String,
    places: BTreeSet<Place>,
}

/// A row of `dead_letter_replays`.
#[derive(Row, Serialize)]
struct Entry<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    claim: &'a str,
    state: i8,
    produced_offset: i64,
}

// The values of the table's enum.
const CLAIMED: i8 = 1;
const WITHDRAWN: i8 = 2;
const PRODUCED: i8 = 3;

/// A claim that stands to a dead letter.
#[derive(Clone, Debug, Row, Deserialize)]
struct Standing {
    topic: String,
    partition: i32,
    offset: i64,
    claim: String,
    produced: u8,
}

/// What a look at the other claims to a dead letter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nobody else's claim stands.
    Ours,
    /// Another claim goes first, or has produced.
    Theirs,
    /// Others claimed it too, and it is for them to withdraw.
    Wait,
}

impl Claim {
    /// Records a claim to `places`. Nothing may be produced before it is settled.
    ///
    /// # Errors
    /// When ClickHouse does not acknowledge it. It may have been recorded all the same, and is withdrawn if that is possible.
    pub(super) async fn stake(config: &ClickHouseConfig, places: BTreeSet<Place>) -> anyhow::Result<Self> {
        let client = kit::clickhouse::client(config)
            // An answer means that the row is there, and a question is answered whole or not at all.
            .with_setting("async_insert", "0")
            .with_setting("wait_end_of_query", "1")
            .with_setting("timeout_overflow_mode", "throw")
            .with_setting("read_overflow_mode", "throw");
        // Ids ascend with time: of two processes the one that claimed first goes first.
        let claim = Self { client, id: Uuid::now_v7().to_string(), places };
        let entries = claim.places.iter().map(|place| (place, CLAIMED, -1));
        if let Err(error) = claim.record(entries).await.context("cannot record what is to be replayed") {
            claim.abandon().await;
            return Err(error);
        }
        Ok(claim)
    }

    /// Which of the places are ours to produce. The others are withdrawn from.
    ///
    /// # Errors
    /// When ClickHouse does not answer, or does not show what it has acknowledged. Nothing is ours then.
    pub(super) async fn settle(&self) -> anyhow::Result<BTreeSet<Place>> {
        let settled = self.settle_within(SETTLE_MAX).await;
        if settled.is_err() {
            self.abandon().await;
        }
        settled
    }

    async fn settle_within(&self, settle_max: Duration) -> anyhow::Result<BTreeSet<Place>> {
        let deadline = Instant::now() + settle_max;
        let (mut ours, mut open) = (BTreeSet::new(), self.places.clone());
        loop {
            let standing = self.standing().await?;
            let mut theirs = BTreeSet::new();
            for place in &open {
                match verdict(&self.id, standing.get(place).map_or(&[], Vec::as_slice))? {
                    Verdict::Ours => drop(ours.insert(place.clone())),
                    Verdict::Theirs => drop(theirs.insert(place.clone())),
                    Verdict::Wait if Instant::now() >= deadline => drop(theirs.insert(place.clone())),
                    Verdict::Wait => {}
                }
            }
            // At once: somebody may be waiting for it.
            self.withdraw(&theirs).await?;
            open.retain(|place| !ours.contains(place) && !theirs.contains(place));
            if open.is_empty() {
                return Ok(ours);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Gives up the right to `places`, none of which was or will be produced by this claim.
    pub(super) async fn withdraw(&self, places: &BTreeSet<Place>) -> anyhow::Result<()> {
        let entries = places.iter().map(|place| (place, WITHDRAWN, -1));
        self.record(entries).await.context("cannot record what is not replayed after all")
    }

    /// Records where each replay stands.
    pub(super) async fn confirm(&self, produced: &BTreeMap<Place, i64>) -> anyhow::Result<()> {
        let entries = produced.iter().map(|(place, offset)| (place, PRODUCED, *offset));
        self.record(entries).await.context("cannot record what was replayed")
    }

    /// Withdraws from everything after a failure, which is the more important of two.
    async fn abandon(&self) {
        if let Err(error) = self.withdraw(&self.places).await {
            tracing::warn!(
                error = format!("{error:#}"),
                letters = self.places.len(),
                "claims could not be withdrawn, these dead letters will be listed as unconfirmed"
            );
        }
    }

    async fn record(&self, entries: impl Iterator<Item = (&Place, i8, i64)>) -> anyhow::Result<()> {
        let mut entries = entries.peekable();
        if entries.peek().is_none() {
            return Ok(());
        }
        let record = async {
            let mut insert = self.client.insert::<Entry<'_>>("dead_letter_replays").await?;
            for (place, state, produced_offset) in entries {
                let Place { topic, partition, offset } = place;
                let (partition, offset) = (*partition, *offset);
                insert.write(&Entry { topic, partition, offset, claim: &self.id, state, produced_offset }).await?;
            }
            insert.end().await
        };
        tokio::time::timeout(ANSWER_MAX, record).await.context("ClickHouse does not answer")?.map_err(Into::into)
    }

    /// The claims that stand to our places, ours among them.
    async fn standing(&self) -> anyhow::Result<BTreeMap<Place, Vec<Standing>>> {
        let sql = "SELECT topic, partition, offset, claim, max(state) = 'produced' AS produced
            FROM dead_letter_replays
            WHERE (topic, partition, offset) IN
                (SELECT topic, partition, offset FROM dead_letter_replays WHERE claim = {claim:String})
            GROUP BY topic, partition, offset, claim
            HAVING max(state) != 'withdrawn'";
        let query = self.client.query(sql).param("claim", &self.id).fetch_all::<Standing>();
        let rows = tokio::time::timeout(ANSWER_MAX, query)
            .await
            .context("ClickHouse does not answer")?
            .context("cannot read who else replays")?;
        let mut standing = BTreeMap::<Place, Vec<Standing>>::new();
        for row in rows {
            let place = Place { topic: row.topic.clone(), partition: row.partition, offset: row.offset };
            standing.entry(place).or_default().push(row);
        }
        Ok(standing)
    }
}

/// What `standing`, all claims to one dead letter, mean for the claim `own`.
///
/// One that sees another standing never produces before that one has withdrawn. Which of two that see each other withdraws
/// is no matter of safety; that exactly one does spares the dead letter a second attempt.
fn verdict(own: &str, standing: &[Standing]) -> anyhow::Result<Verdict> {
    ensure!(
        standing.iter().any(|claim| claim.claim == own),
        "ClickHouse does not show a claim that it has acknowledged; do several replicas answer at its address?"
    );
    let mut others = standing.iter().filter(|claim| claim.claim != own).peekable();
    Ok(if others.peek().is_none() {
        Verdict::Ours
    } else if others.any(|other| other.produced != 0 || other.claim.as_str() < own) {
        Verdict::Theirs
    } else {
        Verdict::Wait
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(claims: &[(&str, u8)]) -> Vec<Standing> {
        let standing = |(claim, produced): &(&str, u8)| Standing {
            topic: "t".to_owned(),
            partition: 0,
            offset: 0,
            claim: (*claim).to_owned(),
            produced: *produced,
        };
        claims.iter().map(standing).collect()
    }

    #[track_caller]
    fn check(claims: &[(&str, u8)], expected: Verdict) {
        assert_eq!(verdict("m", &standing(claims)).unwrap(), expected);
    }

    #[test]
    fn only_one_alone_produces() {
        check(&[("m", 0)], Verdict::Ours);
        check(&[("a", 0), ("m", 0)], Verdict::Theirs);
        check(&[("m", 0), ("z", 0)], Verdict::Wait);
        check(&[("m", 0), ("z", 1)], Verdict::Theirs);
        check(&[("a", 0), ("m", 0), ("z", 0)], Verdict::Theirs);
    }

    #[test]
    fn of_two_that_see_each_other_one_withdraws_and_one_waits() {
        let both = standing(&[("a", 0), ("m", 0)]);
        assert_eq!(verdict("a", &both).unwrap(), Verdict::Wait);
        assert_eq!(verdict("m", &both).unwrap(), Verdict::Theirs);
    }

    #[test]
    fn a_claim_that_is_not_shown_proves_nothing() {
        assert!(verdict("m", &[]).is_err());
        assert!(verdict("m", &standing(&[("z", 0)])).is_err());
    }

    /// Every interleaving of two claims' steps: recorded, then looking until decided, withdrawing or producing.
    #[test]
    fn in_no_order_of_steps_do_two_claims_produce_and_in_none_do_both_give_up() {
        for schedule in 0_u32..1 << 12 {
            let mut table: BTreeMap<&str, bool> = BTreeMap::new();
            let mut produced = Vec::new();
            let mut decided: BTreeMap<&str, Option<Verdict>> = [("a", None), ("m", None)].into();
            // Whoever the schedule has not let finish does so after it.
            let steps = (0..12).map(|step| if schedule >> step & 1 == 0 { "a" } else { "m" });
            for id in steps.chain(["a", "m"].into_iter().cycle().take(12)) {
                if !table.contains_key(id) && decided[id].is_none() {
                    table.insert(id, false);
                    continue;
                }
                match decided[id] {
                    None => {
                        let seen: Vec<_> = table.iter().map(|(id, produced)| (*id, u8::from(*produced))).collect();
                        let verdict = verdict(id, &standing(&seen)).unwrap();
                        if verdict != Verdict::Wait {
                            decided.insert(id, Some(verdict));
                        }
                    }
                    Some(Verdict::Ours) if table[id] => {}
                    Some(Verdict::Ours) => {
                        produced.push(id);
                        table.insert(id, true);
                    }
                    Some(_) => drop(table.remove(id)),
                }
            }
            assert_eq!(produced.len(), 1, "{schedule:b}: {produced:?}");
        }
    }
}
