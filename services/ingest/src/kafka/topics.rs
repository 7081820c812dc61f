//! Which topics these are: a topic that is deleted and made again keeps its name, and nothing else.
#![expect(unsafe_code, reason = "the client crate does not tell topics' ids; the argument stands at each use")]

use std::{
    collections::BTreeMap,
    ffi::{CStr, CString},
    ptr::{self, NonNull},
    slice,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use rdkafka::{
    bindings::{
        rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new, rd_kafka_AdminOptions_set_request_timeout,
        rd_kafka_DescribeTopics, rd_kafka_DescribeTopics_result_topics, rd_kafka_TopicCollection_destroy,
        rd_kafka_TopicCollection_of_topic_names, rd_kafka_TopicDescription_error, rd_kafka_TopicDescription_name,
        rd_kafka_TopicDescription_t, rd_kafka_TopicDescription_topic_id, rd_kafka_Uuid_least_significant_bits,
        rd_kafka_Uuid_most_significant_bits, rd_kafka_admin_op_t, rd_kafka_error_code,
        rd_kafka_event_DescribeTopics_result, rd_kafka_event_destroy, rd_kafka_event_error, rd_kafka_event_t,
        rd_kafka_queue_destroy, rd_kafka_queue_new, rd_kafka_queue_poll,
    },
    consumer::Consumer as _,
    error::IsError as _,
};
use wire::topics::INPUTS;

use super::Consumer;

/// A hash of each input topic's id, without those that do not exist. Blocks the thread.
///
/// # Errors
/// When Kafka does not answer within `answer_max`.
pub(crate) fn topic_ids(consumer: &Consumer, answer_max: Duration) -> anyhow::Result<BTreeMap<&'static str, u32>> {
    let names: Vec<CString> = INPUTS.into_iter().map(CString::new).collect::<Result<_, _>>()?;
    let mut names: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let answer_ms = i32::try_from(answer_max.as_millis())?;
    let client = consumer.client().native_ptr();
    // SAFETY: the client lives, as `consumer` holds it; the names end in NUL and outlive the call that copies them. Options,
    // collection and queue are ours and destroyed once: the first two after the call that reads them, the queue after its
    // event. An error text is not asked for, so its buffer may be null and of no length.
    let event = unsafe {
        let options = rd_kafka_AdminOptions_new(client, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
        rd_kafka_AdminOptions_set_request_timeout(options, answer_ms, ptr::null_mut(), 0);
        let topics = rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        let queue = rd_kafka_queue_new(client);
        rd_kafka_DescribeTopics(client, topics, options, queue);
        let event = rd_kafka_queue_poll(queue, answer_ms);
        rd_kafka_TopicCollection_destroy(topics);
        rd_kafka_AdminOptions_destroy(options);
        rd_kafka_queue_destroy(queue);
        event
    };
    let event = Event(NonNull::new(event).context("Kafka does not say which topics these are")?);
    // SAFETY: the event lives until `event` is dropped.
    let error = unsafe { rd_kafka_event_error(event.0.as_ptr()) };
    ensure!(!error.is_error(), "Kafka does not say which topics these are: {:?}", error);
    Ok(described(&event).iter().filter_map(|topic| id(topic)).collect())
}

/// An answer; given back when dropped.
struct Event(NonNull<rd_kafka_event_t>);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once; what it lends is borrowed from it.
        unsafe { rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

fn described(event: &Event) -> &[&rd_kafka_TopicDescription_t] {
    // SAFETY: null where the event is another's result; otherwise an array of `count` descriptions, none of them null, that
    // live as long as the event.
    unsafe {
        let result = rd_kafka_event_DescribeTopics_result(event.0.as_ptr());
        if result.is_null() {
            return &[];
        }
        let mut count = 0;
        let topics = rd_kafka_DescribeTopics_result_topics(result, &mut count);
        if topics.is_null() || count == 0 { &[] } else { slice::from_raw_parts(topics.cast(), count) }
    }
}

/// The topic's name and the hash of its id, if it exists.
fn id(topic: &rd_kafka_TopicDescription_t) -> Option<(&'static str, u32)> {
    // SAFETY: reads a description that lives; its error is null or lives as long, its name ends in NUL, and its id is never
    // null.
    let (exists, name, high, low) = unsafe {
        let error = rd_kafka_TopicDescription_error(topic);
        let uuid = rd_kafka_TopicDescription_topic_id(topic);
        (
            error.is_null() || !rd_kafka_error_code(error).is_error(),
            CStr::from_ptr(rd_kafka_TopicDescription_name(topic)),
            rd_kafka_Uuid_most_significant_bits(uuid),
            rd_kafka_Uuid_least_significant_bits(uuid),
        )
    };
    let name = INPUTS.into_iter().find(|input| exists && input.as_bytes() == name.to_bytes())?;
    Some((name, folded(high, low)))
}

/// The id is random already, so that any part of it is as good as a hash.
fn folded(high: i64, low: i64) -> u32 {
    let both = high ^ low;
    (both ^ (both >> 32)) as u32
}
