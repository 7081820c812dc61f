//! `flywheel keys list`.

use api::access::facts::Key;
use clap::Args as ClapArgs;
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::{
    print,
    ring::{Ring, now_ms, rfc3339},
};
use crate::{cli::ClickHouseArgs, printable::printable};

/// Options of `flywheel keys list`.
#[derive(Clone, Debug, ClapArgs)]
pub struct List {
    /// Also those that were revoked or have expired.
    #[arg(long)]
    pub all: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where ClickHouse is; as the user that migrates.
    #[command(flatten, next_help_heading = "ClickHouse")]
    pub clickhouse: ClickHouseArgs,
}

pub(super) async fn run(args: List) -> anyhow::Result<()> {
    let now_ms = now_ms();
    let mut keys = Ring::new(&args.clickhouse).all().await?;
    keys.retain(|key| args.all || key.stands(now_ms));
    let json: Vec<Value> = keys.iter().map(|key| document(key, now_ms)).collect();
    print(args.json, &json.into(), &text(&keys, now_ms))
}

fn text(keys: &[Key], now_ms: i64) -> String {
    if keys.is_empty() {
        return "no keys".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["key", "name", "scopes", "created", "expires", "rotated", "state"]);
    for key in keys {
        let or_dash = |ms: Option<i64>| ms.map_or("-".to_owned(), rfc3339);
        table.add_row([
            key.id.clone(),
            printable(&key.name),
            scopes(key).join(" "),
            rfc3339(key.created_ms),
            or_dash(key.expires_ms),
            or_dash(key.rotated_ms),
            state(key, now_ms),
        ]);
    }
    table.to_string()
}

fn document(key: &Key, now_ms: i64) -> Value {
    json!({
        "key_id": key.id,
        "name": key.name,
        "scopes": scopes(key),
        "created_at": rfc3339(key.created_ms),
        "expires_at": key.expires_ms.map(rfc3339),
        "rotated_at": key.rotated_ms.map(rfc3339),
        "previous_secret_until": previous_until(key, now_ms).map(rfc3339),
        "revoked_at": key.revoked_ms.map(rfc3339),
        "good": key.stands(now_ms),
    })
}

fn state(key: &Key, now_ms: i64) -> String {
    match key.revoked_ms {
        Some(at) => format!("revoked {}", rfc3339(at)),
        None if !key.stands(now_ms) => "expired".to_owned(),
        None => previous_until(key, now_ms)
            .map_or("good".to_owned(), |until| format!("good; the secret before until {}", rfc3339(until))),
    }
}

/// Until when a secret is good that a newer one took the place of.
fn previous_until(key: &Key, now_ms: i64) -> Option<i64> {
    key.secrets.iter().filter(|secret| secret.stands(now_ms)).filter_map(|secret| secret.until_ms).max()
}

fn scopes(key: &Key) -> Vec<String> {
    key.scopes.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use api::access::{Scope, facts::Sealed, seal::Digest};

    use super::*;

    fn key(id: &str) -> Key {
        Key {
            id: id.to_owned(),
            name: "evil\u{1b}[2J".to_owned(),
            scopes: vec![Scope::EveryTeam, Scope::Evidence],
            created_ms: 1_700_000_000_000,
            expires_ms: None,
            rotated_ms: None,
            revoked_ms: None,
            secrets: vec![Sealed { digest: Digest([7; 32]), until_ms: None }],
        }
    }

    #[test]
    fn the_list_says_what_each_key_is_good_for_and_for_how_long() {
        let old = Sealed { digest: Digest([6; 32]), until_ms: Some(1_700_000_900_000) };
        let keys = [
            key("00000000000000a1"),
            Key { expires_ms: Some(1_700_000_100_000), ..key("00000000000000a2") },
            Key { revoked_ms: Some(1_700_000_200_000), ..key("00000000000000a3") },
            Key {
                rotated_ms: Some(1_700_000_300_000),
                secrets: vec![old, Sealed { digest: Digest([7; 32]), until_ms: None }],
                ..key("00000000000000a4")
            },
        ];
        let text = text(&keys, 1_700_000_500_000);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(lines.len(), 5, "{text}");
        let ends =
            ["good", "expired", "revoked 2023-11-14T22:16:40Z", "good; the secret before until 2023-11-14T22:28:20Z"];
        for (line, end) in lines[1..].iter().zip(ends) {
            assert!(line.ends_with(end), "{line}");
            assert!(line.contains("rankings:read:* evidence:read") && !line.contains('\u{1b}'), "{line}");
        }
        assert_eq!(document(&keys[3], 1_700_000_500_000)["previous_secret_until"], "2023-11-14T22:28:20Z");
        assert_eq!(document(&keys[3], 1_700_000_900_000)["previous_secret_until"], Value::Null);
    }
}
