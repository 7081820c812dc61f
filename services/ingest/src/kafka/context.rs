//! What the client tells us beside records: rebalances, and its log.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
    types::RDKafkaRespErr,
};

/// Keeps events until they are taken. A rebalance is answered by whoever takes it; the group waits for that.
#[derive(Default)]
pub(crate) struct Context(Mutex<State>);

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    closing: bool,
}

/// Something that the group said.
pub(super) enum Event {
    Assigned(TopicPartitionList),
    Revoked(TopicPartitionList),
    Lost(TopicPartitionList),
}

impl Context {
    /// The events since the last call.
    pub(super) fn take(&self) -> VecDeque<Event> {
        mem::take(&mut self.state().events)
    }

    /// From now on rebalances are answered at once: nobody takes them any more.
    pub(super) fn close(&self) {
        self.state().closing = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let mut state = self.state();
        let count = partitions.count();
        let result = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS if state.closing => {
                consumer.incremental_assign(partitions)
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                // Each round of the group says something, often nothing.
                if count > 0 {
                    tracing::info!(kafka.partitions = count, "partitions assigned");
                }
                state.events.push_back(Event::Assigned(partitions.clone()));
                Ok(())
            }
            _ if state.closing => consumer.incremental_unassign(partitions),
            _ if consumer.assignment_lost() => {
                tracing::warn!(kafka.partitions = count, "partitions lost");
                state.events.push_back(Event::Lost(partitions.clone()));
                Ok(())
            }
            _ => {
                tracing::info!(kafka.partitions = count, "partitions revoked");
                state.events.push_back(Event::Revoked(partitions.clone()));
                Ok(())
            }
        };
        if let Err(error) = result {
            tracing::warn!(error = error.to_string(), "the group was not answered while leaving it");
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(facility, message, "kafka client");
            }
            // Connection failures come here once a try; readiness tells of an outage.
            _ => tracing::debug!(facility, message, "kafka client"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}
