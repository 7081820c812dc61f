//! A record that an emitter got wrong.

use wire::dead_letters::{DeadLetter, DeadLetters, Encoding, Payload, Replay};

/// A page of dead letters.
pub(crate) fn dead_letters() -> DeadLetters {
    let text = r#"{"team":"dynamodb","feature":"secondary-indexes","account":"acct-17","operation":"scan","count":0}"#;
    DeadLetters {
        items: vec![DeadLetter {
            place: "flywheel.usage.v1/3/42".into(),
            topic: "flywheel.usage.v1".into(),
            partition: 3,
            offset: 42,
            received_at: "2026-11-21T17:58:03.117Z".into(),
            reason: "invalid_value".into(),
            pointer: "/count".into(),
            detail: "must be at least 1".into(),
            r#type: Some("io.flywheel.usage.observed.v1".into()),
            bytes: Some(text.len() as u64),
            payload: Some(Payload { encoding: Encoding::Utf8, text: text.into(), cut: false }),
            replay: Some(Replay { claimed_at: "2026-11-21T19:00:00Z".into(), confirmed: true, offset: Some(8_817) }),
        }],
        next_cursor: None,
    }
}
