//! Pages of other sites whose name was made to lead here (DNS rebinding).

use api::ApiConfig;

use super::wire::{ask, served};
use crate::access::keys::{TestKey, guarded, sealed};

fn get(path: &str, host: &str) -> String {
    format!("GET {path} HTTP/1.1\r\n{host}\r\n")
}

#[tokio::test]
async fn a_page_whose_name_leads_here_reads_nothing() {
    let api = served(ApiConfig { hosts: vec!["board.example".parse().unwrap()], ..ApiConfig::default() }).await;
    let ranking = "/v1/teams/dynamodb/rankings";
    let evil = [
        (ranking, "host: evil.example\r\n"),
        (ranking, "host: evil.example:8080\r\n"),
        (ranking, "host: 127.0.0.1.evil.example\r\n"),
        (ranking, "host: localhost\r\nhost: evil.example\r\n"),
        (ranking, "host: \r\n"),
        ("/openapi.json", "host: evil.example\r\n"),
        ("/nowhere", "host: evil.example\r\n"),
        ("http://evil.example/v1/teams", "host: localhost\r\n"),
    ];
    for (path, host) in evil {
        let refused = ask(&api, get(path, host)).await.unwrap();
        let problem = refused.problem();
        assert_eq!((refused.status, &problem["type"]), (421, &"urn:flywheel:problem:wrong-host".into()), "{host}");
        assert!(!problem.to_string().contains("evil.example/"), "{problem}");
    }
    for host in ["localhost", "127.0.0.1:8080", "[::1]:8080", "board.example", "Board.Example.:443"] {
        assert_eq!(ask(&api, get(ranking, &format!("host: {host}\r\n"))).await.unwrap().status, 200, "{host}");
    }
    // Older clients name no host; no browser does so.
    assert_eq!(ask(&api, format!("GET {ranking} HTTP/1.0\r\n\r\n")).await.unwrap().status, 200);
}

/// A page has no key, and so reads nothing by whatever name it asks.
#[tokio::test]
async fn where_keys_are_required_any_name_will_do() {
    let key = TestKey::new(&["rankings:read:*"]);
    let api = guarded(sealed(), &[&key]).await;
    let asked = get("/v1/teams", "host: flywheel.example\r\n");
    assert_eq!(ask(&api, &asked).await.unwrap().status, 401);
    let keyed = asked.replacen("host:", &format!("authorization: {}\r\nhost:", key.bearer()), 1);
    assert_eq!(ask(&api, keyed).await.unwrap().status, 200);
}
