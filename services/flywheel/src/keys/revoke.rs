//! `flywheel keys revoke`.

use api::access::facts::{Fact, What};
use clap::Args as ClapArgs;
use serde_json::json;

use super::{
    print,
    ring::{Ring, now_ms, rfc3339},
};
use crate::cli::ClickHouseArgs;

/// Options of `flywheel keys revoke`.
#[derive(Clone, Debug, ClapArgs)]
pub struct Revoke {
    /// The key's id.
    #[arg(value_name = "KEY ID")]
    pub key_id: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where ClickHouse is; as the user that migrates.
    #[command(flatten, next_help_heading = "ClickHouse")]
    pub clickhouse: ClickHouseArgs,
}

/// A key that is revoked already stays so; to ask again does no harm.
pub(super) async fn run(args: Revoke) -> anyhow::Result<()> {
    let ring = Ring::new(&args.clickhouse);
    let found = ring.find(&args.key_id).await?;
    let at_ms = match found.revoked_ms {
        Some(at_ms) => at_ms,
        None => {
            let at_ms = now_ms();
            ring.add(Fact { key_id: found.id.clone(), at_ms, what: What::Revoked }).await?;
            at_ms
        }
    };
    let json = json!({"key_id": found.id, "revoked_at": rfc3339(at_ms)});
    let report = format!("key {} was revoked at {}; every api refuses it within 5 seconds", found.id, rfc3339(at_ms));
    print(args.json, &json, &report)
}
