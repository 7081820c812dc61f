//! `flywheel dead-letters show`.

use anyhow::Context as _;
use clap::Args as ClapArgs;
use serde_bytes::ByteBuf;

use super::{
    list::{replayed, rfc3339},
    place::Place,
    print,
    selection::Selection,
    store::{Body, Letter, Order, Replays, Store},
};
use crate::{
    cli::ClickHouseArgs,
    printable::{excerpt, printable},
};

const PAYLOAD_BYTES_SHOWN_MAX: usize = 4 * 1024;
const HEADER_BYTES_SHOWN_MAX: usize = 512;
const HEADERS_SHOWN_MAX: usize = 100;

/// Options of `flywheel dead-letters show`.
#[derive(Clone, Debug, ClapArgs)]
pub struct Show {
    /// Which one: TOPIC/PARTITION/OFFSET.
    #[arg(value_name = "TOPIC/PARTITION/OFFSET")]
    pub place: Place,
    /// Write the payload alone, whole and as it is. It may hold personal data, and anything that a terminal obeys: send it to a file.
    #[arg(long)]
    pub payload: bool,
    /// Where ClickHouse is; as the user that ingests.
    #[command(flatten, next_help_heading = "ClickHouse")]
    pub clickhouse: ClickHouseArgs,
}

pub(super) async fn run(args: Show) -> anyhow::Result<()> {
    let store = Store::new(&args.clickhouse.ingest());
    let missing = || format!("there is no dead letter at {}", args.place);
    let body = store.bodies(vec![args.place.clone()]).await?.pop().with_context(missing)?;
    if args.payload {
        return print(body.payload.as_deref().map_or(&[], |payload| payload.as_slice()));
    }
    let selection = Selection::Places(vec![args.place.clone()]);
    let letter = store.letters(&selection, Replays::Any, Order::NewestFirst, 1).await?.pop().with_context(missing)?;
    print(text(&letter, &body).as_bytes())
}

fn text(letter: &Letter, body: &Body) -> String {
    let mut text = String::new();
    for (name, value) in [
        ("place", letter.place().to_string()),
        ("received", rfc3339(letter.received_ms)),
        ("reason", printable(&letter.reason)),
        ("pointer", printable(&letter.pointer)),
        ("detail", printable(&body.detail)),
        ("type", printable(&letter.event_type)),
        ("replayed", replayed(letter)),
        ("key", shown(body.key.as_ref())),
    ] {
        text.push_str(&format!("{name:<9} {value}\n"));
    }
    text.push_str(&format!("headers   {}\n", body.headers.len()));
    for (name, value) in body.headers.iter().take(HEADERS_SHOWN_MAX) {
        text.push_str(&format!("  {}: {}\n", shown(Some(name)), shown(value.as_ref())));
    }
    if body.headers.len() > HEADERS_SHOWN_MAX {
        text.push_str(&format!("  ... and {} more\n", body.headers.len() - HEADERS_SHOWN_MAX));
    }
    match &body.payload {
        None => text.push_str("payload   (null)\n"),
        Some(payload) => {
            text.push_str(&format!("payload   {} bytes\n", payload.len()));
            text.push_str(&format!("{}\n", excerpt(payload, PAYLOAD_BYTES_SHOWN_MAX, true)));
        }
    }
    text
}

/// A key, a header's name or its value: at most so much of it.
fn shown(bytes: Option<&ByteBuf>) -> String {
    bytes.map_or_else(|| "(null)".to_owned(), |bytes| excerpt(bytes, HEADER_BYTES_SHOWN_MAX, false))
}
