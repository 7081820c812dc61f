//! What is asked of those who ask.

use clap::{Args, builder::BoolishValueParser};

use super::seal::SealConfig;

/// Who may ask, and how often.
#[derive(Clone, Debug, Args)]
pub struct AccessConfig {
    /// Require a key on loopback too. Beyond loopback one is required anyway, unless --api-allow-non-loopback-without-keys says otherwise.
    #[arg(
        id = "api_keys_required",
        long = "api-keys-required",
        env = "FLYWHEEL_API_KEYS_REQUIRED",
        value_parser = BoolishValueParser::new()
    )]
    pub keys_required: bool,
    /// What keys are hashed with.
    #[command(flatten)]
    pub seal: SealConfig,
    /// So many keys are held; with more, those created last are not known.
    #[arg(id = "api_keys_max", long = "api-keys-max", env = "FLYWHEEL_API_KEYS_MAX", default_value_t = AccessConfig::default().keys_max)]
    pub keys_max: usize,
    /// Keys are read again so many milliseconds after they were read; at most 2000, so that a revocation is seen in time.
    #[arg(id = "api_keys_refresh_ms", long = "api-keys-refresh-ms", env = "FLYWHEEL_API_KEYS_REFRESH_MS", default_value_t = AccessConfig::default().keys_refresh_ms)]
    pub keys_refresh_ms: u64,
    /// A key may send so many requests in a second, on the average; more get a 429.
    #[arg(id = "api_key_requests_per_s_max", long = "api-key-requests-per-s-max", env = "FLYWHEEL_API_KEY_REQUESTS_PER_S_MAX", default_value_t = AccessConfig::default().key_requests_per_s_max)]
    pub key_requests_per_s_max: u32,
    /// A key that has rested may send so many requests at once.
    #[arg(id = "api_key_requests_burst_max", long = "api-key-requests-burst-max", env = "FLYWHEEL_API_KEY_REQUESTS_BURST_MAX", default_value_t = AccessConfig::default().key_requests_burst_max)]
    pub key_requests_burst_max: u32,
    /// A key, or the bearer of a token, may have so many streams open; more get a 429.
    #[arg(id = "api_key_streams_max", long = "api-key-streams-max", env = "FLYWHEEL_API_KEY_STREAMS_MAX", default_value_t = AccessConfig::default().key_streams_max)]
    pub key_streams_max: usize,
    /// An address may send so many wrong keys in a minute; then it gets a 429 instead of a look at the key.
    #[arg(id = "api_wrong_keys_per_min_max", long = "api-wrong-keys-per-min-max", env = "FLYWHEEL_API_WRONG_KEYS_PER_MIN_MAX", default_value_t = AccessConfig::default().wrong_keys_per_min_max)]
    pub wrong_keys_per_min_max: u32,
}

/// Older keys could hold one that was revoked longer ago than is promised.
const KEYS_REFRESH_MS_MAX: u64 = 2_000;

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            keys_required: false,
            seal: SealConfig::default(),
            keys_max: 10_000,
            keys_refresh_ms: 1_000,
            key_requests_per_s_max: 100,
            key_requests_burst_max: 500,
            key_streams_max: 2_048,
            wrong_keys_per_min_max: 10,
        }
    }
}

impl AccessConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// When a limit is 0, or keys would be read too seldom.
    pub fn check(&self) -> anyhow::Result<()> {
        let limits = [
            ("--api-keys-max", self.keys_max == 0),
            ("--api-keys-refresh-ms", self.keys_refresh_ms == 0),
            ("--api-key-requests-per-s-max", self.key_requests_per_s_max == 0),
            ("--api-key-requests-burst-max", self.key_requests_burst_max == 0),
            ("--api-key-streams-max", self.key_streams_max == 0),
            ("--api-wrong-keys-per-min-max", self.wrong_keys_per_min_max == 0),
        ];
        for (flag, zero) in limits {
            anyhow::ensure!(!zero, "{flag} must be at least 1");
        }
        anyhow::ensure!(
            self.keys_refresh_ms <= KEYS_REFRESH_MS_MAX,
            "--api-keys-refresh-ms must be at most {KEYS_REFRESH_MS_MAX}: a revoked key is refused within 5 s"
        );
        Ok(())
    }
}
