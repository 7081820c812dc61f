//! A partition's records, in batches, borrowed from librdkafka.
//!
//! The client crate hands out one record at a time, each by an event of its own. librdkafka itself fills an array of them in
//! one call; this module makes that call, lends the records while they are read, and gives them back.
#![expect(unsafe_code, reason = "the client crate has no batches; the argument stands at each call")]

use std::{
    ffi::{CString, c_void},
    marker::PhantomData,
    ptr::{self, NonNull},
    slice,
    sync::Arc,
};

use anyhow::Context as _;
use kit::headers::Header;
use protocol::TopicPartition;
use rdkafka::{
    bindings::{
        rd_kafka_consume_batch_queue, rd_kafka_message_destroy, rd_kafka_message_t, rd_kafka_message_timestamp,
        rd_kafka_queue_destroy, rd_kafka_queue_get_partition, rd_kafka_queue_t, rd_kafka_timestamp_type_t,
    },
    consumer::{Consumer as _, base_consumer::PartitionQueue},
    error::{IsError as _, RDKafkaErrorCode},
};

use super::{Consumer, context::Context, headers};

/// The queue of one partition.
pub(crate) struct Queue {
    raw: NonNull<rd_kafka_queue_t>,
    messages: Vec<*mut rd_kafka_message_t>,
    /// Keeps the partition split off, its callback in place, and the client alive for as long as `raw` is used.
    _split: PartitionQueue<Context>,
}

/// Some records of one partition, in order, lent by librdkafka.
pub(crate) struct Messages<'q> {
    messages: &'q mut Vec<*mut rd_kafka_message_t>,
}

/// A record, or what went wrong with the partition.
#[derive(Clone, Copy)]
pub(crate) struct Message<'m> {
    /// Not a reference: headers are read from what lies behind it.
    raw: *const rd_kafka_message_t,
    _lent: PhantomData<&'m Messages<'m>>,
}

impl Queue {
    /// Takes the partition's records out of the common queue. `wake` is called when it is no longer empty.
    pub(super) fn split(
        consumer: &Arc<Consumer>,
        partition: TopicPartition,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> anyhow::Result<Self> {
        let (topic, number) = (partition.topic.0, partition.partition.0);
        let mut split = consumer.split_partition_queue(topic, number).context("the partition has no queue")?;
        split.set_nonempty_callback(move || wake());
        let topic = CString::new(topic)?;
        // SAFETY: the client lives, as `split` holds it; the name ends in NUL. The call counts a reference to the queue, which
        // is given back once, in `drop`.
        let raw = unsafe { rd_kafka_queue_get_partition(consumer.client().native_ptr(), topic.as_ptr(), number) };
        Ok(Self { raw: NonNull::new(raw).context("the partition has no queue")?, messages: Vec::new(), _split: split })
    }

    /// What is there now, at most `records_max` records; does not wait. What a seek has made stale is not among it.
    pub(crate) fn take(&mut self, records_max: usize) -> Messages<'_> {
        self.messages.clear();
        self.messages.resize(records_max, ptr::null_mut());
        // SAFETY: `raw` is a queue that we hold a reference to, and the array has room for `records_max` pointers. Those that
        // are filled, from the first on, are ours until `rd_kafka_message_destroy`.
        let count =
            unsafe { rd_kafka_consume_batch_queue(self.raw.as_ptr(), 0, self.messages.as_mut_ptr(), records_max) };
        self.messages.truncate(usize::try_from(count).unwrap_or_default());
        Messages { messages: &mut self.messages }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: gives back the one reference that `split` took; fields drop after this, so the client still lives.
        unsafe { rd_kafka_queue_destroy(self.raw.as_ptr()) }
    }
}

impl Messages<'_> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Each of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        self.messages.iter().map(|message| Message { raw: *message, _lent: PhantomData })
    }
}

impl Drop for Messages<'_> {
    fn drop(&mut self) {
        for message in self.messages.drain(..) {
            // SAFETY: ours, destroyed once, and no borrow of it is left.
            unsafe { rd_kafka_message_destroy(message) }
        }
    }
}

impl<'m> Message<'m> {
    /// What went wrong with the partition; then there is no record.
    pub(crate) fn error(self) -> Option<RDKafkaErrorCode> {
        let code = self.get().err;
        code.is_error().then(|| code.into())
    }

    pub(crate) fn offset(self) -> i64 {
        self.get().offset
    }

    pub(crate) fn key(self) -> Option<&'m [u8]> {
        bytes(self.get().key, self.get().key_len)
    }

    pub(crate) fn payload(self) -> Option<&'m [u8]> {
        bytes(self.get().payload, self.get().len)
    }

    /// When Kafka received it, Unix time in milliseconds; 0 when Kafka does not say.
    pub(crate) fn timestamp_ms(self) -> i64 {
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: reads the message and writes the place.
        let timestamp = unsafe { rd_kafka_message_timestamp(self.raw, &mut kind) };
        if kind == rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE { 0 } else { timestamp }
    }

    /// Appends its headers in their order; an error has none.
    pub(crate) fn read_headers(self, out: &mut Vec<Header<'m>>) {
        if self.error().is_none() {
            // SAFETY: a record that librdkafka has handed out, and that is ours until the `Messages` drop.
            unsafe { headers::read(self.raw, out) }
        }
    }

    fn get(self) -> &'m rd_kafka_message_t {
        // SAFETY: librdkafka filled the place with a message that is ours until the `Messages` drop, which outlives the borrow.
        unsafe { &*self.raw }
    }
}

/// Null and empty are different things: a record without a value, and one with a value of no bytes.
fn bytes<'m>(start: *mut c_void, length: usize) -> Option<&'m [u8]> {
    // SAFETY: librdkafka gives null, or `length` bytes that live as long as the message; the callers tie the lifetime to it.
    NonNull::new(start).map(|start| unsafe { slice::from_raw_parts(start.cast::<u8>().as_ptr(), length) })
}
