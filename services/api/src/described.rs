//! What all answers have in common, as the OpenAPI document describes it: headers that no handler sets.

use utoipa::openapi::{Header, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Type};

/// Describes the headers of every answer in the document, each where it is sent.
pub(crate) fn headers(mut document: OpenApi) -> OpenApi {
    for path in document.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete, &mut path.patch];
        for operation in operations.into_iter().flatten() {
            for (status, answer) in &mut operation.responses.responses {
                let RefOr::T(answer) = answer else { continue };
                for name in sent_with(status) {
                    let described = Ref::new(format!("#/components/headers/{name}"));
                    answer.headers.entry((*name).to_owned()).or_insert(RefOr::Ref(described));
                }
            }
        }
    }
    let components = document.components.get_or_insert_default();
    components.headers.extend(all().map(|(name, header)| (name.to_owned(), header.into())));
    document
}

fn sent_with(status: &str) -> &'static [&'static str] {
    match status {
        "304" => &["etag", "x-request-id"],
        "401" => &["www-authenticate", "x-request-id"],
        "429" | "503" => &["retry-after", "x-request-id"],
        _ => &["x-request-id"],
    }
}

fn all() -> [(&'static str, Header); 4] {
    let text = |description| header(Type::String, description);
    [
        ("etag", text("The tag of the answer that the reader has, which still stands")),
        ("retry-after", header(Type::Integer, "Come back after so many seconds")),
        ("www-authenticate", text("How to show a key")),
        (
            "x-request-id",
            text("The request's id, which the log carries too: the client's own, if it sent one, or ours"),
        ),
    ]
}

fn header(kind: Type, description: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(kind).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}
