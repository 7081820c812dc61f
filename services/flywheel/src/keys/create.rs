//! `flywheel keys create`.

use anyhow::ensure;
use api::access::{
    Scope,
    facts::{Fact, What},
    key::{KeyText, new_id, new_key},
    seal::SealConfig,
};
use clap::Args as ClapArgs;
use domain::time::Timestamp;
use serde_json::json;

use super::{
    print,
    ring::{Ring, now_ms, rfc3339, seal},
};
use crate::cli::ClickHouseArgs;

/// A longer name is refused.
const NAME_CHARS_MAX: usize = 100;

const DAY_MS: i64 = 86_400_000;

/// Options of `flywheel keys create`.
#[derive(Clone, Debug, ClapArgs)]
pub struct Create {
    /// Whose it is, or what for: it stands in lists, never in a log.
    #[arg(long)]
    pub name: String,
    /// What it is good for: rankings:read:TEAM, rankings:read:*, evidence:read or admin. May be given several times.
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    pub scopes: Vec<Scope>,
    /// It ends after so many days; otherwise never.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3_650))]
    pub expires_in_days: Option<u16>,
    /// It ends at this instant, such as 2027-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in_days", value_parser = instant)]
    pub expires_at: Option<Timestamp>,
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

pub(super) async fn run(args: Create) -> anyhow::Result<()> {
    let chars = args.name.chars().count();
    let printable = !args.name.chars().any(char::is_control);
    ensure!(
        (1..=NAME_CHARS_MAX).contains(&chars) && printable,
        "a name has 1 to {NAME_CHARS_MAX} printable characters"
    );
    let now_ms = now_ms();
    let expires_ms = args
        .expires_in_days
        .map(|days| now_ms + i64::from(days) * DAY_MS)
        .or(args.expires_at.map(|at| at.0.div_euclid(1_000)));
    ensure!(expires_ms.is_none_or(|expires_ms| expires_ms > now_ms), "the key would have expired already");
    let seal = seal(&args.seal)?;
    let mut scopes = args.scopes;
    scopes.sort();
    scopes.dedup();

    let id = new_id()?;
    let text = new_key(&id)?;
    let Some(key) = KeyText::parse(&text) else { anyhow::bail!("the new key is malformed") };
    let scope_texts: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    let created = What::Created { name: args.name.clone(), scopes, expires_ms, digest: seal.digest(key) };
    Ring::new(&args.clickhouse).add(Fact { key_id: id.clone(), at_ms: now_ms, what: created }).await?;

    let expires_at = expires_ms.map(rfc3339);
    let json = json!({"key": text, "key_id": id, "name": args.name, "scopes": scope_texts, "expires_at": expires_at});
    let report = format!(
        "{text}\n\nkey {id} ({name}): {scopes}; {expires}. The key is shown this once. Every api knows it within 5 seconds.",
        name = args.name,
        scopes = scope_texts.join(", "),
        expires = expires_at.map_or("never expires".to_owned(), |at| format!("expires at {at}")),
    );
    print(args.json, &json, &report)
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).map_err(|_| "takes an RFC 3339 time such as 2027-01-31T00:00:00Z".to_owned())
}
