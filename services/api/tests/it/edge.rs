//! What is around every answer: encodings, headers that keep browsers careful, and other sites' pages.

use std::io::Read;

use api::ApiConfig;
use flate2::read::GzDecoder;
use reqwest::{Method, Response};

use crate::support::{Api, ranking};

const LONG: &str = "/v1/teams/dynamodb/rankings";

async fn api(config: ApiConfig) -> Api {
    let api = Api::start_with(config).await;
    api.publish(ranking("dynamodb", "s1", "2026-01-01T12:00:00Z", 20, 0));
    api
}

async fn encoded(api: &Api, path: &str, accepted: &str) -> (Option<String>, Response) {
    let response = api.send(Method::GET, path, &[("accept-encoding", accepted)]).await;
    let encoding = response.headers().get("content-encoding").map(|encoding| encoding.to_str().unwrap().to_owned());
    (encoding, response)
}

#[tokio::test]
async fn a_long_answer_is_compressed_for_those_who_ask() {
    let api = api(ApiConfig::default()).await;
    let plain = api.get(LONG).await;
    assert!(!plain.headers().contains_key("content-encoding"));
    let varies = plain.headers().get_all("vary").iter().any(|vary| vary.to_str().unwrap().contains("accept-encoding"));
    assert!(varies);
    let plain = plain.bytes().await.unwrap();

    let (encoding, response) = encoded(&api, LONG, "gzip").await;
    assert_eq!(encoding.as_deref(), Some("gzip"));
    assert!(response.headers()["etag"].to_str().unwrap().starts_with("W/"), "a strong tag would name these very bytes");
    let packed = response.bytes().await.unwrap();
    assert!(packed.len() * 4 < plain.len(), "{} of {} bytes", packed.len(), plain.len());
    let mut unpacked = Vec::new();
    GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);

    assert_eq!(encoded(&api, LONG, "gzip, zstd").await.0.as_deref(), Some("zstd"));
    assert_eq!(encoded(&api, LONG, "gzip;q=1, zstd;q=0.5").await.0.as_deref(), Some("gzip"));
    // Short ones, and those of which nobody knows when they end, are as they are.
    assert_eq!(encoded(&api, "/livez", "gzip").await.0, None);
    let (encoding, stream) = encoded(&api, "/v1/teams/dynamodb/rankings/stream", "gzip").await;
    assert_eq!((encoding, stream.status().as_u16()), (None, 200));
}

#[tokio::test]
async fn nobody_is_refused_for_the_encodings_that_they_refuse() {
    let api = api(ApiConfig::default()).await;
    for accepted in ["identity;q=0", "*;q=0", "br, *;q=0", "", "gzip;q=0", "IDENTITY; q=0.0", "nonsense;;q=x"] {
        let (encoding, response) = encoded(&api, LONG, accepted).await;
        assert_eq!((encoding, response.status().as_u16()), (None, 200), "{accepted}");
    }
    assert_eq!(encoded(&api, LONG, "identity;q=0, gzip").await.0.as_deref(), Some("gzip"));
    let (_, missing) = encoded(&api, "/v1/teams/nobody/rankings", "identity;q=0").await;
    assert_eq!(
        (missing.status().as_u16(), &missing.headers()["content-type"]),
        (404, &"application/problem+json".parse().unwrap())
    );
}

#[tokio::test]
async fn browsers_are_told_to_be_careful_with_every_answer() {
    let api = api(ApiConfig::default()).await;
    for (method, path) in [
        (Method::GET, LONG),
        (Method::GET, "/livez"),
        (Method::GET, "/nowhere"),
        (Method::POST, LONG),
        (Method::OPTIONS, LONG),
        (Method::GET, "/v1/teams?limit=0"),
    ] {
        let response = api.send(method, path, &[("origin", "https://example.org")]).await;
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'", "{path}");
        assert!(headers.contains_key("cache-control") && headers.contains_key("x-request-id"), "{path}");
        assert!(!headers.contains_key("access-control-allow-origin"), "{path}");
        assert!(!headers.contains_key("strict-transport-security"), "{path} did not come over TLS");
        assert!(!headers.contains_key("server"), "{path}");
    }
}

#[tokio::test]
async fn only_pages_of_the_sites_named_may_read() {
    let config = ApiConfig { cors_origins: vec!["https://example.org".parse().unwrap()], ..ApiConfig::default() };
    let api = api(config).await;
    let allowed = async |origin: &str| {
        let response = api.send(Method::GET, LONG, &[("origin", origin)]).await;
        let varies = response.headers().get_all("vary").iter().any(|vary| vary.to_str().unwrap().contains("origin"));
        assert!(varies, "a cache would hand one site's answer to another");
        response.headers().get("access-control-allow-origin").map(|origin| origin.to_str().unwrap().to_owned())
    };
    assert_eq!(allowed("https://example.org").await.as_deref(), Some("https://example.org"));
    for other in ["https://evil.example", "https://example.org.evil.example", "http://example.org", "null"] {
        assert_eq!(allowed(other).await, None, "{other}");
    }
    // A page that sends a key asks first, without one.
    let asked = [
        ("origin", "https://example.org"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = api.send(Method::OPTIONS, LONG, &asked).await;
    assert_eq!(preflight.status(), 200);
    let allowed = preflight.headers()["access-control-allow-headers"].to_str().unwrap().to_owned();
    assert!(allowed.contains("authorization"), "{allowed}");
    assert!(!preflight.headers().contains_key("access-control-allow-credentials"), "cookies are none of our business");
}
