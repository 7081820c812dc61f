//! `flywheel keys rotate`.

use anyhow::ensure;
use api::access::{
    facts::{Fact, What},
    key::{KeyText, new_key},
    seal::SealConfig,
};
use clap::Args as ClapArgs;
use serde_json::json;

use super::{
    print,
    ring::{Ring, now_ms, rfc3339, seal},
};
use crate::cli::ClickHouseArgs;

/// Options of `flywheel keys rotate`.
#[derive(Clone, Debug, ClapArgs)]
pub struct Rotate {
    /// The key's id.
    #[arg(value_name = "KEY ID")]
    pub key_id: String,
    /// The old secret stays good for so many seconds; 0 ends it at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(0..=2_592_000))]
    pub overlap_s: u32,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// What keys are hashed with.
    #[command(flatten, next_help_heading = "Secret")]
    pub seal: SealConfig,
    /// Where ClickHouse is; as the user that migrates.
    #[command(flatten, next_help_heading = "ClickHouse")]
    pub clickhouse: ClickHouseArgs,
}

pub(super) async fn run(args: Rotate) -> anyhow::Result<()> {
    let seal = seal(&args.seal)?;
    let ring = Ring::new(&args.clickhouse);
    let found = ring.find(&args.key_id).await?;
    let now_ms = now_ms();
    ensure!(found.stands(now_ms), "key {} is revoked or has expired; create another", found.id);
    let text = new_key(&found.id)?;
    let Some(key) = KeyText::parse(&text) else { anyhow::bail!("the new key is malformed") };
    let previous_until_ms = now_ms + i64::from(args.overlap_s) * 1_000;
    let rotated = What::Rotated { digest: seal.digest(key), previous_until_ms };
    ring.add(Fact { key_id: found.id.clone(), at_ms: now_ms, what: rotated }).await?;

    let until = rfc3339(previous_until_ms);
    let json = json!({"key": text, "key_id": found.id, "previous_secret_until": until});
    let report = format!(
        "{text}\n\nkey {id} has a new secret; the old one is good until {until}. The key is shown this once. Every api knows it within \
         5 seconds.",
        id = found.id,
    );
    print(args.json, &json, &report)
}
