//! Metrics that several roles record: names and units from the semantic conventions, with buckets that fit seconds.
//!
//! A role's own metrics live with the role. Instruments come from the global meter provider, so make them after
//! [`crate::telemetry::init`]: one made earlier records nothing.

use opentelemetry::metrics::{Counter, Histogram, Meter};
use opentelemetry_semantic_conventions::metric;

use crate::telemetry::{SECONDS_BOUNDARIES, SECONDS_BOUNDARIES_DB, seconds_histogram};

/// `messaging.process.duration`: seconds to process a message or a batch of them.
pub fn messaging_process_duration(meter: &Meter) -> Histogram<f64> {
    seconds_histogram(
        meter,
        metric::MESSAGING_PROCESS_DURATION,
        "Duration of processing operation.",
        SECONDS_BOUNDARIES,
    )
}

/// `messaging.client.operation.duration`: seconds to send, receive or commit; not to process.
pub fn messaging_client_operation_duration(meter: &Meter) -> Histogram<f64> {
    seconds_histogram(
        meter,
        metric::MESSAGING_CLIENT_OPERATION_DURATION,
        "Duration of messaging operation initiated by a producer or consumer client.",
        SECONDS_BOUNDARIES,
    )
}

/// `messaging.client.consumed.messages`: messages delivered to us.
pub fn messaging_client_consumed_messages(meter: &Meter) -> Counter<u64> {
    meter
        .u64_counter(metric::MESSAGING_CLIENT_CONSUMED_MESSAGES)
        .with_unit("{message}")
        .with_description("Number of messages that were delivered to the application.")
        .build()
}

/// `messaging.client.sent.messages`: messages that we tried to send.
pub fn messaging_client_sent_messages(meter: &Meter) -> Counter<u64> {
    meter
        .u64_counter(metric::MESSAGING_CLIENT_SENT_MESSAGES)
        .with_unit("{message}")
        .with_description("Number of messages producer attempted to send to the broker.")
        .build()
}

/// `db.client.operation.duration`: seconds that one statement took, as the client saw it.
pub fn db_client_operation_duration(meter: &Meter) -> Histogram<f64> {
    seconds_histogram(
        meter,
        metric::DB_CLIENT_OPERATION_DURATION,
        "Duration of database client operations.",
        SECONDS_BOUNDARIES_DB,
    )
}
