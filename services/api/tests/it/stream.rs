//! `/v1/teams/{team}/rankings/stream`

use std::time::Duration;

use api::ApiConfig;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    time::timeout,
};

use crate::support::{Api, ranking};

const PATH: &str = "/v1/teams/t/rankings/stream";
const DEADLINE: Duration = Duration::from_secs(20);

/// A reader of a stream.
struct Reader {
    response: Response,
    unread: String,
}

/// An event, or a comment with neither name nor id.
#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

impl Reader {
    async fn open(api: &Api, last: Option<&str>) -> Self {
        let headers: Vec<_> = last.map(|last| ("last-event-id", last)).into_iter().collect();
        let response = api.send(Method::GET, PATH, &headers).await;
        assert_eq!(response.status(), StatusCode::OK);
        Self { response, unread: String::new() }
    }

    /// The next block that has a name; none at the end.
    async fn event(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.unread.split_once("\n\n") {
                let block = block.to_owned();
                self.unread = rest.to_owned();
                if let Some(event) = parse(&block) {
                    return Some(event);
                }
            }
            let chunk = timeout(DEADLINE, self.response.chunk()).await.expect("nothing came").unwrap()?;
            self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Name and id of the next event.
    async fn next(&mut self) -> (String, String) {
        let event = self.event().await.expect("the stream has ended");
        (event.name, event.id)
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let name = field("event: ")?;
    let data = serde_json::from_str(&field("data: ")?).unwrap();
    Some(Event { name, id: field("id: ").unwrap_or_default(), data })
}

fn id(second: u32) -> String {
    format!("20260101T12{:02}{:02}Z-000000000000", second / 60, second % 60)
}

fn at(second: u32) -> wire::ranking::Ranking {
    ranking("t", &id(second), &format!("2026-01-01T12:{:02}:{:02}Z", second / 60, second % 60), 3, 1)
}

fn published(second: u32) -> (String, String) {
    ("ranking.published".to_owned(), id(second))
}

fn reset(second: u32) -> (String, String) {
    ("reset".to_owned(), id(second))
}

#[tokio::test]
async fn a_stream_begins_with_the_current_ranking_and_tells_of_each_one_once() {
    let api = Api::start().await;
    api.publish(at(1));
    let mut reader = Reader::open(&api, None).await;
    let headers = reader.response.headers();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-accel-buffering"], "no");
    let first = reader.event().await.unwrap();
    assert_eq!((first.name.as_str(), first.id), ("ranking.published", id(1)));
    assert_eq!(first.data, api.json("/v1/teams/t/rankings").await);
    // The same record read again is no news.
    for second in [1, 2, 2, 3] {
        api.publish(at(second));
    }
    assert_eq!(reader.next().await, published(2));
    assert_eq!(reader.next().await, published(3));
}

#[tokio::test]
async fn who_comes_back_to_any_copy_goes_on_after_what_it_saw_last() {
    let config = ApiConfig { snapshots_kept_max: 8, ..ApiConfig::default() };
    let (one, other) = (Api::start_with(config.clone()).await, Api::start_with(config).await);
    for second in 1..=3 {
        one.publish(at(second));
        other.publish(at(second));
    }
    let mut reader = Reader::open(&one, None).await;
    assert_eq!(reader.next().await, published(3));
    drop(reader);
    other.publish(at(4));
    other.publish(at(5));
    let mut reader = Reader::open(&other, Some(&id(3))).await;
    assert_eq!(reader.next().await, published(4));
    assert_eq!(reader.next().await, published(5));
    // Nothing is told that was seen: the next one is the next that is published.
    let mut up_to_date = Reader::open(&other, Some(&id(5))).await;
    other.publish(at(6));
    assert_eq!(up_to_date.next().await, published(6));
    assert_eq!(reader.next().await, published(6));
}

#[tokio::test]
async fn who_cannot_be_told_of_all_that_it_missed_starts_again_and_hears_so() {
    let api = Api::start().await;
    for second in 1..=4 {
        api.publish(at(second));
    }
    // The support holds two, and nothing answers at ClickHouse's address.
    for last in [&id(1), &id(2), "never-was", "no snapshot at all"] {
        let mut reader = Reader::open(&api, Some(last)).await;
        assert_eq!(reader.next().await, reset(4), "{last}");
    }
    let mut reader = Reader::open(&api, Some(&id(3))).await;
    assert_eq!(reader.next().await, published(4));
}

#[tokio::test]
async fn a_stream_ends_with_its_team_and_with_the_server() {
    let api = Api::start().await;
    api.publish(at(1));
    let mut reader = Reader::open(&api, None).await;
    assert_eq!(reader.next().await, published(1));
    api.store.remove("t");
    assert_eq!(reader.event().await.unwrap().name, "team.removed");
    assert_eq!(reader.event().await, None);
    assert_eq!(api.get(PATH).await.status(), StatusCode::NOT_FOUND);

    api.publish(at(2));
    let mut reader = Reader::open(&api, None).await;
    assert_eq!(reader.next().await, published(2));
    api.stopping.cancel();
    assert_eq!(reader.event().await, None);
}

/// The limits on requests are for those that are answered at once.
#[tokio::test]
async fn a_stream_has_a_limit_of_its_own() {
    let config = ApiConfig { streams_max: 1, requests_in_flight_max: 1, request_ms_max: 50, ..ApiConfig::default() };
    let api = Api::start_with(config).await;
    api.publish(at(1));
    let mut reader = Reader::open(&api, None).await;
    assert_eq!(reader.next().await, published(1));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let refused = api.get(PATH).await;
    assert_eq!(
        (refused.status(), refused.headers()["retry-after"].to_str().unwrap()),
        (StatusCode::SERVICE_UNAVAILABLE, "1")
    );
    assert_eq!(refused.json::<Value>().await.unwrap()["type"], "urn:flywheel:problem:too-many-streams");
    assert_eq!(api.get("/v1/teams/t/rankings").await.status(), StatusCode::OK);
    api.publish(at(2));
    assert_eq!(reader.next().await, published(2));
    // The one who leaves makes room.
    drop(reader);
    let reopened = async {
        while api.get(PATH).await.status() != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, reopened).await.unwrap();
}

#[tokio::test]
async fn a_reader_who_stops_reading_finds_the_newest_when_it_goes_on_and_not_all_between() {
    const PUBLISHED: u32 = 600;
    let api = Api::start().await;
    let large = |second| ranking("t", &id(second), &at(second).as_of, 50, 0);
    api.publish(large(0));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut connection = socket.connect(api.base.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap();
    connection.write_all(format!("GET {PATH} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    let mut keeping_up = Reader::open(&api, None).await;
    for second in 0..=PUBLISHED {
        api.publish(large(second));
        assert_eq!(keeping_up.next().await, published(second));
    }
    let (mut seen, mut piece) = (String::new(), vec![0; 65_536]);
    let newest = format!("id: {}\n", id(PUBLISHED));
    while !(seen.contains(&newest) && seen.ends_with("\n\n\r\n")) {
        let read = timeout(DEADLINE, connection.read(&mut piece)).await.expect("nothing came").unwrap();
        assert!(read > 0, "the stream has ended");
        seen.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    let events = seen.matches("event: ").count();
    assert!(events < 400, "{events} of {PUBLISHED} events were kept for a reader who did not read");
    assert_eq!(seen.matches("event: reset\n").count(), 1);
}

#[tokio::test]
async fn what_is_not_a_stream_is_refused() {
    let api = Api::start().await;
    api.publish(at(1));
    assert_eq!(api.problem("/v1/teams/u/rankings/stream").await["type"], "urn:flywheel:problem:unknown-team");
    assert_eq!(api.problem(&format!("{PATH}?limit=3")).await["errors"][0]["parameter"], "limit");
    assert_eq!(api.send(Method::POST, PATH, &[]).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}
