//! The clock on the wall.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use domain::time::{MICROS_PER_SECOND, Timestamp};

/// Now.
///
/// # Errors
/// When the clock is before 1970.
pub(crate) fn now() -> anyhow::Result<Timestamp> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(Timestamp(i64::try_from(since.as_micros())?))
}

/// The second that is now.
///
/// # Errors
/// When the clock is before 1970.
pub(crate) fn now_s() -> anyhow::Result<i64> {
    Ok(seconds(now()?))
}

/// The second in which `time` lies.
pub(crate) fn seconds(time: Timestamp) -> i64 {
    time.0.div_euclid(MICROS_PER_SECOND)
}
