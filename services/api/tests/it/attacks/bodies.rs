//! Bodies: no path reads one.

use std::io::Write as _;

use api::ApiConfig;
use flate2::{Compression, write::GzEncoder};
use reqwest::Method;

use super::wire::{GOOD, Wire, ask, served};

fn with_body(headers: &str) -> String {
    format!("GET /v1/teams/dynamodb/rankings HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
}

/// The answer does not wait for the body, and the connection does not wait for the rest of it.
#[tokio::test]
async fn a_body_that_never_comes_holds_nothing() {
    let api = served(ApiConfig::default()).await;
    for headers in [
        "content-length: 60000\r\n",
        "transfer-encoding: chunked\r\n",
        "content-length: 60000\r\nexpect: 100-continue\r\n",
    ] {
        let mut wire = Wire::open(api.address).await;
        wire.send(with_body(headers)).await;
        assert_eq!(wire.answer().await.unwrap().status, 200, "{headers}");
        wire.ends().await;
    }
}

#[tokio::test]
async fn a_body_without_an_end_is_not_read_to_it() {
    let api = served(ApiConfig::default()).await;
    let mut wire = Wire::open(api.address).await;
    wire.send(with_body("transfer-encoding: chunked\r\n")).await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut chunks = 0;
    while wire.send(&chunk).await {
        chunks += 1;
        assert!(chunks < 10_000, "it takes on and on");
    }
    assert_eq!(ask(&api, GOOD).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_before_it_is_sent() {
    let api = served(ApiConfig::default()).await;
    for length in ["65537", "100000000000", "18446744073709551615"] {
        let refused = ask(&api, with_body(&format!("content-length: {length}\r\n"))).await.unwrap();
        // The last one is more than the server takes for a length.
        assert!([413, 431].contains(&refused.status), "{length}: {refused:?}");
    }
}

/// Deep nesting breaks parsers that call themselves; what is packed breaks those that unpack. Nothing is parsed and nothing
/// unpacked: a body that would be an error for any reader is no error.
#[tokio::test]
async fn nobody_parses_or_unpacks_a_body() {
    let api = served(ApiConfig::default()).await;
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..40 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 64 * 1024, "it must be short enough to be taken");
    let deep = vec![b'['; 60_000];
    for (headers, body) in [
        ("content-type: application/json\r\n", &deep),
        ("content-type: application/json\r\ncontent-encoding: gzip\r\n", &bomb),
        ("content-type: application/json\r\ncontent-encoding: gzip\r\n", &deep),
        ("content-encoding: br, zstd, gzip\r\n", &bomb),
    ] {
        let mut request = with_body(&format!("{headers}content-length: {}\r\n", body.len())).into_bytes();
        request.extend_from_slice(body);
        assert_eq!(ask(&api, &request).await.unwrap().status, 200, "{headers}");
        // As a method that has bodies, it meets the method first.
        let post = [b"POST", &request[3..]].concat();
        assert_eq!(ask(&api, post).await.unwrap().status, 405, "{headers}");
    }
}

/// What unpacks to a thousand times its size is no more of a burden when it is asked for a thousand times.
#[tokio::test]
async fn however_often_an_encoding_is_asked_for_it_is_made_once() {
    let api = served(ApiConfig::default()).await;
    let plain = api.get("/openapi.json").await.bytes().await.unwrap();
    for (accepted, encoding) in [
        ("gzip, ".repeat(2_000), Some("gzip")),
        ("gzip;q=0.001, br, ".repeat(800), Some("gzip")),
        ("identity;q=0, *;q=0, ".repeat(700), None),
        ("deflate, compress, ".repeat(700), None),
        (",".repeat(15_000), None),
        ("gzip;q=0, ".repeat(1_000) + "zstd", Some("zstd")),
    ] {
        let answer = api.send(Method::GET, "/openapi.json", &[("accept-encoding", &accepted)]).await;
        assert_eq!(answer.status(), 200, "{accepted}");
        let used = answer.headers().get_all("content-encoding").iter().map(|used| used.to_str().unwrap().to_owned());
        assert_eq!(used.collect::<Vec<_>>(), encoding.into_iter().collect::<Vec<_>>(), "{accepted}");
        let sent = answer.bytes().await.unwrap();
        assert!(sent.len() <= plain.len(), "{} of {} bytes", sent.len(), plain.len());
    }
}
