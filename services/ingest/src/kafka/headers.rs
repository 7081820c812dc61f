//! A record's headers, read where librdkafka keeps them.
//!
//! librdkafka hands headers out as a list, which it makes anew for each record: a buffer to read from, the list, and an entry
//! for each header, ten allocations together. That was a tenth of ingest's time, and what it is made of lies in memory as
//! Kafka sent it. This module reads that, and falls back on the list whenever anything looks unlike what it knows.
#![expect(unsafe_code, reason = "librdkafka hands out no headers but by its list; the argument stands below")]

use std::{
    borrow::Cow,
    ffi::{c_int, c_void},
    ptr, slice,
};

use kit::headers::Header;
use rdkafka::{
    bindings::{rd_kafka_headers_t, rd_kafka_message_headers, rd_kafka_message_t, rd_kafka_version},
    error::IsError as _,
    message::BorrowedHeaders,
};

/// The librdkafka whose memory is laid out as [`Internal`] says: 2.12.1. With another one all headers come from the list; who
/// changes the version compares `rd_kafka_msg_t` in its `rdkafka_msg.h`, and changes both.
const VERSION: c_int = 0x020c_01ff;

/// Records with more headers have none by librdkafka's list.
const HEADERS_MAX: usize = 100_000;

/// The beginning of librdkafka's `rd_kafka_msg_t`, whose own beginning is the message that it hands out.
#[repr(C)]
struct Internal {
    message: rd_kafka_message_t,
    link: [*mut c_void; 2],
    flags: c_int,
    timestamp_type: c_int,
    timestamp_ms: i64,
    list: *mut rd_kafka_headers_t,
    status: c_int,
    broker_id: i32,
    /// Of a record that was received: its headers as they came.
    headers_bytes: i32,
    headers: *const u8,
}

/// Appends the headers of a received record, in their order.
///
/// # Safety
/// librdkafka has filled `message`, for a record and not for an error, and does not free it during `'m`.
pub(super) unsafe fn read<'m>(message: *const rd_kafka_message_t, out: &mut Vec<Header<'m>>) {
    let before = out.len();
    // SAFETY: as the caller says.
    if unsafe { received(message) }.and_then(|bytes| parse(bytes, out)).is_none() {
        out.truncate(before);
        // SAFETY: as the caller says.
        out.extend(unsafe { listed(message) }.into_iter().flat_map(kit::headers::of_list));
    }
}

/// The headers as Kafka sent them, if that is where we know them to be.
///
/// # Safety
/// As for [`read`].
unsafe fn received<'m>(message: *const rd_kafka_message_t) -> Option<&'m [u8]> {
    // SAFETY: this function reads nothing.
    if unsafe { rd_kafka_version() } != VERSION {
        return None;
    }
    // SAFETY: the message is the beginning of one that is laid out like this: the version is the one that says so, and this
    // librdkafka fills an array with no messages but those.
    let Internal { message, headers, headers_bytes, .. } = unsafe { &*message.cast::<Internal>() };
    let length = usize::try_from(*headers_bytes).ok()?;
    // In Kafka's record the headers follow the value, unless it is empty: nothing else has that address.
    let follows =
        !message.payload.is_null() && ptr::eq(message.payload.cast::<u8>().wrapping_add(message.len), *headers);
    // SAFETY: the record's own bytes, which live as long as the message.
    (follows && length > 0).then(|| unsafe { slice::from_raw_parts(*headers, length) })
}

/// The list that librdkafka makes of them.
///
/// # Safety
/// As for [`read`].
unsafe fn listed<'m>(message: *const rd_kafka_message_t) -> Option<&'m BorrowedHeaders> {
    let mut list = ptr::null_mut();
    // SAFETY: reads the message, whose list of headers is made on the first call and lives as long as the message;
    // `BorrowedHeaders` is how the client types a reference to such a list.
    unsafe {
        let absent = rd_kafka_message_headers(message, &mut list).is_error();
        (!absent && !list.is_null()).then(|| &*list.cast::<BorrowedHeaders>())
    }
}

/// Reads headers as Kafka's record format has them: how many, then each one's name and value, both after their length.
/// Nothing, when they are not well formed.
fn parse<'m>(bytes: &'m [u8], out: &mut Vec<Header<'m>>) -> Option<()> {
    let mut rest = bytes;
    let count = usize::try_from(varint(&mut rest)?).ok().filter(|count| *count <= HEADERS_MAX)?;
    for _ in 0..count {
        let length = usize::try_from(varint(&mut rest)?).ok()?;
        let name = rest.split_off(..length)?;
        let value = match varint(&mut rest)? {
            -1 => None,
            length => Some(rest.split_off(..usize::try_from(length).ok()?)?),
        };
        out.push((text(name)?, value));
    }
    Some(())
}

/// A name; the usual ones without looking at each byte. One that the list would cut at a NUL is left to the list.
fn text(name: &[u8]) -> Option<Cow<'_, str>> {
    Some(Cow::Borrowed(match name {
        b"ce_id" => "ce_id",
        b"ce_type" => "ce_type",
        b"ce_time" => "ce_time",
        b"ce_source" => "ce_source",
        b"ce_specversion" => "ce_specversion",
        b"content-type" => "content-type",
        _ if name.contains(&0) => return None,
        _ => return Some(String::from_utf8_lossy(name)),
    }))
}

/// A number of Kafka's record format: seven bits a byte, the lowest first, the sign in the lowest bit of all.
fn varint(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rdkafka::{
        ClientConfig, Offset, TopicPartitionList,
        bindings::{rd_kafka_consumer_poll, rd_kafka_message_destroy},
        consumer::{BaseConsumer, Consumer as _},
        message::{Header as Written, OwnedHeaders},
        mocking::MockCluster,
        producer::{BaseProducer, BaseRecord, Producer as _},
    };

    use super::*;

    const WAIT_MAX: Duration = Duration::from_secs(30);

    /// Headers as they are sent: names and values.
    type Sent = &'static [(&'static str, Option<&'static [u8]>)];

    const SENT: [Sent; 5] = [
        &[("ce_id", Some(b"1")), ("ce_type", Some(b"t")), ("content-type", Some(b"application/json")), ("ce_id", None)],
        &[],
        &[("x", Some(b""))],
        &[("", Some(&[b'x'; 300])), ("\u{e9}", Some(b"\xff\0"))],
        &[("traceparent", Some(b"00"))],
    ];
    const VALUES: [Option<&[u8]>; 3] = [Some(b"{}"), Some(b""), None];

    /// Fails with a librdkafka of another version until somebody has compared: see [`VERSION`].
    #[test]
    fn a_received_record_has_its_headers_where_they_are_looked_for() {
        let cluster = MockCluster::new(1).expect("a cluster");
        let settings = |name, value| {
            let mut settings = ClientConfig::new();
            settings.set("bootstrap.servers", cluster.bootstrap_servers()).set(name, value);
            settings
        };
        for compression in ["none", "lz4", "gzip"] {
            let producer: BaseProducer = settings("compression.type", compression).create().expect("a producer");
            for (headers, value) in SENT.iter().flat_map(|headers| VALUES.map(|value| (headers, value))) {
                let headers = headers
                    .iter()
                    .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Written { key, value: *value }));
                let record = BaseRecord::<[u8], [u8]>::to(compression).partition(0).headers(headers);
                let record = BaseRecord { payload: value, ..record };
                producer.send(record).map_err(|(error, _)| error).expect("it is queued");
            }
            producer.flush(WAIT_MAX).expect("it is sent");
            let consumer: BaseConsumer = settings("group.id", "g").create().expect("a consumer");
            let mut assignment = TopicPartitionList::new();
            assignment.add_partition_offset(compression, 0, Offset::Beginning).expect("an offset");
            consumer.assign(&assignment).expect("it is assigned");
            for (headers, value) in SENT.iter().flat_map(|headers| VALUES.map(|value| (headers, value))) {
                check(&consumer, headers, value);
            }
        }
    }

    /// Receives the next record, which was sent like this, and reads its headers both ways.
    fn check(consumer: &BaseConsumer, sent: Sent, value: Option<&[u8]>) {
        let begun = Instant::now();
        // SAFETY: the client lives; the message is ours, not freed before its headers were compared, and freed once.
        unsafe {
            let message = loop {
                let message = rd_kafka_consumer_poll(consumer.client().native_ptr(), 100);
                if !message.is_null() && !(*message).err.is_error() {
                    break message;
                }
                assert!(begun.elapsed() < WAIT_MAX, "no record came");
            };
            let mut found = Vec::new();
            let looked = received(message).and_then(|bytes| parse(bytes, &mut found)).is_some();
            let mut read_all = Vec::new();
            read(message, &mut read_all);
            let list: Vec<_> = listed(message).into_iter().flat_map(kit::headers::of_list).collect();
            let sent: Vec<Header<'_>> = sent.iter().map(|(name, value)| (Cow::Borrowed(*name), *value)).collect();
            let alike = [list == sent, read_all == sent, !looked || found == sent];
            // Before anything may fail: the client waits for it when it is dropped.
            rd_kafka_message_destroy(message);
            // Without a value there is nothing that they could follow.
            let expected = value.is_some_and(|value| !value.is_empty());
            assert_eq!(looked, expected, "librdkafka {:#x} has another layout", rd_kafka_version());
            assert_eq!(alike, [true; 3], "{sent:?}");
        }
    }

    fn zigzag(number: i64) -> Vec<u8> {
        let mut value = ((number << 1) ^ (number >> 63)).cast_unsigned();
        let mut out = Vec::new();
        while value >= 0x80 {
            out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    }

    fn written(headers: &[(&[u8], Option<&[u8]>)]) -> Vec<u8> {
        let mut out = zigzag(headers.len() as i64);
        for (name, value) in headers {
            out.extend(zigzag(name.len() as i64));
            out.extend_from_slice(name);
            out.extend(zigzag(value.map_or(-1, |value| value.len() as i64)));
            out.extend_from_slice(value.unwrap_or_default());
        }
        out
    }

    #[test]
    fn headers_are_read_as_they_were_written() {
        let long = vec![b'x'; 10_000];
        let headers: [(&[u8], Option<&[u8]>); 6] = [
            (b"ce_id", Some(b"1")),
            (b"ce_id", Some(b"")),
            (b"", Some(&long)),
            (b"CE_TYPE", None),
            (b"\xff", Some(b"\0")),
            (&long, Some(b"\xff")),
        ];
        let bytes = written(&headers);
        let mut read = Vec::new();
        parse(&bytes, &mut read).expect("they are well formed");
        let expected: Vec<Header<'_>> =
            headers.iter().map(|(name, value)| (String::from_utf8_lossy(name), *value)).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn numbers_are_read_up_to_the_greatest() {
        for number in [0, 1, -1, 63, 64, -64, -65, 300, i64::MAX, i64::MIN] {
            let bytes = zigzag(number);
            assert_eq!(varint(&mut bytes.as_slice()), Some(number));
            assert_eq!(varint(&mut &bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(varint(&mut [0x80; 11].as_slice()), None);
    }

    #[test]
    fn what_is_cut_short_or_has_a_nul_in_a_name_is_left_to_the_list() {
        let bytes = written(&[(b"ce_id", Some(b"1")), (b"x", None), (b"traceparent", Some(b"00"))]);
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length], &mut Vec::new()).is_none(), "{length} bytes");
        }
        assert!(parse(&written(&[(b"ce_id\0x", Some(b"1"))]), &mut Vec::new()).is_none());
        assert!(parse(&zigzag(-1), &mut Vec::new()).is_none());
        assert!(parse(&[2, 1, 0], &mut Vec::new()).is_none(), "a name of negative length");
        assert!(parse(&[2, 0, 3], &mut Vec::new()).is_none(), "a value of length -2");
    }
}
