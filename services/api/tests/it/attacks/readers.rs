//! Clients that do not take their answers.

use api::ApiConfig;
use socket2::SockRef;
use tokio::io::AsyncWriteExt;

use super::wire::{GOOD, Wire, ask, served};

/// Asks for answers without reading any, until the other side takes no more requests.
async fn stuffed(wire: &mut Wire) {
    SockRef::from(&wire.stream).set_recv_buffer_size(4_096).unwrap();
    let requests = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(100);
    // It stops reading when its answers are not taken: either this waits then, or the other side has hung up already.
    let fill = async { while wire.stream.write_all(requests.as_bytes()).await.is_ok() {} };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), fill).await;
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_off() {
    let api = served(ApiConfig { write_ms_max: 200, ..ApiConfig::default() }).await;
    let mut wire = Wire::open(api.address).await;
    stuffed(&mut wire).await;
    wire.ends().await;
    assert_eq!(ask(&api, GOOD).await.unwrap().status, 200);
}

#[tokio::test]
async fn clients_that_stop_reading_do_not_lock_out_others() {
    let api = served(ApiConfig { connections_max: 2, ..ApiConfig::default() }).await;
    let mut stuck = [Wire::open(api.address).await, Wire::open(api.address).await];
    for wire in &mut stuck {
        stuffed(wire).await;
    }
    assert_eq!(ask(&api, GOOD).await.unwrap().status, 200);
}
