//! What the page shows of the OpenAPI document, in the order in which it shows it.

use serde_json::{Map, Value};

/// The operations of one tag.
pub(super) struct Group<'a> {
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) operations: Vec<Operation<'a>>,
}

/// What can be asked.
pub(super) struct Operation<'a> {
    pub(super) id: &'a str,
    pub(super) method: String,
    pub(super) path: &'a str,
    pub(super) summary: &'a str,
    pub(super) description: Vec<Span<'a>>,
    pub(super) parameters: Vec<Parameter<'a>>,
    pub(super) answers: Vec<Answer<'a>>,
}

/// What can be said with it.
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    pub(super) place: &'a str,
    pub(super) required: bool,
    pub(super) takes: String,
    pub(super) description: Vec<Span<'a>>,
}

/// What may come back.
pub(super) struct Answer<'a> {
    pub(super) status: &'a str,
    pub(super) description: Vec<Span<'a>>,
    pub(super) headers: Vec<Header<'a>>,
    pub(super) contents: Vec<Content<'a>>,
}

/// A header of an answer.
pub(super) struct Header<'a> {
    pub(super) name: &'a str,
    pub(super) description: Vec<Span<'a>>,
}

/// One form of an answer.
pub(super) struct Content<'a> {
    pub(super) media_type: &'a str,
    pub(super) kind: Vec<Piece<'a>>,
    pub(super) examples: Vec<String>,
}

/// A named type.
pub(super) struct Schema<'a> {
    pub(super) name: &'a str,
    pub(super) description: Vec<Span<'a>>,
    pub(super) values: Vec<&'a str>,
    pub(super) fields: Vec<Field<'a>>,
}

/// A member of it.
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Vec<Piece<'a>>,
    pub(super) description: Vec<Span<'a>>,
}

/// A piece of running text.
pub(super) struct Span<'a> {
    pub(super) code: bool,
    pub(super) text: &'a str,
}

/// A piece of a type's description: the name of a schema, or words.
pub(super) struct Piece<'a> {
    pub(super) schema: Option<&'a str>,
    pub(super) text: &'a str,
}

pub(super) fn groups(document: &Value) -> Vec<Group<'_>> {
    let of = |tag: &str| {
        let paths = members(&document["paths"]);
        let operations = paths.flat_map(|(path, methods)| members(methods).map(move |(method, of)| (path, method, of)));
        let tagged = operations.filter(|(_, _, operation)| elements(&operation["tags"]).any(|named| named == tag));
        tagged.map(|(path, method, operation)| self::operation(document, path, method, operation)).collect()
    };
    elements(&document["tags"])
        .map(|tag| {
            let name = text(&tag["name"]);
            Group { name, description: text(&tag["description"]), operations: of(name) }
        })
        .collect()
}

pub(super) fn schemas(document: &Value) -> Vec<Schema<'_>> {
    members(&document["components"]["schemas"])
        .map(|(name, schema)| Schema {
            name,
            description: spans(&schema["description"]),
            values: elements(&schema["enum"]).map(text).collect(),
            fields: members(&schema["properties"])
                .map(|(name, field)| Field { name, kind: kind(field), description: description(field) })
                .collect(),
        })
        .collect()
}

fn operation<'a>(document: &'a Value, path: &'a str, method: &str, operation: &'a Value) -> Operation<'a> {
    Operation {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path,
        summary: text(&operation["summary"]),
        description: spans(&operation["description"]),
        parameters: elements(&operation["parameters"]).map(parameter).collect(),
        answers: members(&operation["responses"])
            .map(|(status, answer)| self::answer(document, status, answer))
            .collect(),
    }
}

fn parameter(parameter: &Value) -> Parameter<'_> {
    Parameter {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        required: parameter["required"] == true,
        takes: takes(parameter),
        description: spans(&parameter["description"]),
    }
}

/// What a parameter takes, in words.
fn takes(parameter: &Value) -> String {
    let schema = &parameter["schema"];
    let kind: String = kind(schema).iter().map(|piece| piece.schema.unwrap_or(piece.text)).collect();
    let values: Vec<&str> = elements(&schema["enum"]).map(text).collect();
    let bounds = [
        ("minimum", "from"),
        ("exclusiveMinimum", "above"),
        ("maximum", "to"),
        ("pattern", "like"),
        ("maxLength", "characters at most"),
        ("default", "if absent"),
    ];
    let mut words = vec![kind];
    if !values.is_empty() {
        words.push(values.join(", "));
    }
    words.extend(bounds.iter().filter_map(|(name, word)| Some(format!("{word} {}", plain(schema.get(*name)?)))));
    if let Some(example) = parameter.get("example") {
        words.push(format!("such as {}", plain(example)));
    }
    words.join(", ")
}

fn answer<'a>(document: &'a Value, status: &'a str, answer: &'a Value) -> Answer<'a> {
    Answer {
        status,
        description: spans(&answer["description"]),
        headers: members(&answer["headers"])
            .map(|(name, header)| Header { name, description: spans(&referred(document, header)["description"]) })
            .collect(),
        contents: members(&answer["content"])
            .map(|(media_type, content)| Content {
                media_type,
                kind: kind(&content["schema"]),
                examples: content.get("example").into_iter().chain(examples(content)).map(example).collect(),
            })
            .collect(),
    }
}

/// What a reference into the document refers to; anything else is itself.
fn referred<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

fn examples(content: &Value) -> impl Iterator<Item = &Value> {
    members(&content["examples"]).map(|(_, example)| &example["value"])
}

fn example(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => serde_json::to_string_pretty(value).unwrap_or_default(),
    }
}

/// A schema's type in words, with the names of others in it.
fn kind(schema: &Value) -> Vec<Piece<'_>> {
    let words = |text| Piece { schema: None, text };
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return vec![Piece { schema: Some(name), text: name }];
    }
    if let Some(several) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let mut pieces = Vec::new();
        for (number, one) in several.iter().enumerate() {
            pieces.extend((number > 0).then(|| words(" or ")));
            pieces.extend(kind(one));
        }
        return pieces;
    }
    let mut pieces = Vec::new();
    let kinds = schema["type"].as_array().map_or_else(|| vec![&schema["type"]], |kinds| kinds.iter().collect());
    for (number, name) in kinds.into_iter().enumerate() {
        pieces.extend((number > 0).then(|| words(" or ")));
        pieces.push(words(name.as_str().unwrap_or("anything")));
    }
    if let Some(items) = schema.get("items") {
        pieces.push(words(" of "));
        pieces.extend(kind(items));
    }
    if let Some(format) = schema["format"].as_str().filter(|format| *format == "date-time") {
        pieces.extend([words(", "), words(format)]);
    }
    pieces
}

/// A field that is another schema or `null` has its description beside the reference.
fn description(field: &Value) -> Vec<Span<'_>> {
    let inner = elements(&field["oneOf"]).find(|one| one["description"].is_string());
    spans(field.get("description").or_else(|| inner?.get("description")).unwrap_or(&Value::Null))
}

/// Running text; what stands between two backticks is code.
fn spans(value: &Value) -> Vec<Span<'_>> {
    let pieces = text(value).split('`').enumerate().map(|(number, text)| Span { code: number % 2 == 1, text });
    pieces.filter(|span| !span.text.is_empty()).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
