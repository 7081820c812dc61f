//! Which dead letters are meant.

use clap::{Args as ClapArgs, builder::PossibleValuesParser};
use clickhouse::query::Query;
use domain::{record::Reason, time::Timestamp};

use super::place::Place;

/// Filters; a dead letter is meant when it passes each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, ClapArgs)]
#[group(skip)]
pub struct Filter {
    /// Only those with this reason; may be given several times.
    #[arg(long = "reason", value_name = "REASON", value_parser = PossibleValuesParser::new(Reason::ALL.map(Reason::code)))]
    pub reasons: Vec<String>,
    /// Only those that claim to be events of this type, such as `io.flywheel.usage.observed.v1`; may be given several times.
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Only those of this team; may be given several times. The table does not know it: it is read from the payload, where ClickHouse can read that as JSON, from the member `team` or from `team` in the member `data`.
    #[arg(long = "team", value_name = "TEAM")]
    pub teams: Vec<String>,
    /// Only those that Kafka received at this time or later (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<Timestamp>,
    /// Only those that Kafka received before this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<Timestamp>,
}

/// Dead letters by filter, or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    Filter(Filter),
    Places(Vec<Place>),
}

/// The payload's own word on its type and team; both are empty where it is no JSON.
const TYPE: &str = "has({types:Array(String)}, if(type = '', JSONExtractString(ifNull(payload, ''), 'type'), type))";
const TEAM: &str = "(has({teams:Array(String)}, JSONExtractString(ifNull(payload, ''), 'team'))
    OR has({teams:Array(String)}, JSONExtractString(ifNull(payload, ''), 'data', 'team')))";

impl Selection {
    /// The condition, in terms of the columns of `dead_letters` and of the parameters that [`Selection::bind`] gives.
    pub(super) fn condition(&self) -> String {
        let mut conditions = Vec::new();
        match self {
            Self::Filter(filter) => {
                if !filter.reasons.is_empty() {
                    conditions.push("has({reasons:Array(String)}, reason)");
                }
                if !filter.types.is_empty() {
                    conditions.push(TYPE);
                }
                if !filter.teams.is_empty() {
                    conditions.push(TEAM);
                }
                if filter.since.is_some() {
                    conditions.push("received_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')");
                }
                if filter.until.is_some() {
                    conditions.push("received_at < fromUnixTimestamp64Micro({until:Int64}, 'UTC')");
                }
            }
            Self::Places(_) => conditions.push(
                "(topic, partition, offset) IN (SELECT arrayJoin(arrayZip(
                    {topics:Array(String)}, {partitions:Array(Int32)}, {offsets:Array(Int64)})))",
            ),
        }
        if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") }
    }

    /// Gives `query` the parameters that the condition names.
    pub(super) fn bind(&self, mut query: Query) -> Query {
        match self {
            Self::Filter(filter) => {
                for (name, values) in [("reasons", &filter.reasons), ("types", &filter.types), ("teams", &filter.teams)]
                {
                    if !values.is_empty() {
                        query = query.param(name, values);
                    }
                }
                for (name, time) in [("since", filter.since), ("until", filter.until)] {
                    if let Some(time) = time {
                        query = query.param(name, time.0);
                    }
                }
                query
            }
            Self::Places(places) => query
                .param("topics", places.iter().map(|place| place.topic.as_str()).collect::<Vec<_>>())
                .param("partitions", places.iter().map(|place| place.partition).collect::<Vec<_>>())
                .param("offsets", places.iter().map(|place| place.offset).collect::<Vec<_>>()),
        }
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).map_err(|error| format!("{error}; expected a time such as 2026-01-31T12:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Filter {
        Filter {
            reasons: vec!["not_json".to_owned()],
            types: vec!["it's".to_owned()],
            teams: vec!["') OR 1 --".to_owned()],
            since: Some(Timestamp(1)),
            until: Some(Timestamp(2)),
        }
    }

    /// The parameters that a text of SQL names.
    fn named(sql: &str) -> Vec<&str> {
        let mut names: Vec<_> = sql.split('{').skip(1).filter_map(|rest| rest.split(':').next()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    #[test]
    fn without_a_filter_everything_is_meant() {
        assert_eq!(Selection::Filter(Filter::default()).condition(), "true");
    }

    #[test]
    fn every_filter_adds_its_condition() {
        let condition = Selection::Filter(full()).condition();
        assert_eq!(named(&condition), ["reasons", "since", "teams", "types", "until"]);
        let only = Filter { teams: full().teams, ..Filter::default() };
        assert_eq!(named(&Selection::Filter(only).condition()), ["teams"]);
    }

    #[test]
    fn what_is_asked_for_is_bound_and_never_part_of_the_text() {
        let places = vec!["a.topic/7/42".parse().unwrap()];
        for selection in [Selection::Filter(full()), Selection::Places(places)] {
            let condition = selection.condition();
            for value in ["not_json", "it's", "OR 1", "a.topic", "42"] {
                assert!(!condition.contains(value), "{condition}");
            }
        }
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time("1970-01-01T00:00:01+00:00"), Ok(Timestamp(1_000_000)));
        assert!(time("yesterday").is_err_and(|error| error.contains("2026-01-31T12:00:00Z")));
    }
}
