//! Whether whoever relies on a released document can go on as before.
//!
//! Our own and small: the tool that most use for this, oasdiff, is written in Go, which nothing else here needs and Debian has
//! too old; and a document without request bodies needs few of its rules. What may change is what [docs/api.md] promises:
//! fields and paths may be added, everything else stays.

use serde_json::{Map, Value};

use super::schema::{Direction, Documents};

/// What is broken, one sentence each; nothing where all is well.
pub(super) fn breaks(released: &Value, now: &Value) -> Vec<String> {
    let documents = Documents { released, now };
    let mut found = Vec::new();
    for (path, operations) in members(&released["paths"]) {
        for (method, operation) in members(operations) {
            let name = format!("{} {path}", method.to_uppercase());
            match now["paths"][path].get(method) {
                Some(current) => of_operation(documents, &name, operation, current, &mut found),
                None => found.push(format!("{name}: is gone")),
            }
        }
    }
    found
}

fn of_operation(documents: Documents, name: &str, released: &Value, now: &Value, found: &mut Vec<String>) {
    if released["operationId"] != now["operationId"] {
        found.push(format!("{name}: operationId was {} and is {}", released["operationId"], now["operationId"]));
    }
    if is_open(documents.released, released) && !is_open(documents.now, now) {
        found.push(format!("{name}: needs credentials now"));
    }
    if now["requestBody"]["required"] == true && released["requestBody"]["required"] != true {
        found.push(format!("{name}: needs a body now"));
    }
    of_parameters(documents, name, released, now, found);
    of_answers(documents, name, released, now, found);
}

/// Whether the operation answers without credentials.
fn is_open(document: &Value, operation: &Value) -> bool {
    let schemes = operation.get("security").or_else(|| document.get("security")).and_then(Value::as_array);
    schemes.is_none_or(|schemes| schemes.is_empty() || schemes.iter().any(|scheme| members(scheme).next().is_none()))
}

fn of_parameters(documents: Documents, name: &str, released: &Value, now: &Value, found: &mut Vec<String>) {
    for parameter in elements(&released["parameters"]) {
        let name = format!("{name}: parameter {}", text(&parameter["name"]));
        let Some(current) = same_parameter(now, parameter) else {
            found.push(format!("{name} is gone"));
            continue;
        };
        if current["required"] == true && parameter["required"] != true {
            found.push(format!("{name} is required now"));
        }
        let (before, after) = (&parameter["schema"]["default"], &current["schema"]["default"]);
        if before != after {
            found.push(format!("{name}: default was {before} and is {after}"));
        }
        documents.compare(&name, Direction::Sent, &parameter["schema"], &current["schema"], found);
    }
    for parameter in elements(&now["parameters"]) {
        if parameter["required"] == true && same_parameter(released, parameter).is_none() {
            found.push(format!("{name}: parameter {} is new and required", text(&parameter["name"])));
        }
    }
}

fn same_parameter<'a>(operation: &'a Value, parameter: &Value) -> Option<&'a Value> {
    elements(&operation["parameters"])
        .find(|other| other["name"] == parameter["name"] && other["in"] == parameter["in"])
}

fn of_answers(documents: Documents, name: &str, released: &Value, now: &Value, found: &mut Vec<String>) {
    for (status, answer) in members(&released["responses"]) {
        let name = format!("{name}: {status}");
        let Some(current) = now["responses"].get(status) else {
            // An error that no longer happens harms nobody.
            if is_success(status) {
                found.push(format!("{name} is gone"));
            }
            continue;
        };
        for (header, _) in members(&answer["headers"]) {
            // Names of headers have no case.
            if !members(&current["headers"]).any(|(other, _)| other.eq_ignore_ascii_case(header)) {
                found.push(format!("{name}: header {header} is gone"));
            }
        }
        for (media_type, content) in members(&answer["content"]) {
            match current["content"].get(media_type) {
                Some(content_now) => {
                    documents.compare(&name, Direction::Read, &content["schema"], &content_now["schema"], found);
                }
                None => found.push(format!("{name}: {media_type} is gone")),
            }
        }
    }
    for (status, _) in members(&now["responses"]) {
        // A 304 is for those who ask for one.
        if is_success(status) && status != "304" && released["responses"].get(status).is_none() {
            found.push(format!("{name}: {status} is new, and no error"));
        }
    }
}

fn is_success(status: &str) -> bool {
    status.starts_with(['2', '3'])
}

pub(super) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

pub(super) fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
