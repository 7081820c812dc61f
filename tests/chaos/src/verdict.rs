//! What a partition's log demands: for each record the row, dead letter or repeat that must be there. The rules are those of
//! the contract, kept as plainly as possible: a map of every pair ever seen.

use std::{borrow::Cow, collections::HashMap};

use anyhow::{Context as _, bail};
use domain::time::Timestamp;
use serde_json::Value;
use wire::topics::USAGE;

use crate::{
    event::MARK,
    log::{Logged, Place},
    rows::{Account, Bytes, DeadLetter, Feature, Need, Repeat, Request, RequestText, Team, Usage},
};

/// Usage and need signals repeat an event that was received at most so long before.
const USAGE_REPEATS_MS_MAX: i64 = 24 * 3_600_000;

/// The rows that one partition's log demands, each table's in the order of offsets.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "one field for each table")]
pub struct Demanded {
    pub requests: Vec<Request>,
    pub request_texts: Vec<RequestText>,
    pub usage: Vec<Usage>,
    pub needs: Vec<Need>,
    pub teams: Vec<Team>,
    pub features: Vec<Feature>,
    pub accounts: Vec<Account>,
    pub dead_letters: Vec<DeadLetter>,
    pub repeats: Vec<Repeat>,
}

/// The number that a record was produced under.
///
/// # Errors
/// When it has no mark: it is none of ours.
pub fn number(record: &Logged) -> anyhow::Result<u64> {
    Ok(mark(record)?.0)
}

/// What the whole log of a partition demands.
///
/// # Errors
/// When a record is none of ours.
pub fn of((topic, _): Place, log: &[Logged]) -> anyhow::Result<Demanded> {
    let mut demanded = Demanded::default();
    // When each pair was last received in a valid record. The latest is the one that a later record can repeat for longest.
    let mut received: HashMap<(String, String), i64> = HashMap::new();
    for record in log {
        let (_, meant) = mark(record)?;
        if meant != "valid" {
            demanded.dead_letters.push(dead_letter(record, meant));
            continue;
        }
        let event = Event::read(record).with_context(|| format!("{topic} at {}", record.offset))?;
        let pair = (event.source.clone(), event.id.clone());
        let earlier = received.get(&pair).copied();
        // The latest counts, whatever order timestamps come in.
        received.insert(pair, earlier.map_or(record.received_ms, |earlier: i64| earlier.max(record.received_ms)));
        let repeats = match earlier {
            None => false,
            Some(earlier) if topic == USAGE => record.received_ms - earlier <= USAGE_REPEATS_MS_MAX,
            Some(_) => true,
        };
        if repeats {
            let Event { source, id, .. } = event;
            let (offset, received_at) = (record.offset, record.received_ms);
            demanded.repeats.push(Repeat { offset, received_at, source, id });
        } else {
            demanded.push(record, event)?;
        }
    }
    Ok(demanded)
}

/// The record's number and what it was meant to be.
fn mark(record: &Logged) -> anyhow::Result<(u64, &str)> {
    let value = record.headers.iter().find(|(name, _)| name == MARK).and_then(|(_, value)| value.as_deref());
    let text = std::str::from_utf8(value.context("a record without our mark")?)?;
    let (number, meant) = text.split_once(' ').context("a mark without a meaning")?;
    Ok((number.parse()?, meant))
}

/// A valid event, read the long way.
struct Event {
    source: String,
    id: String,
    kind: String,
    time: i64,
    data: Value,
}

impl Event {
    fn read(record: &Logged) -> anyhow::Result<Self> {
        let header = |name: &str| {
            let found = record.headers.iter().find(|(known, _)| known == name);
            found.and_then(|(_, value)| value.as_deref()).map(String::from_utf8_lossy)
        };
        let value: Value = serde_json::from_slice(record.payload.as_deref().context("no value")?)?;
        let structured = header("content-type").is_some_and(|kind| kind.starts_with("application/cloudevents"));
        let attribute = |name: &str| -> anyhow::Result<String> {
            let found =
                if structured { value[name].as_str().map(Cow::Borrowed) } else { header(&format!("ce_{name}")) };
            found.map(Cow::into_owned).with_context(|| format!("no {name}"))
        };
        Ok(Self {
            source: attribute("source")?,
            id: attribute("id")?,
            kind: attribute("type")?,
            time: Timestamp::parse_rfc3339(&attribute("time")?)?.0,
            data: if structured { value["data"].clone() } else { value },
        })
    }

    /// A string of the data; empty where it is left out, as it is stored.
    fn text(&self, name: &str) -> String {
        self.data[name].as_str().unwrap_or_default().to_owned()
    }

    fn count(&self) -> u64 {
        self.data["count"].as_u64().unwrap_or_default()
    }

    fn segments(&self) -> Vec<String> {
        let segments = self.data["segments"].as_array().into_iter().flatten();
        segments.filter_map(|segment| segment.as_str().map(str::to_owned)).collect()
    }

    /// A choice among names, stored as its place among them; 0 where it is left out.
    fn choice(&self, name: &str, names: &[&str]) -> i8 {
        let at = names.iter().position(|known| self.data[name] == **known);
        at.map_or(0, |at| at as i8 + 1)
    }
}

impl Demanded {
    fn push(&mut self, record: &Logged, event: Event) -> anyhow::Result<()> {
        let (offset, received_at, time) = (record.offset, record.received_ms, event.time);
        let (team, feature, account) = (event.text("team"), event.text("feature"), event.text("account"));
        let (source, id) = (event.source.clone(), event.id.clone());
        match event.kind.as_str() {
            "io.flywheel.request.stated.v1" | "io.flywheel.request.withdrawn.v1" => {
                if event.data.get("text").or(event.data.get("requester")).is_some() {
                    self.request_texts.push(RequestText {
                        offset,
                        received_at,
                        source: source.clone(),
                        id: id.clone(),
                        time,
                        team: team.clone(),
                        feature: feature.clone(),
                        account: account.clone(),
                        text: event.text("text"),
                        requester: event.text("requester"),
                    });
                }
                let importance = event.choice("importance", &["nice_to_have", "important", "critical"]);
                let (channel, reference) = (event.text("channel"), event.text("ref"));
                self.requests.push(Request {
                    offset,
                    received_at,
                    source,
                    id,
                    time,
                    team,
                    feature,
                    account,
                    importance,
                    channel,
                    reference,
                });
            }
            "io.flywheel.usage.observed.v1" => self.usage.push(Usage {
                offset,
                received_at,
                source,
                id,
                time,
                team,
                feature,
                account,
                operation: event.text("operation"),
                count: event.count(),
                duration_us: event.data["duration_us"].as_u64(),
                outcome: event.choice("outcome", &["ok", "error", "denied"]),
            }),
            "io.flywheel.need.signaled.v1" => {
                let (signal, count) = (event.text("signal"), event.count());
                self.needs.push(Need { offset, received_at, source, id, time, team, feature, account, signal, count });
            }
            "io.flywheel.team.defined.v1" => {
                let parameter = |name: &str, default| event.data["parameters"][name].as_f64().unwrap_or(default);
                self.teams.push(Team {
                    offset,
                    received_at,
                    source,
                    id,
                    time,
                    team,
                    name: event.text("name"),
                    segments: event.segments(),
                    activity_window_days: parameter("activity_window_days", 90.0),
                    half_life_days: parameter("half_life_days", 90.0),
                    need_window_days: parameter("need_window_days", 30.0),
                    need_min_count: event.data["parameters"]["need_min_count"].as_u64().unwrap_or(1),
                    demand_weight: parameter("demand_weight", 0.6),
                    need_weight: parameter("need_weight", 0.4),
                });
            }
            "io.flywheel.feature.defined.v1" => self.features.push(Feature {
                offset,
                received_at,
                source,
                id,
                time,
                team,
                feature,
                title: event.text("title"),
                status: event.choice("status", &["proposed", "planned", "building", "launched", "retired"]),
                merged_into: event.text("merged_into"),
                effort_months: event.data["effort_months"].as_f64(),
                door: event.choice("door", &["one_way", "two_way"]),
            }),
            "io.flywheel.account.defined.v1" => {
                let tier = event.choice("tier", &["standard", "growth", "enterprise"]);
                let segments = event.segments();
                self.accounts.push(Account { offset, received_at, source, id, time, account, tier, segments });
            }
            other => bail!("a valid record of type {other}"),
        }
        Ok(())
    }
}

fn dead_letter(record: &Logged, reason: &str) -> DeadLetter {
    let bytes = |bytes: &Vec<u8>| Bytes::from(bytes.as_slice());
    let headers = record.headers.iter();
    DeadLetter {
        offset: record.offset,
        received_at: record.received_ms,
        reason: reason.to_owned(),
        key: record.key.as_ref().map(bytes),
        headers: headers.map(|(name, value)| (Bytes::from(name.as_bytes()), value.as_ref().map(bytes))).collect(),
        payload: record.payload.as_ref().map(bytes),
    }
}

#[cfg(test)]
mod tests {
    use wire::topics::REQUESTS;

    use super::*;

    /// A valid record of the pair (`s`, `id`), received after so many hours.
    fn record(offset: i64, hours: i64, kind: &str, id: &str, meant: &str) -> Logged {
        let header = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
        Logged {
            offset,
            received_ms: hours * 3_600_000,
            key: None,
            headers: vec![
                header("ce_id", id),
                header("ce_source", "s"),
                header("ce_type", kind),
                header("ce_time", "2026-01-15T09:30:00Z"),
                header(MARK, &format!("{offset} {meant}")),
            ],
            payload: Some(br#"{"team":"t","feature":"f","account":"a","count":1}"#.to_vec()),
        }
    }

    fn offsets<T: crate::rows::Placed>(rows: &[T]) -> Vec<i64> {
        rows.iter().map(T::offset).collect()
    }

    #[test]
    fn usage_repeats_for_24_hours_and_a_repeat_prolongs_it() {
        let usage = "io.flywheel.usage.observed.v1";
        let log: Vec<Logged> = [0, 24, 48, 73, 74]
            .map(|hours| (hours, "a"))
            .into_iter()
            .chain([(74, "b")])
            .zip(0..)
            .map(|((hours, id), offset)| record(offset, hours, usage, id, "valid"))
            .collect();
        let demanded = of((USAGE, 0), &log).unwrap();
        assert_eq!(offsets(&demanded.usage), [0, 3, 5]);
        assert_eq!(offsets(&demanded.repeats), [1, 2, 4]);
    }

    #[test]
    fn a_request_repeats_for_ever_and_what_is_malformed_never_counts() {
        let stated = "io.flywheel.request.stated.v1";
        let log = [
            record(0, 0, stated, "a", "missing_field"),
            record(1, 1, stated, "a", "valid"),
            record(2, 9_000, "io.flywheel.request.withdrawn.v1", "a", "valid"),
        ];
        let demanded = of((REQUESTS, 0), &log).unwrap();
        assert_eq!(offsets(&demanded.dead_letters), [0]);
        assert_eq!(offsets(&demanded.requests), [1]);
        assert_eq!(offsets(&demanded.repeats), [2]);
    }
}
