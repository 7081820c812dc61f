//! From a computed ranking to the document that is published, and to the columns that dashboards draw.

use domain::{assumptions::Assumptions, ids::TeamId, ranking::Ranking, time::Timestamp};
use sha2::{Digest as _, Sha256};
use wire::Scope;

/// The document of `now`. `before` is the ranking of seven days earlier, for the change of rank.
///
/// The snapshot's id is the instant and the beginning of a hash of the content: it sorts by time, and the same content
/// has the same id.
///
/// # Errors
/// When the document cannot be serialized.
pub(crate) fn document(
    team: &TeamId,
    as_of: Timestamp,
    data_through: Timestamp,
    now: &Ranking,
    before: &Ranking,
) -> serde_json::Result<wire::ranking::Ranking> {
    let scope = Scope { team, segment: None, as_of, data_through };
    let assumptions = Assumptions::of(now.parameters.clone());
    let mut document = wire::ranking::Ranking::computed(&scope, &assumptions, now, before);
    document.snapshot = Some(snapshot(as_of, &serde_json::to_vec(&document)?));
    Ok(document)
}

/// Such as `20261121T184500Z-1f2e3d4c5b6a`.
fn snapshot(as_of: Timestamp, content: &[u8]) -> String {
    let instant: String = as_of.to_rfc3339().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let hash: String = Sha256::digest(content).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{instant}-{hash}")
}

#[cfg(test)]
mod tests {
    use domain::{
        catalog::{Catalog, Door, FeatureDefinition, FeatureState, Parameters, Status},
        ids::FeatureId,
        ranking::rank_tallies,
        tally::{Tallies, Tally},
    };
    use serde_json::json;

    use super::*;

    /// Of 100 accounts, two features that cannot be told apart and one that nobody wants.
    fn ranking() -> Ranking {
        let feature = |id: &str| FeatureId::parse(id).unwrap();
        let tally = |asked, needed| Tally { asked, needed, measured: true, ..Tally::default() };
        let definition = FeatureDefinition {
            team: TeamId::parse("t").unwrap(),
            feature: feature("a"),
            title: "A".into(),
            status: Status::Planned,
            merged_into: None,
            effort_months: None,
            door: Some(Door::OneWay),
        };
        let tallies = Tallies {
            accounts: 100,
            used: 100,
            weight: 100.0,
            squares: 100.0,
            features: [
                (feature("a"), tally(40.0, 10.0)),
                (feature("b"), tally(10.0, 40.0)),
                (feature("c"), tally(0.0, 0.0)),
            ]
            .into(),
            ..Tallies::default()
        };
        let catalog =
            Catalog { team: None, features: [(feature("a"), FeatureState { definition, launched_at: None })].into() };
        rank_tallies(&tallies, &catalog, &Parameters::default())
    }

    #[test]
    fn a_document_says_how_sure_it_is() {
        let now = ranking();
        let team = TeamId::parse("t").unwrap();
        let document = document(&team, Timestamp(0), Timestamp(0), &now, &now).unwrap();
        let document = serde_json::to_value(&document).unwrap();
        let of = |name: &str| -> Vec<&serde_json::Value> {
            document["items"].as_array().unwrap().iter().map(|item| &item[name]).collect()
        };
        for (name, expected) in [
            ("feature", json!(["a", "b", "c"])),
            ("rank_low", json!([1, 1, 3])),
            ("rank_high", json!([2, 2, 3])),
            ("tie_group", json!([1, 1, 2])),
            ("surely_above_next", json!([false, true, null])),
            ("door", json!(["one_way", null, null])),
            ("door_decision", json!(["undecided", null, null])),
            ("reading", json!(["asked_not_needed", "needed_not_asked", "quiet"])),
        ] {
            assert_eq!(json!(of(name)), expected, "{name}");
        }
        let mut sensitivity = document["sensitivity"].clone();
        let low = sensitivity["demand_weight_low"].take().as_f64().unwrap();
        // The two have each other's shares.
        assert!((low - 0.5).abs() < 1e-12, "{low}");
        let expected = json!({"first": "a", "demand_weight_low": null, "first_below": "b",
            "demand_weight_high": 1.0, "first_above": null});
        assert_eq!(sensitivity, expected);
    }
}
