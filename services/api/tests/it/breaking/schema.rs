//! Whether one schema can stand in for another. What clients send must still be taken: there a schema may grow wider. What they
//! read must be what they know: there it may grow narrower, and objects may have more members.

use std::collections::BTreeSet;

use serde_json::Value;

use super::compare::{elements, members, text};

/// Who reads what the schema describes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Direction {
    /// We do.
    Sent,
    /// Our clients do.
    Read,
}

/// The two documents, in which references are looked up.
#[derive(Clone, Copy)]
pub(super) struct Documents<'a> {
    pub(super) released: &'a Value,
    pub(super) now: &'a Value,
}

/// Bounds, and whether a larger one is the wider.
const BOUNDS: [(&str, bool); 8] = [
    ("maximum", true),
    ("exclusiveMaximum", true),
    ("maxLength", true),
    ("maxItems", true),
    ("minimum", false),
    ("exclusiveMinimum", false),
    ("minLength", false),
    ("minItems", false),
];

impl<'a> Documents<'a> {
    /// Adds to `found` what is broken in the schema at `place`.
    pub(super) fn compare(
        self,
        place: &str,
        direction: Direction,
        released: &'a Value,
        now: &'a Value,
        found: &mut Vec<String>,
    ) {
        let mut open = BTreeSet::new();
        self.descend(place, direction, released, now, &mut open, found);
    }

    /// `open` holds the pairs of references that we are inside of: a schema may refer to itself.
    fn descend(
        self,
        place: &str,
        direction: Direction,
        released: &'a Value,
        now: &'a Value,
        open: &mut BTreeSet<(&'a str, &'a str)>,
        found: &mut Vec<String>,
    ) {
        let pair = (text(&released["$ref"]), text(&now["$ref"]));
        if pair != ("", "") && !open.insert(pair) {
            return;
        }
        let (before, after) = (alternatives(self.released, released), alternatives(self.now, now));
        for (kind, schema) in &before {
            match after.iter().find(|(other, _)| takes(other, kind)) {
                Some((_, current)) => self.same_kind(place, direction, schema, current, open, found),
                None if direction == Direction::Sent => found.push(format!("{place}: may no longer be {kind}")),
                None => {}
            }
        }
        if direction == Direction::Read {
            let new = after.iter().filter(|(kind, _)| !before.iter().any(|(other, _)| takes(other, kind)));
            found.extend(new.map(|(kind, _)| format!("{place}: may now be {kind}")));
        }
        open.remove(&pair);
    }

    fn same_kind(
        self,
        place: &str,
        direction: Direction,
        released: &'a Value,
        now: &'a Value,
        open: &mut BTreeSet<(&'a str, &'a str)>,
        found: &mut Vec<String>,
    ) {
        let (narrow, wide) = if direction == Direction::Sent { (released, now) } else { (now, released) };
        within(place, narrow, wide, found);
        for (name, property) in members(&released["properties"]) {
            let place = format!("{place}.{name}");
            match now["properties"].get(name) {
                Some(current) => self.descend(&place, direction, property, current, open, found),
                None => found.push(format!("{place}: is gone")),
            }
        }
        let required = |schema: &'a Value| elements(&schema["required"]).map(text).collect::<BTreeSet<_>>();
        for name in required(wide).difference(&required(narrow)) {
            found.push(match direction {
                Direction::Sent => format!("{place}.{name}: is required now"),
                Direction::Read => format!("{place}.{name}: may be absent now"),
            });
        }
        for (member, name) in [("items", "[]"), ("additionalProperties", ".*")] {
            if let (Some(before), Some(after)) = (released.get(member), now.get(member)) {
                self.descend(&format!("{place}{name}"), direction, before, after, open, found);
            }
        }
    }
}

/// Adds to `found` where `wide` does not take all that `narrow` does.
fn within(place: &str, narrow: &Value, wide: &Value, found: &mut Vec<String>) {
    if let Some(values) = wide.get("enum") {
        let known: Vec<&Value> = elements(values).collect();
        match narrow.get("enum") {
            Some(values) => {
                let unknown = elements(values).filter(|value| !known.contains(value));
                found.extend(unknown.map(|value| format!("{place}: {value} is one of the values on one side only")));
            }
            None => found.push(format!("{place}: only one side has a list of values")),
        }
    }
    for (bound, larger_is_wider) in BOUNDS {
        let Some(wide) = wide[bound].as_f64() else { continue };
        match narrow[bound].as_f64() {
            Some(narrow) if (larger_is_wider && narrow <= wide) || (!larger_is_wider && narrow >= wide) => {}
            Some(narrow) => found.push(format!("{place}: {bound} is {wide} on one side and {narrow} on the other")),
            None => found.push(format!("{place}: only one side has a {bound}")),
        }
    }
    for exact in ["pattern", "format", "const", "multipleOf"] {
        if wide.get(exact).is_some() && wide.get(exact) != narrow.get(exact) {
            found.push(format!("{place}: {exact} is {} on one side and {} on the other", wide[exact], narrow[exact]));
        }
    }
}

/// Every type that the schema allows, each with the schema that says more of it. `any` where it names none.
fn alternatives<'a>(document: &'a Value, schema: &'a Value) -> Vec<(&'a str, &'a Value)> {
    if let Some(pointer) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        return alternatives(document, document.pointer(pointer).unwrap_or(&Value::Null));
    }
    if let Some(several) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        return several.iter().flat_map(|schema| alternatives(document, schema)).collect();
    }
    match &schema["type"] {
        Value::String(kind) => vec![(kind.as_str(), schema)],
        Value::Array(kinds) => kinds.iter().map(|kind| (text(kind), schema)).collect(),
        _ => vec![("any", schema)],
    }
}

fn takes(wide: &str, narrow: &str) -> bool {
    wide == narrow || wide == "any" || (wide, narrow) == ("number", "integer")
}
