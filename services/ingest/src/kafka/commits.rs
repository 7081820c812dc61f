//! Commits whose answers come back partition by partition.
//!
//! The client crate's asynchronous commit tells nobody how it ended. librdkafka sends the answer as an event to a queue of the
//! caller's; this module owns such a queue.
#![expect(unsafe_code, reason = "the client crate does not offer the call; the argument stands at each use")]

use std::{
    ffi::c_void,
    ptr::{self, NonNull},
    slice,
    sync::Arc,
};

use anyhow::Context as _;
use rdkafka::{
    TopicPartitionList,
    bindings::{
        RD_KAFKA_EVENT_OFFSET_COMMIT, rd_kafka_commit_queue, rd_kafka_event_destroy, rd_kafka_event_error,
        rd_kafka_event_topic_partition_list, rd_kafka_event_type, rd_kafka_queue_cb_event_enable,
        rd_kafka_queue_destroy, rd_kafka_queue_new, rd_kafka_queue_poll, rd_kafka_queue_t, rd_kafka_resp_err_t,
        rd_kafka_t,
    },
    consumer::Consumer as _,
    error::{IsError as _, KafkaError, RDKafkaErrorCode},
};

use super::Consumer;

type Wake = Arc<dyn Fn() + Send + Sync>;

/// Sends commits and keeps their answers until they are taken.
pub(super) struct Commits {
    raw: NonNull<rd_kafka_queue_t>,
    /// At an address of its own, which librdkafka knows.
    _wake: Box<Wake>,
    consumer: Arc<Consumer>,
}

/// How a commit ended.
pub(super) struct Answer {
    /// The codes of what was refused.
    pub(super) refused: Vec<RDKafkaErrorCode>,
    /// Whether all of it was.
    pub(super) refused_all: bool,
}

impl Commits {
    /// `wake` is called when an answer has come.
    pub(super) fn new(consumer: Arc<Consumer>, wake: Wake) -> anyhow::Result<Self> {
        let wake = Box::new(wake);
        // SAFETY: the client lives, as we hold it. The queue is ours and is destroyed once, in `drop`. The address of `wake`
        // stays good for as long as the queue may call: `drop` takes the callback away first.
        let raw = unsafe {
            let raw =
                NonNull::new(rd_kafka_queue_new(consumer.client().native_ptr())).context("no queue for commits")?;
            let opaque = ptr::from_ref::<Wake>(&wake).cast_mut().cast();
            rd_kafka_queue_cb_event_enable(raw.as_ptr(), Some(wake_up), opaque);
            raw
        };
        Ok(Self { raw, _wake: wake, consumer })
    }

    /// Sends a commit; [`Commits::poll`] gives its answer.
    pub(super) fn send(&self, list: &TopicPartitionList) -> Result<(), KafkaError> {
        let client = self.consumer.client().native_ptr();
        // SAFETY: client, list and queue live during the call, which copies the list. Without a callback the answer is an
        // event in the queue.
        let code = unsafe { rd_kafka_commit_queue(client, list.ptr(), self.raw.as_ptr(), None, ptr::null_mut()) };
        if code.is_error() { Err(KafkaError::ConsumerCommit(code.into())) } else { Ok(()) }
    }

    /// The next answer, if one has come.
    pub(super) fn poll(&self) -> Option<Answer> {
        // SAFETY: the queue is ours. An event is ours until it is destroyed, and what it lends is read before that.
        unsafe {
            let event = rd_kafka_queue_poll(self.raw.as_ptr(), 0);
            if event.is_null() {
                return None;
            }
            let answer = (rd_kafka_event_type(event) == RD_KAFKA_EVENT_OFFSET_COMMIT).then(|| {
                let list = rd_kafka_event_topic_partition_list(event);
                let elements = match list.as_ref() {
                    Some(list) if list.cnt > 0 => slice::from_raw_parts(list.elems, list.cnt as usize),
                    _ => &[],
                };
                answer(rd_kafka_event_error(event), elements.iter().map(|element| element.err))
            });
            rd_kafka_event_destroy(event);
            answer
        }
    }
}

/// The request's own code is that of a partition where the partitions differ, so they are asked first.
fn answer(whole: rd_kafka_resp_err_t, partitions: impl Iterator<Item = rd_kafka_resp_err_t> + Clone) -> Answer {
    let count = partitions.clone().count();
    let mut refused: Vec<RDKafkaErrorCode> = partitions.filter(|code| code.is_error()).map(Into::into).collect();
    let refused_all = whole.is_error() && (refused.is_empty() || refused.len() == count);
    if whole.is_error() && refused.is_empty() {
        refused.push(whole.into());
    }
    Answer { refused, refused_all }
}

impl Drop for Commits {
    fn drop(&mut self) {
        // SAFETY: the callback is taken away before what it reads is dropped, and the queue is destroyed once, while the
        // client lives: fields drop after this.
        unsafe {
            rd_kafka_queue_cb_event_enable(self.raw.as_ptr(), None, ptr::null_mut());
            rd_kafka_queue_destroy(self.raw.as_ptr());
        }
    }
}

unsafe extern "C" fn wake_up(_: *mut rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: `new` gave the address of a `Wake` that outlives the callback.
    let wake = unsafe { &*opaque.cast_const().cast::<Wake>() };
    wake();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_partitions_refused_is_not_refused_by_all() {
        use rd_kafka_resp_err_t::{
            RD_KAFKA_RESP_ERR__TRANSPORT as TRANSPORT, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION as ILLEGAL,
            RD_KAFKA_RESP_ERR_NO_ERROR as OK,
        };
        let says = |whole, partitions: &[rd_kafka_resp_err_t]| {
            let answer = answer(whole, partitions.iter().copied());
            (answer.refused, answer.refused_all)
        };
        assert_eq!(says(OK, &[OK, OK]), (vec![], false));
        assert_eq!(says(ILLEGAL, &[ILLEGAL, ILLEGAL]), (vec![RDKafkaErrorCode::IllegalGeneration; 2], true));
        assert_eq!(says(ILLEGAL, &[OK, ILLEGAL]), (vec![RDKafkaErrorCode::IllegalGeneration], false));
        assert_eq!(says(OK, &[OK, ILLEGAL]), (vec![RDKafkaErrorCode::IllegalGeneration], false));
        assert_eq!(says(TRANSPORT, &[OK, OK]), (vec![RDKafkaErrorCode::BrokerTransportFailure], true));
    }
}
