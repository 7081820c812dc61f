//! Records that ingest could not take, newest first.
//!
//! They are kept whole, so their payloads may hold personal data: who reads them here must have the right to that.

use anyhow::Context as _;
use clickhouse::Row;
use domain::{ids::TeamId, record::Reason, time::Timestamp};
use serde::Deserialize;
use serde_bytes::ByteBuf;

use crate::Store;

/// So many bytes of a payload are read.
pub const PAYLOAD_BYTES_READ_MAX: u32 = 4 * 1024;

/// Which dead letters are meant; one is meant when it passes every filter there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Those with this reason.
    pub reason: Option<Reason>,
    /// Those that claim to be events of this type.
    pub event_type: Option<String>,
    /// Those whose payload is JSON and names this team.
    pub team: Option<TeamId>,
    /// Those that Kafka received then or later.
    pub since: Option<Timestamp>,
    /// Those that Kafka received before then.
    pub until: Option<Timestamp>,
}

/// Where a dead letter stands among all, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterPlace {
    /// When Kafka received it, in Unix milliseconds.
    pub received_ms: i64,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub struct DeadLetter {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// When Kafka received it, in Unix milliseconds.
    pub received_ms: i64,
    /// The reason's code.
    pub reason: String,
    /// Where in the record the fault is, as a JSON pointer.
    pub pointer: String,
    /// The fault in words.
    pub detail: String,
    /// The type of event that it claims to be, by its header or its payload; empty where it claims none.
    pub event_type: String,
    /// How many bytes its payload has; none where it has no payload.
    pub bytes: Option<u64>,
    /// The payload's first [`PAYLOAD_BYTES_READ_MAX`] bytes.
    #[serde(rename = "beginning")]
    pub payload: Option<ByteBuf>,
    /// When its replay was begun, in Unix milliseconds; 0 where none was.
    pub claimed_ms: i64,
    /// Whether the replay is known to have been produced.
    #[serde(rename = "was_replayed")]
    pub replayed: bool,
    /// Where the replay stands, in the same topic and partition; -1 where it is not produced.
    pub replay_offset: i64,
}

impl DeadLetter {
    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> DeadLetterPlace {
        DeadLetterPlace {
            received_ms: self.received_ms,
            topic: self.topic.clone(),
            partition: self.partition,
            offset: self.offset,
        }
    }
}

const DEAD_LETTERS: &str = "
SELECT topic, partition, offset, toUnixTimestamp64Milli(received_at) AS received_ms, reason, pointer, detail,
    if(type = '', JSONExtractString(ifNull(payload, ''), 'type'), type) AS event_type,
    length(payload) AS bytes, substring(payload, 1, {payload_bytes_max:UInt32}) AS beginning,
    toUnixTimestamp64Milli(claimed_at) AS claimed_ms, toBool(dead_letter_replay_states.replayed) AS was_replayed, replay_offset
FROM dead_letters
LEFT JOIN dead_letter_replay_states USING (topic, partition, offset)
WHERE ({reason:String} = '' OR reason = {reason:String})
    AND ({type:String} = '' OR if(type = '', JSONExtractString(ifNull(payload, ''), 'type'), type) = {type:String})
    AND ({team:String} = '' OR JSONExtractString(ifNull(payload, ''), 'team') = {team:String}
        OR JSONExtractString(ifNull(payload, ''), 'data', 'team') = {team:String})
    AND received_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')
    AND received_at < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
    AND (toUnixTimestamp64Milli(received_at), topic, partition, offset)
        < ({before_ms:Int64}, {before_topic:String}, {before_partition:Int32}, {before_offset:Int64})
ORDER BY received_at DESC, topic DESC, partition DESC, offset DESC
LIMIT 1 BY topic, partition, offset
LIMIT {letters_max:UInt32}";

/// Kafka knows no time before 1970, and ClickHouse none after 2299.
const EVER: (Timestamp, Timestamp) = (Timestamp(0), Timestamp(10_413_791_999_000_000));

impl Store {
    /// At most `letters_max` dead letters that come after the one `before`, which is newer: the newest ones, where none is given.
    ///
    /// # Errors
    /// When the client's user may not read them; when ClickHouse does not answer in time, or answers with something else.
    pub async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        before: Option<&DeadLetterPlace>,
        letters_max: u32,
    ) -> anyhow::Result<Vec<DeadLetter>> {
        let newest =
            DeadLetterPlace { received_ms: i64::MAX, topic: String::new(), partition: i32::MAX, offset: i64::MAX };
        let before = before.unwrap_or(&newest);
        let within = |time: Timestamp| time.clamp(EVER.0, EVER.1).0;
        let query = self
            .query(DEAD_LETTERS)
            .param("payload_bytes_max", PAYLOAD_BYTES_READ_MAX)
            .param("reason", filter.reason.map_or("", Reason::code))
            .param("type", filter.event_type.as_deref().unwrap_or_default())
            .param("team", filter.team.as_ref().map_or("", TeamId::as_str))
            .param("since", within(filter.since.unwrap_or(EVER.0)))
            .param("until", within(filter.until.unwrap_or(EVER.1)))
            .param("before_ms", before.received_ms)
            .param("before_topic", before.topic.as_str())
            .param("before_partition", before.partition)
            .param("before_offset", before.offset)
            .param("letters_max", letters_max);
        self.within(async { query.fetch_all::<DeadLetter>().await.context("cannot read the dead letters") }).await
    }
}
