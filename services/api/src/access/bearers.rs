//! How often each bearer of a token may ask: as often as the holder of a key. Only their issuer has a list of them, so they are
//! remembered as they come, and forgotten when they have rested.

use std::{sync::Arc, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};

use super::{config::AccessConfig, pace::Pace};

/// The paces of those who came of late, by who they are.
#[derive(Debug)]
pub(crate) struct Bearers {
    paces: Cache<String, Arc<Pace>>,
    requests_per_s_max: u32,
    requests_burst_max: u32,
}

impl Bearers {
    /// Remembers as many bearers as keys are held. With more, those who came longest ago begin anew: nobody but the issuer can make
    /// up any.
    pub(crate) fn new(config: &AccessConfig) -> Self {
        let AccessConfig { key_requests_per_s_max, key_requests_burst_max, keys_max, .. } = *config;
        // Whoever has rested for so long has all of their burst again, as somebody new has.
        let rested_s = key_requests_burst_max.div_ceil(key_requests_per_s_max.max(1)).saturating_add(1);
        let paces = Cache::builder()
            .max_capacity(keys_max as u64)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(Duration::from_secs(rested_s.into()))
            .build();
        Self { paces, requests_per_s_max: key_requests_per_s_max, requests_burst_max: key_requests_burst_max }
    }

    /// Lets the bearer ask once, or says after how long that will be possible.
    pub(crate) fn take(&self, id: &str) -> Result<(), Duration> {
        let pace = || Arc::new(Pace::per_second(self.requests_per_s_max, self.requests_burst_max));
        self.paces.get_with_by_ref(id, pace).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bearer_has_a_pace_and_no_more_are_remembered_than_there_is_room_for() {
        let config = AccessConfig {
            key_requests_per_s_max: 1,
            key_requests_burst_max: 2,
            keys_max: 3,
            ..AccessConfig::default()
        };
        let bearers = Bearers::new(&config);
        let taken = |id: &str| (0..4).filter(|_| bearers.take(id).is_ok()).count();
        assert_eq!((taken("a"), taken("b")), (2, 2));
        for other in 0..100 {
            assert_eq!(taken(&other.to_string()), 2, "whoever is new has not asked yet");
        }
        bearers.paces.run_pending_tasks();
        assert_eq!(bearers.paces.entry_count(), 3);
    }
}
