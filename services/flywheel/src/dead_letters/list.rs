//! `flywheel dead-letters list`.

use clap::Args as ClapArgs;
use comfy_table::{CellAlignment, Table, presets};
use domain::time::Timestamp;
use serde_json::{Value, json};

use super::{
    print,
    selection::{Filter, Selection},
    store::{Count, Letter, Order, Replays, Store},
};
use crate::{cli::ClickHouseArgs, printable::printable};

/// Options of `flywheel dead-letters list`.
#[derive(Clone, Debug, ClapArgs)]
pub struct List {
    /// Only those whose replay was begun and never confirmed: nobody knows whether it was produced.
    #[arg(long)]
    pub unconfirmed: bool,
    /// List at most so many.
    #[arg(long, value_name = "LETTERS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub limit: u64,
    /// Count them by reason instead.
    #[arg(long, conflicts_with_all = ["unconfirmed", "limit"])]
    pub summary: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Which to list.
    #[command(flatten, next_help_heading = "Filters")]
    pub filter: Filter,
    /// Where ClickHouse is; as the user that ingests.
    #[command(flatten, next_help_heading = "ClickHouse")]
    pub clickhouse: ClickHouseArgs,
}

pub(super) async fn run(args: List) -> anyhow::Result<()> {
    let store = Store::new(&args.clickhouse.ingest());
    let selection = Selection::Filter(args.filter);
    if args.summary {
        let counts = store.counts(&selection).await?;
        return print_either(args.json, || counts.iter().map(count_json).collect(), || counts_table(&counts));
    }
    let replays = if args.unconfirmed { Replays::Unconfirmed } else { Replays::Any };
    // One more than is shown tells whether there are more.
    let mut letters = store.letters(&selection, replays, Order::NewestFirst, args.limit + 1).await?;
    let more = letters.len() as u64 > args.limit;
    letters.truncate(usize::try_from(args.limit)?);
    print_either(
        args.json,
        || letters.iter().map(letter_json).collect(),
        || {
            let rest = if more { "\n... and more; see --limit, --summary and the filters" } else { "" };
            format!("{}{rest}", letters_table(&letters))
        },
    )
}

fn print_either(as_json: bool, json: impl FnOnce() -> Vec<Value>, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    let text = if as_json { serde_json::to_string_pretty(&json())? } else { text() };
    print(format!("{text}\n").as_bytes())
}

fn letters_table(letters: &[Letter]) -> String {
    if letters.is_empty() {
        return "no dead letters".to_owned();
    }
    let head = ["topic", "partition", "offset", "received", "reason", "pointer", "type", "bytes", "replayed"];
    let mut table = table(&head, &[1, 2, 7]);
    for letter in letters {
        table.add_row([
            printable(&letter.topic),
            letter.partition.to_string(),
            letter.offset.to_string(),
            rfc3339(letter.received_ms),
            printable(&letter.reason),
            printable(&letter.pointer),
            printable(&letter.event_type),
            letter.bytes.to_string(),
            replayed(letter),
        ]);
    }
    table.to_string()
}

fn counts_table(counts: &[Count]) -> String {
    if counts.is_empty() {
        return "no dead letters".to_owned();
    }
    let head = ["reason", "letters", "not replayed", "replayed", "unconfirmed", "oldest", "newest"];
    let mut table = table(&head, &[1, 2, 3, 4]);
    for count in counts {
        table.add_row([
            printable(&count.reason),
            count.letters.to_string(),
            (count.letters - count.replayed - count.unconfirmed).to_string(),
            count.replayed.to_string(),
            count.unconfirmed.to_string(),
            rfc3339(count.oldest_ms),
            rfc3339(count.newest_ms),
        ]);
    }
    table.to_string()
}

fn table(head: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head);
    for number in numbers {
        if let Some(column) = table.column_mut(*number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn letter_json(letter: &Letter) -> Value {
    let replay = (letter.claimed_ms > 0).then(|| {
        json!({
            "claimed_at": rfc3339(letter.claimed_ms),
            "confirmed": letter.replayed != 0,
            "offset": (letter.replayed != 0).then_some(letter.replay_offset),
        })
    });
    json!({
        "place": letter.place(),
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "received_at": rfc3339(letter.received_ms),
        "reason": letter.reason,
        "pointer": letter.pointer,
        "type": letter.event_type,
        "bytes": letter.bytes,
        "replay": replay,
    })
}

fn count_json(count: &Count) -> Value {
    json!({
        "reason": count.reason,
        "letters": count.letters,
        "not_replayed": count.letters - count.replayed - count.unconfirmed,
        "replayed": count.replayed,
        "unconfirmed": count.unconfirmed,
        "oldest": rfc3339(count.oldest_ms),
        "newest": rfc3339(count.newest_ms),
    })
}

/// What is known of the letter's replay, in a few words.
pub(super) fn replayed(letter: &Letter) -> String {
    match (letter.claimed_ms, letter.replayed) {
        (0, _) => "no".to_owned(),
        (_, 0) => "unconfirmed".to_owned(),
        _ => format!("at offset {}", letter.replay_offset),
    }
}

pub(super) fn rfc3339(ms: i64) -> String {
    Timestamp(ms.saturating_mul(1_000)).to_rfc3339()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(offset: i64, claimed_ms: i64, replayed: u8) -> Letter {
        Letter {
            topic: "flywheel.usage.v1".to_owned(),
            partition: 3,
            offset,
            received_ms: 1_700_000_000_123,
            reason: "invalid_id".to_owned(),
            pointer: "/team".to_owned(),
            event_type: "evil\u{1b}[2J".to_owned(),
            bytes: 87,
            claimed_ms,
            replayed,
            replay_offset: if replayed == 1 { 77 } else { -1 },
        }
    }

    #[test]
    fn the_table_says_what_became_of_each_replay() {
        insta::assert_snapshot!(letters_table(&[
            letter(9, 0, 0),
            letter(8, 1_700_000_001_000, 0),
            letter(7, 1_700_000_001_000, 1)
        ]));
    }

    #[test]
    fn the_summary_accounts_for_every_letter() {
        let count = Count {
            reason: "not_json".to_owned(),
            letters: 10,
            replayed: 3,
            unconfirmed: 1,
            oldest_ms: 0,
            newest_ms: 1_000,
        };
        insta::assert_snapshot!(counts_table(std::slice::from_ref(&count)));
        assert_eq!(count_json(&count)["not_replayed"], 6);
    }

    #[test]
    fn the_json_tells_an_unconfirmed_replay_from_a_confirmed_one() {
        assert_eq!(letter_json(&letter(9, 0, 0))["replay"], Value::Null);
        assert_eq!(letter_json(&letter(9, 1, 0))["replay"]["confirmed"], false);
        assert_eq!(letter_json(&letter(9, 1, 0))["replay"]["offset"], Value::Null);
        assert_eq!(letter_json(&letter(9, 1, 1))["replay"]["offset"], 77);
        assert_eq!(letter_json(&letter(9, 1, 1))["place"], "flywheel.usage.v1/3/9");
    }
}
