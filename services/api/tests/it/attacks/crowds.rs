//! More connections than there is room for.

use api::ApiConfig;

use super::wire::{GOOD, Wire, ask, served};

#[tokio::test]
async fn those_who_do_nothing_make_room_the_longest_first() {
    // Time alone drives nobody out.
    let api = served(ApiConfig { connections_max: 3, head_ms_max: 600_000, ..ApiConfig::default() }).await;
    let mut silent = Wire::open(api.address).await;
    let mut slow = Wire::open(api.address).await;
    slow.send("GET /livez HTTP/1.1\r\n").await;
    let mut active = Wire::open(api.address).await;
    active.send(GOOD).await;
    assert_eq!(active.answer().await.unwrap().status, 200);

    let mut fourth = Wire::open(api.address).await;
    fourth.send(GOOD).await;
    assert_eq!(fourth.answer().await.unwrap().status, 200);
    silent.ends().await;
    assert_eq!(ask(&api, GOOD).await.unwrap().status, 200);
    slow.ends().await;
    // Those who were answered last still have their connections.
    active.send(GOOD).await;
    assert_eq!(active.answer().await.unwrap().status, 200);
}
