//! How an answer goes out: in which form, whether the reader has it already, and where the next page is.

mod columns;
mod described;
pub(crate) mod format;
pub(crate) mod table;

use axum::{
    body::{Body, Bytes},
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::Error;
pub(crate) use described::complete;
use format::Format;
use table::Tabular;

/// Answers may be kept by the reader, who asks each time whether they still stand.
const REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// What never changes may be kept for a year without asking.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// The media types that a list is answered in.
pub(crate) const TYPES: &str =
    "application/json, text/csv, application/x-ndjson and application/vnd.flywheel.rows+json";

/// What an answer depends on beside the path and the query.
const VARY: HeaderValue = HeaderValue::from_static("accept, accept-encoding, authorization");

/// So many headers have an answer, about.
const HEADERS_EXPECTED: usize = 12;

/// What a request says of the answer it wants.
#[derive(Debug)]
pub(crate) struct Reply {
    format: Format,
    if_none_match: Vec<HeaderValue>,
    uri: Uri,
}

/// An answer that stands: the same bytes for everybody who asks the same.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) etag: HeaderValue,
    /// Where the next page starts.
    pub(crate) next: Option<String>,
}

/// For how long an answer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// For now.
    Asking,
    /// For ever.
    Always,
}

impl<S: Send + Sync> FromRequestParts<S> for Reply {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let format = match named(&parts.uri) {
            // The query is refused for it, together with whatever else is wrong there.
            Some(Err(_)) => Format::Json,
            Some(Ok(format)) => format,
            None => Format::accepted(&parts.headers).ok_or(Error::NotAcceptable { types: TYPES })?,
        };
        let if_none_match = parts.headers.get_all(header::IF_NONE_MATCH).iter().cloned().collect();
        Ok(Self { format, if_none_match, uri: parts.uri.clone() })
    }
}

/// What the query says of the form; the last word, as a browser's links cannot say `Accept`.
fn named(uri: &Uri) -> Option<Result<Format, String>> {
    let query = uri.query()?;
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "format").map(|(_, value)| Format::named(&value))
}

impl Reply {
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// An answer that is there already.
    pub(crate) fn with(&self, answer: Answer, keep: Keep) -> Response {
        let cache = if keep == Keep::Always { IMMUTABLE } else { REVALIDATE };
        let unchanged = self.has(&answer.etag);
        // With room for what is put in later too: a map that grows is made anew.
        let mut headers = HeaderMap::with_capacity(HEADERS_EXPECTED);
        headers.insert(header::ETAG, answer.etag);
        headers.insert(header::CACHE_CONTROL, cache);
        headers.insert(header::VARY, VARY);
        let mut response = if unchanged {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            headers.insert(header::CONTENT_TYPE, self.format.content_type());
            if let Some(link) = answer.next.and_then(|next| self.link(&next)) {
                headers.insert(header::LINK, link);
            }
            Response::new(Body::from(answer.body))
        };
        *response.headers_mut() = headers;
        response
    }

    /// A document that was made for this question, in the form that is wanted; `next` is where its next page starts.
    pub(crate) fn document<T: Serialize + Tabular>(
        &self,
        document: &T,
        next: Option<String>,
    ) -> Result<Response, Error> {
        let json = serde_json::to_vec(document).map_err(Error::internal)?;
        let etag = etag(&[fingerprint(&json).as_str(), self.format.name()]);
        let body = if self.format == Format::Json {
            json
        } else {
            table::encode(document, self.format).map_err(Error::internal)?
        };
        Ok(self.with(Answer { body: body.into(), etag, next }, Keep::Asking))
    }

    /// Whether `If-None-Match` names the tag; tags are compared weakly.
    fn has(&self, etag: &HeaderValue) -> bool {
        let opaque = |tag: &'_ str| -> usize { if tag.starts_with("W/") { 2 } else { 0 } };
        let Ok(etag) = etag.to_str() else { return false };
        let etag = &etag[opaque(etag)..];
        let mut named =
            self.if_none_match.iter().filter_map(|tags| tags.to_str().ok()).flat_map(|tags| tags.split(','));
        named.any(|tag| {
            let tag = tag.trim();
            tag == "*" || &tag[opaque(tag)..] == etag
        })
    }

    /// The same question, of the next page (RFC 8288).
    fn link(&self, next: &str) -> Option<HeaderValue> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes()) {
            if name != "cursor" {
                query.append_pair(&name, &value);
            }
        }
        let query = query.append_pair("cursor", next).finish();
        HeaderValue::try_from(format!("<{}?{query}>; rel=\"next\"", self.uri.path())).ok()
    }
}

/// The entity tag of these parts, each of letters, digits, and `.`, `_`, `:` and `-`. It is weak: it says nothing of `data_through`.
pub(crate) fn etag(parts: &[&str]) -> HeaderValue {
    HeaderValue::try_from(format!("W/\"{}\"", parts.join("."))).unwrap_or(HeaderValue::from_static("W/\"\""))
}

/// What tells a JSON document from others, apart from how far its data reach.
fn fingerprint(json: &[u8]) -> String {
    // In a text a quotation mark has a backslash before it, so this is found as a name alone.
    const NAME: &[u8] = b"\"data_through\":\"";
    let mut hash = Sha256::new();
    let mut rest = json;
    while let Some(at) = rest.windows(NAME.len()).position(|window| window == NAME) {
        let (before, from) = rest.split_at(at + NAME.len());
        hash.update(before);
        let end = from.iter().position(|byte| *byte == b'"').unwrap_or(from.len());
        rest = &from[end..];
    }
    hash.update(rest);
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// A document that was made for this asker alone, and that nobody may keep: `envelope` says so.
pub(crate) fn unkept<T: Serialize>(document: &T) -> Result<Response, Error> {
    let json = serde_json::to_vec(document).map_err(Error::internal)?;
    Ok(([(header::VARY, VARY), (header::CONTENT_TYPE, Format::Json.content_type())], json).into_response())
}

/// Whether the request takes server-sent events, the one form that a stream has.
pub(crate) fn check_stream(headers: &HeaderMap) -> Result<(), Error> {
    if format::accepts(headers, "text/event-stream") {
        Ok(())
    } else {
        Err(Error::NotAcceptable { types: "text/event-stream" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_the_data_reach_is_no_other_answer_and_everything_else_is() {
        let of = |json: &str| fingerprint(json.as_bytes());
        let first = of(r#"{"from":{"data_through":"a","x":1},"data_through":"b","y":2}"#);
        assert_eq!(first, of(r#"{"from":{"data_through":"c","x":1},"data_through":"d","y":2}"#));
        assert_ne!(first, of(r#"{"from":{"data_through":"a","x":1},"data_through":"b","y":3}"#));
        assert_ne!(first, of(r#"{"from":{"data_through":"a","x":3},"data_through":"b","y":2}"#));
        let told = |text: &str| of(&serde_json::json!({ "title": format!("\"data_through\":\"{text}\"") }).to_string());
        assert_ne!(told("a"), told("b"));
    }

    #[test]
    fn tags_are_found_in_lists_however_weak_they_are() {
        let etag = etag(&["s1", "0-3", "json"]);
        let reply = |named: &'static [&'static str]| Reply {
            format: Format::Json,
            if_none_match: named.iter().map(|tags| HeaderValue::from_static(tags)).collect(),
            uri: Uri::from_static("/"),
        };
        for named in
            [&["W/\"s1.0-3.json\""][..], &["\"s1.0-3.json\""], &["*"], &["\"a\", W/\"s1.0-3.json\""], &["\"a\"", "*"]]
        {
            assert!(reply(named).has(&etag), "{named:?}");
        }
        for named in [&[][..], &["W/\"s1.0-3.csv\""], &["s1.0-3.json"], &["\"*\""], &[""]] {
            assert!(!reply(named).has(&etag), "{named:?}");
        }
    }

    #[test]
    fn the_next_page_is_the_same_question_with_another_cursor() {
        let reply = Reply {
            format: Format::Csv,
            if_none_match: Vec::new(),
            uri: Uri::from_static("/v1/teams/t/rankings?limit=2&cursor=old&segment=a%20%26%20b&format=csv"),
        };
        let link = reply.link("new").unwrap();
        assert_eq!(link, "</v1/teams/t/rankings?limit=2&segment=a+%26+b&format=csv&cursor=new>; rel=\"next\"");
    }
}
