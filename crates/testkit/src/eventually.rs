//! Awaits a condition with a deadline.

use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Asks `look` until it answers with a value.
///
/// # Panics
/// When it has not within `at_most`; the message has `what` and the last reason that `look` gave.
pub async fn eventually<T>(what: &str, at_most: Duration, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + at_most;
    loop {
        let reason = match look().await {
            Ok(value) => return value,
            Err(reason) => reason,
        };
        assert!(Instant::now() < deadline, "{what}: not within {at_most:?}; last: {reason}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
