//! The forms of every answer that is a list, as the OpenAPI document describes them, with real examples.

use serde_json::Value;
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, Object, ObjectBuilder, OpenApi, RefOr, Response, ResponseBuilder,
    path::Operation,
    schema::{ArrayBuilder, Schema, SchemaType, Type},
};

use super::{
    format::Format,
    table::{self, Tabular},
};
use crate::{example, routes::teams};

/// Describes the forms of each list, where the document has its JSON alone.
pub(crate) fn complete(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        let Some(operation) = &mut item.get else { continue };
        match operation.operation_id.as_deref() {
            Some("listTeams") => {
                if let Some(teams) = teams::example_teams() {
                    describe(operation, &teams);
                }
            }
            Some("getRanking" | "getSnapshot") => describe(operation, &example::ranking()),
            Some("getDiff") => describe(operation, &example::diff()),
            Some("getFeature") => describe(operation, &example::evidence()),
            Some("getHistory") => describe(operation, &example::history()),
            Some("getOutcome") => describe(operation, &example::outcome()),
            Some("getPortfolio") => describe(operation, &example::portfolio()),
            _ => {}
        }
    }
}

fn describe<T: Tabular>(operation: &mut Operation, example: &T) {
    let responses = &mut operation.responses.responses;
    let unchanged = ResponseBuilder::new().description("The answer is the one that `If-None-Match` names");
    responses.insert("304".to_owned(), with_headers(unchanged.build()).into());
    let Some(RefOr::T(answer)) = responses.remove("200") else { return };
    let mut answer = with_headers(answer);
    let next = "The next page, as `rel=\"next\"` (RFC 8288); absent on the last one and where there are no pages";
    answer.headers.insert("link".to_owned(), text_header(next));
    let encoded = |format| table::encode(example, format).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    for format in [Format::Csv, Format::Ndjson] {
        let content = ContentBuilder::new().schema(Some(text())).example(encoded(format).map(Value::String));
        answer.content.insert(format.media_type().to_owned(), content.build().into());
    }
    let rows = ContentBuilder::new()
        .schema(Some(ArrayBuilder::new().items(row(T::COLUMNS)).build()))
        .example(encoded(Format::Rows).and_then(|rows| serde_json::from_str(&rows).ok()));
    answer.content.insert(Format::Rows.media_type().to_owned(), rows.build().into());
    responses.insert("200".to_owned(), answer.into());
}

fn with_headers(mut response: Response) -> Response {
    let etag = "Changes when the answer does, how far its data reach apart: send it as `If-None-Match`";
    response.headers.insert("etag".to_owned(), text_header(etag));
    response
}

fn text_header(description: &str) -> RefOr<utoipa::openapi::Header> {
    HeaderBuilder::new().schema(Some(text())).description(Some(description)).build().into()
}

fn text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).build().into()
}

/// A flat object that has every column.
fn row(columns: &[&str]) -> Object {
    let plain = SchemaType::Array(vec![Type::String, Type::Number, Type::Boolean, Type::Null]);
    let object = columns.iter().fold(ObjectBuilder::new(), |object, column| {
        object.property(*column, ObjectBuilder::new().schema_type(plain.clone())).required(*column)
    });
    object.build()
}
