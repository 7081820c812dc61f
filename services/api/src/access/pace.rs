//! How often somebody may do something: so often at once, and after that at a steady pace (GCRA).

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

/// A pace to be kept, and how far it has been used up.
#[derive(Debug)]
pub(crate) struct Pace(DefaultDirectRateLimiter);

impl Pace {
    /// `burst` at once, and then `per_s` each second; 0 counts as 1.
    pub(crate) fn per_second(per_s: u32, burst: u32) -> Self {
        Self(RateLimiter::direct(Quota::per_second(at_least_one(per_s)).allow_burst(at_least_one(burst))))
    }

    /// So many at once, and as many each minute; 0 counts as 1.
    pub(crate) fn per_minute(per_min: u32) -> Self {
        Self(RateLimiter::direct(Quota::per_minute(at_least_one(per_min))))
    }

    /// Does it once, or says after how long that will be possible.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        self.0.check().map_err(|not_until| not_until.wait_time_from(DefaultClock::default().now()))
    }
}

fn at_least_one(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)
}
