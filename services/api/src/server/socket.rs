//! What the kernel is asked to do for a connection.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// After so long without a byte the kernel asks whether the other side is still there.
const PROBE_AFTER: Duration = Duration::from_secs(30);

/// Answers are small: each leaves at once. And a client whose machine is gone without a word is noticed, which writing alone
/// does not do for a quarter of an hour.
pub(crate) fn prepare(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_AFTER / 3).with_retries(3);
    if let Err(error) = socket.set_tcp_nodelay(true).and_then(|()| socket.set_tcp_keepalive(&probes)) {
        tracing::debug!(%error, "cannot set a connection's options");
    }
}
