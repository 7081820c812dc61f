//! What every answer has around it: the request's id, headers that keep browsers careful, and, when it is an error, a body.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use uuid::Uuid;

use crate::problem::Problem;

/// Carries the request's id, ours or the client's, there and back.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A client's id of more bytes is replaced by ours.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// The request's id.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) HeaderValue);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Gives the request an id, and the answer its headers and, if it is an error, its body.
pub(crate) async fn wrap<F: Future<Output = Response>>(
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let id = request_id(request.headers());
    request.extensions_mut().insert(id.clone());
    let uri = request.uri().clone();
    let mut response = next(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = with_problem(
            response,
            Problem { instance: Some(uri.path().to_owned()), request_id: Some(id.as_str().to_owned()), ..problem },
        );
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.0);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // A handler whose answer is a page says what that may do.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    // A handler that knows that its answer may be kept says so.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn with_problem(response: Response, problem: Problem) -> Response {
    // Texts and numbers: they always encode. An error without its body is still the error.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    Response::from_parts(parts, Body::from(body))
}

fn request_id(headers: &HeaderMap) -> RequestId {
    let usable = |id: &&HeaderValue| {
        (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    if let Some(id) = headers.get(REQUEST_ID).filter(usable) {
        return RequestId(id.clone());
    }
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let id = Uuid::now_v7().hyphenated().encode_lower(&mut text);
    RequestId(HeaderValue::from_str(id).unwrap_or(HeaderValue::from_static("-")))
}
