//! What was released goes on working: `schemas/openapi.json` against the document of the last release.

mod compare;
mod planted;
mod schema;

use std::{fs, path::Path};

use compare::breaks;
use serde_json::Value;

#[test]
fn nothing_that_was_released_is_broken() {
    let broken = breaks(&document("openapi.released.json"), &served());
    assert!(
        broken.is_empty(),
        "who relies on the last release would find these broken (CONTRIBUTING.md says what to do):\n{}",
        broken.join("\n")
    );
}

fn served() -> Value {
    serde_json::from_slice(&api::router::openapi()).unwrap()
}

fn document(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}
