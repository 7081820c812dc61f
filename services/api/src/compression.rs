//! Answers in fewer bytes, for those who ask for that.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, header::ACCEPT_ENCODING},
    middleware::Next,
    response::Response,
};
use tower::{Layer as _, ServiceExt as _};
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer,
        predicate::{And, NotForContentType, Predicate, SizeAbove},
    },
};

/// What is shorter fits into one packet anyway.
const BYTES_MIN: u64 = 1024;

/// The answer of `next`, in fewer bytes if the request says that it takes that. Who names no coding gets it as it is, past the layer,
/// which would cost as much as looking for the answer.
pub(crate) async fn answer(request: Request, next: Next) -> Response {
    if !request.headers().contains_key(ACCEPT_ENCODING) {
        return next.run(request).await;
    }
    // On the heap: what takes no coding would else carry room for it along.
    let Ok(response) = Box::pin(layer().layer(next).oneshot(plain_too(request))).await;
    response.map(Body::new)
}

/// Compresses with zstd or gzip, at the level that costs the least: a ranking shrinks to a tenth at any. Never an event stream,
/// whose events must not wait in a compressor. An answer that names its encoding itself is left as it is.
fn layer() -> CompressionLayer<And<SizeAbove, NotForContentType>> {
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(BYTES_MIN).and(NotForContentType::SSE))
}

/// Passes over a refusal of plain answers (`identity;q=0`, `*;q=0`): a short answer and an error are always plain, and the layer
/// would turn them into a 406 without saying why. RFC 9110 (§12.1) allows to disregard what cannot be met.
fn plain_too(mut request: Request) -> Request {
    let refusing = |value: &HeaderValue| value.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'i' | b'I'));
    if request.headers().get_all(ACCEPT_ENCODING).iter().any(refusing) {
        let named: Vec<String> = request
            .headers()
            .get_all(ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|coding| !matches!(coding.split(';').next().map(str::trim), Some("*")) && !plain(coding))
            .map(str::to_owned)
            .collect();
        request.headers_mut().remove(ACCEPT_ENCODING);
        if let Ok(named) = HeaderValue::from_str(&named.join(", ")) {
            request.headers_mut().insert(ACCEPT_ENCODING, named);
        }
    }
    request
}

fn plain(coding: &str) -> bool {
    coding.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("identity"))
}
