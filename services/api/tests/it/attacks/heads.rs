//! Slow, huge and many-in-one request heads.

use std::time::Instant;

use api::ApiConfig;

use super::wire::{DEADLINE, GOOD, Wire, ask, impatient, served};

/// A byte now and then keeps nothing open.
#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut_off() {
    let api = impatient().await;
    let mut wire = Wire::open(api.address).await;
    let began = Instant::now();
    let mut drip = b"GET /livez HTTP/1.1\r\nx-slow: ".iter().copied().chain(std::iter::repeat(b'a'));
    while wire.send([drip.next().unwrap()]).await {
        assert!(began.elapsed() < DEADLINE, "it is still listening");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(api.get("/livez").await.status(), 200);
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let api = impatient().await;
    Wire::open(api.address).await.ends().await;
    // Nor is one kept for long that has had its answer.
    let mut wire = Wire::open(api.address).await;
    wire.send(GOOD).await;
    assert_eq!(wire.answer().await.unwrap().status, 200);
    wire.ends().await;
}

#[tokio::test]
async fn huge_heads_are_refused_whatever_is_huge_in_them() {
    let api = served(ApiConfig::default()).await;
    let with = |headers: String| format!("GET /livez HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
    let many = |count: usize| with((0..count).map(|n| format!("x-{n}: 1\r\n")).collect());
    let long = |bytes: usize| with(format!("x: {}\r\n", "a".repeat(bytes)));

    assert_eq!(ask(&api, many(60)).await.unwrap().status, 200);
    assert_eq!(ask(&api, long(15_000)).await.unwrap().status, 200);
    for told in [many(70), long(17_000)] {
        let refused = ask(&api, told).await.unwrap();
        assert_eq!(
            (refused.status, &refused.problem()["type"]),
            (431, &"urn:flywheel:problem:headers-too-large".into())
        );
    }
    // Beyond that the server reads no further, and says no more than the status.
    for told in [many(1_000), long(100_000), long(50_000_000)] {
        let mut wire = Wire::open(api.address).await;
        wire.send(told).await;
        // The end may come before the answer to someone who is still sending.
        assert_eq!(wire.answer().await.map_or(431, |answer| answer.status), 431);
        wire.ends().await;
    }
    assert_eq!(ask(&api, GOOD).await.unwrap().status, 200);
}

#[tokio::test]
async fn requests_sent_all_at_once_are_answered_one_by_one_in_order() {
    let api = served(ApiConfig { requests_in_flight_max: 1, ..ApiConfig::default() }).await;
    let mut wire = Wire::open(api.address).await;
    let all: String = (0..500)
        .map(|n| format!("GET /v1/teams/dynamodb/rankings HTTP/1.1\r\nhost: localhost\r\nx-request-id: {n}\r\n\r\n"))
        .collect();
    wire.send(all).await;
    for n in 0..500 {
        let answer = wire.answer().await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(
            answer.head.contains(&format!("x-request-id: {n}\r\n")),
            "not the answer to request {n}: {}",
            answer.head
        );
    }
}

/// Two readings of one request are how requests are smuggled past a proxy.
#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused_or_ends_the_connection() {
    let api = served(ApiConfig::default()).await;
    for ambiguous in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: +5\r\n",
        "content-length: 5, 6\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding : chunked\r\n",
        "x: a\r\n b\r\n",
        "x: a\0b\r\n",
    ] {
        let smuggled = "GET /v1/teams HTTP/1.1\r\nhost: localhost\r\n\r\n";
        let request = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\n{ambiguous}\r\n{smuggled}");
        let mut wire = Wire::open(api.address).await;
        wire.send(request).await;
        let first = wire.answer().await.unwrap();
        assert!([200, 400].contains(&first.status), "{ambiguous:?}: {first:?}");
        let second = wire.answer().await;
        assert!(second.as_ref().is_none_or(|second| second.status == 400), "{ambiguous:?}: {second:?}");
    }
}
