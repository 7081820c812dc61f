//! Headers of a received record, whatever bytes their names are made of.
//!
//! The client's own iterator panics on a name that is not UTF-8, so one such record would stop a consumer for ever. This
//! module reads the same list through librdkafka instead.
#![expect(
    unsafe_code,
    reason = "librdkafka's header list has no other way in that cannot panic; the argument stands below"
)]

use std::{borrow::Cow, ffi::CStr, ptr, slice};

use rdkafka::{
    Message as _,
    bindings::{rd_kafka_header_get_all, rd_kafka_headers_t},
    error::IsError as _,
    message::{BorrowedHeaders, BorrowedMessage},
};

/// One header: its name, with replacement characters where it is not UTF-8, and its value.
pub type Header<'a> = (Cow<'a, str>, Option<&'a [u8]>);

/// The message's headers in their order.
pub fn read<'a>(message: &'a BorrowedMessage<'_>) -> Vec<Header<'a>> {
    message.headers().into_iter().flat_map(of_list).collect()
}

/// The headers of a list in their order.
pub fn of_list(list: &BorrowedHeaders) -> impl Iterator<Item = Header<'_>> {
    (0..).map_while(|index| get(list, index))
}

/// The first value of that name.
pub fn find<'a>(headers: &'a [Header<'_>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|(known, _)| known == name).and_then(|(_, value)| *value)
}

fn get(headers: &BorrowedHeaders, index: usize) -> Option<Header<'_>> {
    let list = ptr::from_ref(headers).cast::<rd_kafka_headers_t>();
    let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
    // SAFETY: `BorrowedHeaders` is how the client types a reference to librdkafka's own list: the address of one is the
    // address of the other. The list lives as long as the message, whose borrow the result carries on. librdkafka writes
    // the three places only if there is a header of that index: a name that ends in NUL, and `size` bytes of a value or a
    // null pointer, all owned by the list.
    unsafe {
        if rd_kafka_header_get_all(list, index, &mut name, &mut value, &mut size).is_error() {
            return None;
        }
        let name = CStr::from_ptr(name).to_string_lossy();
        let value = (!value.is_null()).then(|| slice::from_raw_parts(value.cast::<u8>(), size));
        Some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::bindings::{rd_kafka_header_add, rd_kafka_headers_destroy, rd_kafka_headers_new};

    use super::*;

    #[test]
    fn a_name_that_is_not_utf8_is_read_like_any_other() {
        // SAFETY: the list is made here, filled with bytes that are copied, read while it lives, and destroyed once.
        unsafe {
            let list = rd_kafka_headers_new(3);
            for (name, value) in [(&b"ce_id"[..], &b"1"[..]), (b"\xff\xfe", b"2"), (b"ce_type", b"\xff")] {
                let added = rd_kafka_header_add(
                    list,
                    name.as_ptr().cast(),
                    name.len() as isize,
                    value.as_ptr().cast(),
                    value.len() as isize,
                );
                assert!(!added.is_error());
            }
            let headers: Vec<Header<'_>> =
                (0..).map_while(|index| get(&*list.cast::<BorrowedHeaders>(), index)).collect();
            assert_eq!(
                headers.iter().map(|(name, _)| name.as_ref()).collect::<Vec<_>>(),
                ["ce_id", "\u{fffd}\u{fffd}", "ce_type"]
            );
            assert_eq!(find(&headers, "ce_type"), Some(&b"\xff"[..]));
            assert_eq!(find(&headers, "ce_time"), None);
            rd_kafka_headers_destroy(list);
        }
    }
}
