//! What the rows of each document are.

use serde::Serialize;
use serde_json::{Value, json};
use wire::{
    diff::Diff, evidence::Evidence, history::History, outcome::Outcome, portfolio::Portfolio, ranking::Ranking,
};

use super::table::Tabular;

type Rows = Result<Vec<Value>, serde_json::Error>;

/// An entry as a row, with what all entries share.
fn row(entry: &impl Serialize, shared: Value) -> Result<Value, serde_json::Error> {
    let mut row = serde_json::to_value(entry)?;
    if let (Value::Object(row), Value::Object(shared)) = (&mut row, shared) {
        row.extend(shared);
    }
    Ok(row)
}

/// A row for each feature; `list` is the one that it is in.
impl Tabular for Ranking {
    const COLUMNS: &'static [&'static str] = &[
        "team",
        "segment",
        "as_of",
        "data_through",
        "snapshot",
        "confidence",
        "list",
        "rank",
        "rank_low",
        "rank_high",
        "tie_group",
        "surely_above_next",
        "feature",
        "title",
        "status",
        "door",
        "door_decision",
        "effort_months",
        "score_per_effort",
        "score",
        "contributions_demand",
        "contributions_need",
        "demand_share",
        "demand_low",
        "demand_high",
        "demand_accounts",
        "demand_requests",
        "demand_outside_lapsed",
        "demand_outside_never_used",
        "need_share",
        "need_low",
        "need_high",
        "need_accounts",
        "need_measured",
        "reading",
        "top_account_share",
        "rank_change_7d",
    ];

    fn rows(&self) -> Rows {
        let items = self.items.iter().map(|item| ("items", item));
        let all = items.chain(self.iterate.iter().map(|item| ("iterate", item)));
        all.map(|(list, item)| {
            let shared = json!({
                "team": self.team, "segment": self.segment, "as_of": self.as_of, "data_through": self.data_through,
                "snapshot": self.snapshot, "confidence": self.confidence, "list": list,
            });
            row(item, shared)
        })
        .collect()
    }
}

/// A row for each feature.
impl Tabular for Diff {
    const COLUMNS: &'static [&'static str] = &[
        "team",
        "segment",
        "from",
        "to",
        "feature",
        "title",
        "rank_from",
        "rank_to",
        "score_from",
        "score_to",
        "change",
        "parts_parameters",
        "parts_status",
        "parts_merges",
        "parts_population",
        "parts_requests_new",
        "parts_requests_withdrawn",
        "parts_fading",
        "parts_need",
    ];

    fn rows(&self) -> Rows {
        let shared = json!({"team": self.team, "segment": self.segment, "from": self.from.as_of, "to": self.to.as_of});
        self.features.iter().map(|feature| row(feature, shared.clone())).collect()
    }
}

/// A row for each point.
impl Tabular for History {
    const COLUMNS: &'static [&'static str] = &[
        "team",
        "feature",
        "as_of",
        "snapshot",
        "accounts",
        "place_launched",
        "place_rank",
        "place_rank_low",
        "place_rank_high",
        "place_score",
        "place_demand_share",
        "place_demand_low",
        "place_demand_high",
        "place_demand_accounts",
        "place_need_share",
        "place_need_low",
        "place_need_high",
        "place_need_accounts",
        "place_measured",
    ];

    fn rows(&self) -> Rows {
        let shared = json!({"team": self.team, "feature": self.feature});
        self.points.iter().map(|point| row(point, shared.clone())).collect()
    }
}

/// A row for each segment and each tier: `cut` is `segment` or `tier`, `name` which.
impl Tabular for Evidence {
    const COLUMNS: &'static [&'static str] = &[
        "team",
        "feature",
        "as_of",
        "data_through",
        "cut",
        "name",
        "own",
        "numbers_population_accounts",
        "numbers_population_used",
        "numbers_population_weight",
        "numbers_population_effective",
        "numbers_score",
        "numbers_contributions_demand",
        "numbers_contributions_need",
        "numbers_demand_share",
        "numbers_demand_low",
        "numbers_demand_high",
        "numbers_demand_accounts",
        "numbers_demand_requests",
        "numbers_demand_outside_lapsed",
        "numbers_demand_outside_never_used",
        "numbers_need_share",
        "numbers_need_low",
        "numbers_need_high",
        "numbers_need_accounts",
        "numbers_need_measured",
    ];

    fn rows(&self) -> Rows {
        let shared = |cut: &str, name: &str| {
            json!({
                "team": self.team, "feature": self.feature, "as_of": self.as_of, "data_through": self.data_through,
                "cut": cut, "name": name,
            })
        };
        let segments = self.segments.iter().map(|cell| row(cell, shared("segment", &cell.segment)));
        segments.chain(self.tiers.iter().map(|cell| row(cell, shared("tier", &cell.tier)))).collect()
    }
}

/// A row for each team and each of its first features; one without a feature for a team that has none.
impl Tabular for Portfolio {
    const COLUMNS: &'static [&'static str] = &[
        "as_of",
        "data_through",
        "team",
        "name",
        "confidence",
        "listed",
        "rank",
        "rank_low",
        "rank_high",
        "tie_group",
        "feature",
        "title",
        "status",
        "score",
        "asked",
        "needed",
        "reading",
    ];

    fn rows(&self) -> Rows {
        let mut rows = Vec::new();
        for team in &self.teams {
            let shared = json!({
                "as_of": self.as_of, "data_through": self.data_through, "team": team.team, "name": team.name,
                "confidence": team.confidence, "listed": team.listed,
            });
            if team.first.is_empty() {
                rows.push(shared);
            } else {
                for first in &team.first {
                    rows.push(row(first, shared.clone())?);
                }
            }
        }
        Ok(rows)
    }
}

/// A row for each cohort and each time after the launch.
impl Tabular for Outcome {
    const COLUMNS: &'static [&'static str] = &[
        "team",
        "feature",
        "title",
        "launched_at",
        "as_of",
        "data_through",
        "cohort",
        "accounts",
        "days",
        "ends_at",
        "over",
        "used_count",
        "used_of",
        "used_share",
        "used_low",
        "used_high",
    ];

    fn rows(&self) -> Rows {
        let cohorts = [
            ("asked", &self.asked),
            ("needed", &self.needed),
            ("asked_or_needed", &self.asked_or_needed),
            ("asked_or_needed_active", &self.asked_or_needed_active),
            ("neither", &self.neither),
            ("active", &self.active),
        ];
        let each = cohorts
            .iter()
            .flat_map(|cohort| self.horizons.iter().enumerate().map(move |(at, horizon)| (cohort, at, horizon)));
        each.map(|((name, cohort), at, horizon)| {
            let shared = json!({
                "team": self.team, "feature": self.feature, "title": self.title, "launched_at": self.launched_at,
                "as_of": self.as_of, "data_through": self.data_through, "cohort": name, "accounts": cohort.accounts,
                "used": cohort.used.as_ref().and_then(|used| used.get(at)),
            });
            row(horizon, shared)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::example;

    /// The names of all plain values, flat.
    fn names(value: &Value, prefix: &str, all: &mut BTreeSet<String>) {
        for (name, value) in value.as_object().unwrap() {
            match value {
                Value::Object(_) => names(value, &format!("{prefix}{name}_"), all),
                Value::Array(_) => {}
                _ => {
                    all.insert(format!("{prefix}{name}"));
                }
            }
        }
    }

    /// What a document's rows have beside their columns.
    fn left_out<T: Tabular>(document: &T) -> Vec<String> {
        let mut all = BTreeSet::new();
        for row in document.rows().unwrap() {
            names(&row, "", &mut all);
        }
        for column in T::COLUMNS {
            assert!(all.remove(*column), "no row has a {column}");
        }
        // A nested document that is absent.
        all.retain(|name| !T::COLUMNS.iter().any(|column| column.starts_with(&format!("{name}_"))));
        all.into_iter().collect()
    }

    #[test]
    fn every_value_of_a_row_has_a_column_and_every_column_a_value() {
        let none = Vec::<String>::new();
        assert_eq!(left_out(&example::ranking()), none);
        assert_eq!(left_out(&example::diff()), none);
        assert_eq!(left_out(&example::history()), none);
        // Its name under another name.
        assert_eq!(left_out(&example::evidence()), ["segment", "tier"]);
        assert_eq!(left_out(&example::portfolio()), none);
        assert_eq!(left_out(&example::outcome()), none);
    }
}
