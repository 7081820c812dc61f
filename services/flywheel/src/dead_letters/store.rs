//! All that is read of dead letters. Parameters are bound by the server, never formatted into the text.
//!
//! A place is one dead letter, even if its row should be there twice.

use anyhow::Context as _;
use clickhouse::{Client, Row};
use kit::config::ClickHouseConfig;
use serde::Deserialize;
use serde_bytes::ByteBuf;

use super::{place::Place, selection::Selection};

/// The server stops a query after so many seconds.
const QUERY_S_MAX: &str = "60";

/// Reads dead letters.
#[derive(Clone)]
pub(super) struct Store {
    client: Client,
}

/// A dead letter without what may be personal data.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub(super) struct Letter {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) received_ms: i64,
    pub(super) reason: String,
    pub(super) pointer: String,
    /// As the header has it, or as the payload does.
    pub(super) event_type: String,
    pub(super) bytes: u64,
    /// Unix milliseconds; 0 where no claim stands.
    pub(super) claimed_ms: i64,
    pub(super) replayed: u8,
    pub(super) replay_offset: i64,
}

/// The rest of a dead letter, which may hold personal data.
#[derive(Clone, Debug, Row, Deserialize)]
pub(super) struct Body {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) detail: String,
    pub(super) key: Option<ByteBuf>,
    pub(super) headers: Vec<(ByteBuf, Option<ByteBuf>)>,
    pub(super) payload: Option<ByteBuf>,
}

/// The dead letters of one reason.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub(super) struct Count {
    pub(super) reason: String,
    pub(super) letters: u64,
    pub(super) replayed: u64,
    /// Claimed, and not known to have been produced.
    pub(super) unconfirmed: u64,
    pub(super) oldest_ms: i64,
    pub(super) newest_ms: i64,
}

/// Which of the selected dead letters are wanted, by what is known of their replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replays {
    Any,
    /// No claim stands.
    Unclaimed,
    /// A claim stands, and nobody knows whether the record was produced.
    Unconfirmed,
}

/// In which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    NewestFirst,
    /// As they were received, topic by topic.
    AsReceived,
}

impl Letter {
    pub(super) fn place(&self) -> Place {
        Place { topic: self.topic.clone(), partition: self.partition, offset: self.offset }
    }
}

impl Body {
    pub(super) fn place(&self) -> Place {
        Place { topic: self.topic.clone(), partition: self.partition, offset: self.offset }
    }
}

impl Store {
    pub(super) fn new(config: &ClickHouseConfig) -> Self {
        Self { client: kit::clickhouse::client(config).with_setting("max_execution_time", QUERY_S_MAX) }
    }

    /// At most `letters_max` of the selected dead letters.
    pub(super) async fn letters(
        &self,
        selection: &Selection,
        replays: Replays,
        order: Order,
        letters_max: u64,
    ) -> anyhow::Result<Vec<Letter>> {
        let replays = match replays {
            Replays::Any => "true",
            Replays::Unclaimed => "claimed_ms = 0",
            Replays::Unconfirmed => "claimed_ms > 0 AND NOT replayed",
        };
        let order = match order {
            Order::NewestFirst => "received_at DESC, topic DESC, partition DESC, offset DESC",
            Order::AsReceived => "topic, received_at, partition, offset",
        };
        let sql = format!(
            "SELECT topic, partition, offset, toUnixTimestamp64Milli(received_at) AS received_ms, reason, pointer,
                if(type = '', JSONExtractString(ifNull(payload, ''), 'type'), type) AS event_type,
                length(ifNull(payload, '')) AS bytes,
                toUnixTimestamp64Milli(claimed_at) AS claimed_ms, replayed, replay_offset
            FROM dead_letters
            LEFT JOIN dead_letter_replay_states USING (topic, partition, offset)
            WHERE {condition} AND {replays}
            ORDER BY {order}
            LIMIT 1 BY topic, partition, offset
            LIMIT {{letters_max:UInt64}}",
            condition = selection.condition()
        );
        selection
            .bind(self.client.query(&sql))
            .param("letters_max", letters_max)
            .fetch_all::<Letter>()
            .await
            .context("cannot read the dead letters")
    }

    /// The selected dead letters counted by reason, the commonest first.
    pub(super) async fn counts(&self, selection: &Selection) -> anyhow::Result<Vec<Count>> {
        let sql = format!(
            "SELECT reason, count() AS letters, countIf(was_replayed) AS replayed,
                countIf(claimed_ms > 0 AND NOT was_replayed) AS unconfirmed,
                min(received_ms) AS oldest_ms, max(received_ms) AS newest_ms
            FROM
            (
                SELECT reason, toUnixTimestamp64Milli(received_at) AS received_ms,
                    toUnixTimestamp64Milli(claimed_at) AS claimed_ms, dead_letter_replay_states.replayed AS was_replayed
                FROM dead_letters
                LEFT JOIN dead_letter_replay_states USING (topic, partition, offset)
                WHERE {condition}
                LIMIT 1 BY topic, partition, offset
            )
            GROUP BY reason
            ORDER BY letters DESC, reason",
            condition = selection.condition()
        );
        selection.bind(self.client.query(&sql)).fetch_all::<Count>().await.context("cannot count the dead letters")
    }

    /// What is at these places whole, in no particular order.
    pub(super) async fn bodies(&self, places: Vec<Place>) -> anyhow::Result<Vec<Body>> {
        let selection = Selection::Places(places);
        let sql = format!(
            "SELECT topic, partition, offset, detail, key, headers, payload
            FROM dead_letters
            WHERE {condition}
            LIMIT 1 BY topic, partition, offset",
            condition = selection.condition()
        );
        selection
            .bind(self.client.query(&sql))
            .fetch_all::<Body>()
            .await
            .context("cannot read the bodies of dead letters")
    }
}
