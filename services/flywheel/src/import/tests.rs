//! The rules of an import, on invented records.

use std::collections::BTreeMap;

use domain::{
    event::Body,
    record::{InputTopic, Record as KafkaRecord, decode},
    time::Timestamp,
};
use flywheel_sdk::{Data, Event, FeatureDefined, Record, RequestStated, Status};

use super::{Options, Plan, Report, plan};

const BOARD: &str = r#"
{"source":"Acme/Board","number":1,"team":"storage","title":"Snapshots","state":"closed","labels":["x"],"opened_at":"2024-03-10","opener":"acct_1","comments":[{"author":"acct_2","date":"2024-03-11"},{"author":"acct_2","date":"2024-03-11"},{"author":"acct_1","date":"2024-03-12"},{"author":null,"date":"2024-03-13"}],"duplicate_of":null,"shipped":true}
{"source":"Acme/Board","number":2,"team":"storage","title":"Snapshots of volumes","state":"closed","labels":[],"opened_at":"2024-04-01","opener":"acct_3","comments":[{"author":"acct_2","date":"2024-04-05"}],"duplicate_of":1,"shipped":null}
{"source":"Acme/Board","number":3,"team":"storage","title":"Encryption","state":"open","labels":[],"opened_at":"2024-04-02","opener":"acct_3","comments":[],"duplicate_of":99,"shipped":null}
{"source":"Acme/Board","number":4,"team":"storage","title":"Quotas","state":"closed","labels":[],"opened_at":null,"opener":null,"comments":[{"author":"acct_4","date":"2024-02-01"}],"duplicate_of":null,"shipped":false}
{"source":"Acme/Board","number":5,"team":null,"title":"Coffee","state":"open","labels":[],"opened_at":"2019-01-01","opener":"acct_5","comments":[],"duplicate_of":null,"shipped":null}
{"source":"Acme/Board","number":6,"team":"lambda","title":"Longer runs","state":"open","labels":[],"opened_at":"2024-01-05","opener":"acct_5","comments":[],"duplicate_of":null,"shipped":null}
{"source":"Acme/Board","number":7,"team":"network","title":"Peering","state":"open","labels":[],"opened_at":"2024-05-05","opener":"acct_1","comments":[],"duplicate_of":1,"shipped":true}
"#;

/// The fixture's earliest event is of 2024-01-05 (the record without a team is refused, so its day is none of the file's events).
const FROM: &str = "2024-01-04T00:00:00Z";

fn options() -> Options {
    let now = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
    Options { teams: [].into(), activity_window_days: None, half_life_days: None, now }
}

fn planned(text: &str, options: &Options) -> Plan {
    plan(text.as_bytes().split(|byte| *byte == b'\n'), options)
}

fn refused(line: &str) -> String {
    let plan = planned(line, &options());
    assert!(plan.events.is_empty(), "{:?}", plan.events);
    let [refused] = plan.report.refused.as_slice() else { panic!("{:?}", plan.report) };
    refused.reason.clone()
}

fn time(event: &Event) -> String {
    let record = Record::of(event).unwrap();
    let time = record.headers.iter().find(|(name, _)| name == "ce_time").unwrap();
    String::from_utf8(time.1.clone()).unwrap()
}

fn requests(plan: &Plan) -> Vec<(String, &RequestStated)> {
    let stated = |event| match event {
        &Event { data: Data::RequestStated(ref data), .. } => Some((time(event), data)),
        _ => None,
    };
    plan.events.iter().filter_map(stated).collect()
}

/// The states of a feature: when, what status, merged into what.
fn states(plan: &Plan, team: &str, feature: &str) -> Vec<(String, Status, Option<String>)> {
    let of = |event| match event {
        &Event { data: Data::FeatureDefined(ref data @ FeatureDefined { .. }), .. }
            if data.team == team && data.feature == feature =>
        {
            Some((time(event), data.status, data.merged_into.clone()))
        }
        _ => None,
    };
    plan.events.iter().filter_map(of).collect()
}

fn at(day: &str) -> String {
    format!("{day}T00:00:00Z")
}

fn ids(plan: &Plan) -> BTreeMap<String, String> {
    let content = |event: &Event| format!("{} {}", time(event), serde_json::to_string(&event.data).unwrap());
    plan.events.iter().map(|event| (event.id.clone().unwrap(), content(event))).collect()
}

#[test]
fn every_record_read_is_imported_left_out_or_refused() {
    let Report { read, imported, left_out, refused, teams, .. } = planned(BOARD, &options()).report;
    assert_eq!((read, imported), (7, 5));
    assert_eq!(left_out, [("lambda".to_owned(), 1)].into());
    assert_eq!(refused.len(), 1);
    assert_eq!(read, imported + left_out.values().sum::<u64>() + refused.len() as u64);
    assert_eq!(teams.values().map(|team| team.records).sum::<u64>(), imported);
}

#[test]
fn the_report_counts_what_the_events_say() {
    insta::assert_json_snapshot!(planned(BOARD, &options()).report);
}

#[test]
fn the_report_reads_well() {
    insta::assert_snapshot!(planned(BOARD, &options()).report.table());
}

#[test]
fn openers_and_commenters_state_requests_on_their_days() {
    let plan = planned(BOARD, &options());
    let stated: Vec<_> = requests(&plan)
        .into_iter()
        .filter(|(_, data)| data.feature == "acme-board-1" && data.team == "storage")
        .map(|(time, data)| (time, data.account.clone(), serde_json::to_value(data.importance).unwrap()))
        .collect();
    let expected = [
        (at("2024-03-10"), "acct_1", "important"),
        (at("2024-03-11"), "acct_2", "nice_to_have"),
        (at("2024-03-11"), "acct_2", "nice_to_have"),
        // The opener's own comment does not lower what the account stated when it opened the request.
        (at("2024-03-12"), "acct_1", "important"),
    ];
    assert_eq!(stated, expected.map(|(time, account, importance)| (time, account.to_owned(), importance.into())));
}

#[test]
fn without_opener_or_date_the_comments_still_count() {
    let plan = planned(BOARD, &options());
    let stated: Vec<_> = requests(&plan).into_iter().filter(|(_, data)| data.feature == "acme-board-4").collect();
    assert_eq!(stated.len(), 1);
    assert_eq!((stated[0].0.as_str(), stated[0].1.account.as_str()), ("2024-02-01T00:00:00Z", "acct_4"));
    assert_eq!(plan.report.without_opening, 1);
}

#[test]
fn a_duplicate_is_merged_from_its_opening_on() {
    let plan = planned(BOARD, &options());
    assert_eq!(
        states(&plan, "storage", "acme-board-2"),
        [
            (FROM.to_owned(), Status::Proposed, None),
            (at("2024-04-01"), Status::Proposed, Some("acme-board-1".to_owned())),
        ]
    );
}

#[test]
fn a_duplicate_of_something_not_in_the_file_defines_its_target() {
    let plan = planned(BOARD, &options());
    assert_eq!(states(&plan, "storage", "acme-board-99"), [(FROM.to_owned(), Status::Proposed, None)]);
    // Merges stay within a team: a target that the file gives to another one is defined here too.
    assert_eq!(states(&plan, "network", "acme-board-1"), [(FROM.to_owned(), Status::Proposed, None)]);
}

#[test]
fn a_shipped_record_is_launched_at_its_last_activity_and_stays_merged() {
    let plan = planned(BOARD, &options());
    assert_eq!(
        states(&plan, "storage", "acme-board-1"),
        [(FROM.to_owned(), Status::Proposed, None), (at("2024-03-12"), Status::Launched, None)]
    );
    assert_eq!(
        states(&plan, "network", "acme-board-7"),
        [
            (FROM.to_owned(), Status::Proposed, None),
            (at("2024-05-05"), Status::Launched, Some("acme-board-1".to_owned())),
        ]
    );
}

#[test]
fn what_is_closed_but_not_shipped_stays_proposed() {
    let plan = planned(BOARD, &options());
    assert_eq!(states(&plan, "storage", "acme-board-4"), [(FROM.to_owned(), Status::Proposed, None)]);
}

#[test]
fn the_catalog_begins_the_day_before_the_earliest_event_whatever_is_selected() {
    for teams in [vec![], vec!["network"]] {
        let options = Options { teams: teams.iter().map(|team| team.parse().unwrap()).collect(), ..options() };
        let plan = planned(BOARD, &options);
        assert_eq!(plan.report.catalog_from, FROM);
        assert_eq!(time(&plan.events[0]), FROM);
    }
}

#[test]
fn the_demonstrations_teams_are_imported_only_when_named() {
    let named = Options { teams: ["lambda".parse().unwrap(), "nobody".parse().unwrap()].into(), ..options() };
    let report = planned(BOARD, &named).report;
    assert_eq!(report.teams.keys().collect::<Vec<_>>(), ["lambda"]);
    assert_eq!(report.teams_not_in_file, ["nobody"]);
    assert_eq!(report.imported, 1);
}

#[test]
fn importing_again_repeats_the_same_events() {
    let (first, second) = (planned(BOARD, &options()), planned(BOARD, &options()));
    assert_eq!(first.events, second.events);
    assert_eq!(ids(&first).len(), first.events.len(), "every id is one event's");
}

#[test]
fn an_id_met_again_in_a_changed_file_says_the_same() {
    let first = ids(&planned(BOARD, &options()));
    let edited = BOARD
        .replace("Snapshots of volumes", "Volume snapshots")
        .replace(r#""opener":null"#, r#""opener":"acct_4""#)
        .replace(r#""duplicate_of":99,"shipped":null"#, r#""duplicate_of":1,"shipped":true"#);
    for options in [options(), Options { half_life_days: Some(1095.0), ..options() }] {
        let second = ids(&planned(&edited, &options));
        let met_again: Vec<_> =
            second.iter().filter_map(|(id, content)| first.get(id).map(|before| (before, content))).collect();
        assert!(met_again.len() > 10);
        for (before, now) in met_again {
            assert_eq!(before, now);
        }
    }
}

#[test]
fn parameters_travel_with_the_teams_and_the_longer_window_has_the_greater_id() {
    let long = Options { activity_window_days: Some(3650.0), half_life_days: Some(1095.0), ..options() };
    let plan = planned(BOARD, &long);
    let Data::TeamDefined(team) = &plan.events[0].data else { panic!("{:?}", plan.events[0]) };
    let parameters = team.parameters.unwrap();
    assert_eq!((parameters.activity_window_days, parameters.half_life_days), (Some(3650.0), Some(1095.0)));
    assert!(plan.events[0].id > planned(BOARD, &options()).events[0].id);
}

#[test]
fn every_event_is_one_that_ingest_takes() {
    for event in planned(BOARD, &options()).events {
        let record = Record::of(&event).unwrap();
        let headers: Vec<_> =
            record.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice()))).collect();
        let topic = match event.data {
            Data::RequestStated(_) => InputTopic::Requests,
            _ => InputTopic::Catalog,
        };
        let key = Some(record.key.as_bytes());
        let timestamp = options().now;
        let payload = record.payload.as_deref();
        let decoded = decode(&KafkaRecord { topic, key, headers: &headers, payload, timestamp }).unwrap();
        assert_eq!(decoded.id, event.id.unwrap());
        assert_ne!(matches!(decoded.body, Body::RequestStated { .. }), topic == InputTopic::Catalog);
    }
}

#[test]
fn a_malformed_line_is_refused_with_its_number_and_the_rest_goes_on() {
    let plan = planned(&format!("not json\n\n{BOARD}{{\"source\":\"a/b\"}}\n"), &options());
    assert_eq!(plan.report.read, 9);
    assert_eq!(plan.report.imported, 5);
    let lines: Vec<u64> = plan.report.refused.iter().map(|refused| refused.line).collect();
    assert_eq!(lines, [1, 8, 11]);
}

#[test]
fn what_is_wrong_with_a_line_is_said() {
    let record = |change: &str, to: &str| {
        r#"{"source":"a/b","number":1,"team":"t","title":"T","state":"open","opened_at":"2024-01-01","opener":"x","comments":[{"author":"y","date":"2024-01-02"}]}"#
            .replace(change, to)
    };
    for (change, to, reason) in [
        (r#""t""#, r#""Team T""#, "`team` is not a team id"),
        (r#""x""#, r#""No Account""#, "`opener` is not an account id"),
        (r#""y""#, r#""""#, "`comments[0].author` is not an account id"),
        ("2024-01-01", "2024-02-30", "`opened_at` is not a day"),
        ("2024-01-01", "2024-1-1", "`opened_at` is not a day"),
        ("2024-01-02", "9999-01-01", "`comments[0].date` is in the future"),
        ("2024-01-02", "1900-01-01", "`comments[0].date` is before"),
        (r#""open""#, r#""maybe""#, "unknown variant"),
        (r#""a/b""#, r#""""#, "`source` is empty"),
        (r#""T""#, r#""T\tU""#, "`title` holds control characters"),
        (r#""a/b""#, r#""/""#, "gives no feature id"),
        (r#""number":1"#, r#""number":-1"#, "invalid value"),
        (r#""state""#, r#""duplicate_of":1,"state""#, "names the record itself"),
        (r#""a/b","#, r#""a/b"#, "not a record"),
    ] {
        let line = record(change, to);
        assert!(refused(&line).contains(reason), "{line}: {}", refused(&line));
    }
    assert!(refused(&format!("\"{}\"", "x".repeat(2 * 1024 * 1024))).contains("longer than 1048576 bytes"));
}

#[test]
fn a_record_or_a_feature_id_that_stands_already_is_refused() {
    let line = |source: &str| {
        format!(
            "{{\"source\":\"{source}\",\"number\":1,\"team\":\"t\",\"opened_at\":\"2024-01-01\",\"opener\":\"x\"}}\n"
        )
    };
    let plan = planned(&[line("a-b/c"), line("a-b/c"), line("a/b-c")].concat(), &options());
    let reasons: Vec<&str> = plan.report.refused.iter().map(|refused| refused.reason.as_str()).collect();
    assert_eq!(reasons, ["a-b/c#1 stands in line 1 already", "its feature id a-b-c-1 is that of a-b/c#1 in line 1"]);
}
