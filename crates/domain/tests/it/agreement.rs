//! The reader and the schema take the same data: every member of every event, set to every value on or beside some
//! bound, is judged alike by both.

use domain::{
    event::Event,
    record::{InputTopic, Reason, Record, Reject, decode},
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::support::{RECEIVED, event_folders, examples, schema};

#[test]
fn the_schema_and_the_reader_judge_data_alike() {
    let minimal: Vec<(String, Value)> = examples("valid")
        .into_iter()
        .filter_map(|(name, example)| {
            let folder = name.strip_suffix("/minimal")?;
            Some((folder.to_owned(), example.record.data().expect("data")))
        })
        .collect();
    assert_eq!(minimal.len(), event_folders().len(), "a type has no minimal example");

    let (mut taken, mut refused) = (0, 0);
    for (folder, valid) in &minimal {
        let schema = schema(folder);
        for data in bent(valid) {
            let found = read(folder, &data);
            // What a schema cannot say.
            let weight_sum = |reject: &Reject| reject.reason == Reason::InvalidValue && reject.pointer == "/parameters";
            if found.as_ref().is_err_and(weight_sum) {
                continue;
            }
            assert_eq!(found.is_ok(), schema.is_valid(&data), "{folder}: {data} -> {found:?}");
            *if found.is_ok() { &mut taken } else { &mut refused } += 1;
        }
    }
    assert!(taken > 1_000 && refused > 1_000, "{taken} taken, {refused} refused");
}

/// The data with one member removed, or set to a tricky value.
fn bent(valid: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for name in MEMBERS {
        let mut without = valid.clone();
        without.as_object_mut().expect("an object").remove(name);
        all.push(without);
        for value in tricky() {
            let mut with = valid.clone();
            with[name] = value;
            all.push(with);
        }
    }
    for name in PARAMETERS {
        for value in tricky() {
            // Weights that add up for each value within bounds, so that only the bounds decide.
            let other = value.as_f64().map_or(0.4, |weight| 1.0 - weight).clamp(0.0, 1.0);
            let mut with = valid.clone();
            with["parameters"] = match name {
                "demand_weight" => json!({"need_weight": other}),
                "need_weight" => json!({"demand_weight": other}),
                _ => json!({}),
            };
            with["parameters"][name] = value;
            all.push(with);
        }
    }
    all
}

/// Values that are on, or beside, some bound.
fn tricky() -> Vec<Value> {
    let text = |c: char, count: usize| json!(c.to_string().repeat(count));
    let lengths = [0, 1, 63, 64, 65, 127, 128, 129, 511, 512, 513];
    let mut values: Vec<Value> = lengths.iter().flat_map(|&count| [text('a', count), text('é', count)]).collect();
    for text in [
        "(none)", "a\0b", "a\nb", "a\u{1f}", "a\u{7f}", "a\u{80}", "-a", "A", "a.b_c-9", "ok", "critical", "launched",
        "one_way", "growth", "a\n",
    ] {
        values.push(json!(text));
    }
    values.extend([json!(null), json!(true), json!([]), json!({}), json!(["a", "a"]), json!([null]), json!([1])]);
    values.push(json!((0..64).map(|at| format!("s{at}")).collect::<Vec<_>>()));
    values.push(json!((0..65).map(|at| format!("s{at}")).collect::<Vec<_>>()));
    values.extend([json!(["(none)"]), json!(["s".repeat(64)]), json!(["s".repeat(65)]), json!([""])]);
    for number in [
        0.0,
        -0.0,
        1.0,
        0.5,
        1.5,
        -1.0,
        0.4,
        0.6,
        1e-300,
        36_500.0,
        36_500.1,
        10_000.0,
        10_000.5,
        1e12,
        1e12 + 1.0,
        1e14,
        1e14 + 1.0,
        1e300,
    ] {
        values.push(json!(number));
    }
    for number in [0_u64, 1, 36_500, 36_501, 10_000, 10_001, 1_000_000_000_000, 1_000_000_000_001, u64::MAX] {
        values.push(json!(number));
    }
    values.push(json!(i64::MIN));
    values
}

/// Members that exist in some event, and one that does not.
const MEMBERS: [&str; 23] = [
    "team",
    "feature",
    "account",
    "importance",
    "channel",
    "text",
    "requester",
    "ref",
    "operation",
    "count",
    "duration_us",
    "outcome",
    "signal",
    "name",
    "title",
    "segments",
    "parameters",
    "status",
    "merged_into",
    "effort_months",
    "door",
    "tier",
    "unheard_of",
];

const PARAMETERS: [&str; 6] =
    ["activity_window_days", "half_life_days", "need_window_days", "need_min_count", "demand_weight", "need_weight"];

/// What the reader makes of the data.
fn read(folder: &str, data: &Value) -> Result<Event, Reject> {
    let event_type = format!("{folder}.v1");
    let payload = serde_json::to_vec(data).expect("JSON is written");
    let topic = match folder {
        "io.flywheel.request.stated" | "io.flywheel.request.withdrawn" => InputTopic::Requests,
        "io.flywheel.usage.observed" | "io.flywheel.need.signaled" => InputTopic::Usage,
        _ => InputTopic::Catalog,
    };
    decode(&Record {
        topic,
        key: None,
        headers: &[
            ("ce_specversion", Some(b"1.0")),
            ("ce_type", Some(event_type.as_bytes())),
            ("ce_id", Some(b"1")),
            ("ce_source", Some(b"//test")),
            ("ce_time", Some(RECEIVED.as_bytes())),
        ],
        payload: Some(&payload),
        timestamp: Timestamp::parse_rfc3339(RECEIVED).expect("a time"),
    })
    .map(Event::into_owned)
}
