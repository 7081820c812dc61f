//! A batch of records as Kafka stores it (version 2), LZ4 as the SDK's producer sends it, with places that change.

use std::ops::Range;

use anyhow::{Context as _, ensure};
use bytes::BufMut as _;
use flywheel_sdk::Record;
use rand_chacha::ChaCha8Rng;

use super::block;
use crate::backlog::now_us;

/// An id's last digits count the events; the rest of it stays.
const ID_DIGITS: usize = 12;
const ID_HEADER: &str = "ce_id";
pub(super) const TIME_HEADER: &str = "ce_time";
/// What a block of LZ4 may hold, by the frame's head below.
const BLOCK_BYTES_MAX: usize = 64 << 10;
/// LZ4's frame: blocks that stand alone, of 64 KiB of text at most, without checksums; the last byte is the head's own.
const FRAME_HEAD: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
const FRAME_END: [u8; 4] = [0; 4];
const LZ4: i16 = 3;
const NO_PRODUCER: i64 = -1;
/// The checksum is of everything behind it.
const CHECKSUM: Range<usize> = 17..21;

/// A record to be.
pub(super) struct Draft {
    pub(super) record: Record,
    /// Whether its time is when it is sent.
    pub(super) sent_now: bool,
}

/// A batch that is sent again and again, with other ids.
pub(super) struct Batch {
    bytes: Vec<u8>,
    records: u64,
    places: Vec<Place>,
}

/// Where bytes change.
#[derive(Clone, Debug)]
struct Place {
    at: Range<usize>,
    holds: Holds,
}

#[derive(Clone, Copy, Debug)]
enum Holds {
    Id,
    Time,
}

impl Batch {
    /// Encodes records. They have no ids until [`Self::stamp`].
    ///
    /// # Errors
    /// When a record is not as the SDK makes it.
    pub(super) fn new(drafts: &[Draft], rng: &mut ChaCha8Rng) -> anyhow::Result<Self> {
        let last = i32::try_from(drafts.len())? - 1;
        ensure!(last >= 0, "a batch without records");
        let now_ms = i64::try_from(now_us() / 1_000)?;
        let mut bytes = Vec::new();
        bytes.put_i64(0); // first offset: the broker's
        bytes.put_i32(0); // length, below
        bytes.put_i32(-1); // the leader's epoch: not known
        bytes.put_i8(2); // version
        bytes.put_u32(0); // checksum, with every stamp
        bytes.put_i16(LZ4);
        bytes.put_i32(last);
        bytes.put_i64(now_ms); // first and last timestamp: the topic's own take their place
        bytes.put_i64(now_ms);
        bytes.put_i64(NO_PRODUCER);
        bytes.put_i16(-1);
        bytes.put_i32(-1);
        bytes.put_i32(last + 1);
        let places = put_frame(&mut bytes, drafts, rng)?;
        let length = i32::try_from(bytes.len() - 12)?;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        Ok(Self { bytes, records: drafts.len() as u64, places })
    }

    /// How many records.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Gives the records ids that count from `first`, and `now`, as their header has it, to those that are of now.
    pub(super) fn stamp(&mut self, first: u64, now: &[u8]) {
        let mut number = first;
        for Place { at, holds } in &self.places {
            let place = &mut self.bytes[at.clone()];
            match holds {
                Holds::Id => {
                    place.copy_from_slice(&id_digits(number));
                    number += 1;
                }
                Holds::Time => place.copy_from_slice(now),
            }
        }
        let checksum = crc32c::crc32c(&self.bytes[CHECKSUM.end..]);
        self.bytes[CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
    }

    /// As they go into a request.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A record's header.
///
/// # Errors
/// When it has none of that name.
pub(super) fn header<'a>(record: &'a Record, name: &str) -> anyhow::Result<&'a [u8]> {
    let found = record.headers.iter().find(|(of, _)| of == name);
    Ok(found.with_context(|| format!("a record without {name}"))?.1.as_slice())
}

/// Writes the records as LZ4; no record lies in two blocks.
fn put_frame(bytes: &mut Vec<u8>, drafts: &[Draft], rng: &mut ChaCha8Rng) -> anyhow::Result<Vec<Place>> {
    let mut all = Vec::new();
    let mut put_block = |text: Vec<u8>, mut places: Vec<Place>, bytes: &mut Vec<u8>| {
        ensure!(text.len() <= BLOCK_BYTES_MAX, "a record does not fit into a block");
        let at: Vec<_> = places.iter().map(|place| place.at.clone()).collect();
        let (block, found) = block::compress(text, &at, rng)?;
        bytes.put_u32_le(u32::try_from(block.len())?);
        let start = bytes.len();
        bytes.extend_from_slice(&block);
        places.iter_mut().zip(found).for_each(|(place, found)| place.at = start + found.start..start + found.end);
        all.append(&mut places);
        Ok(())
    };
    bytes.extend_from_slice(&FRAME_HEAD);
    let (mut text, mut places) = (Vec::new(), Vec::new());
    for (number, draft) in drafts.iter().enumerate() {
        let (record, of_record) = encode(draft, number)?;
        let full = places.len() + of_record.len() > block::PLACES_MAX;
        if full || text.len() + record.len() > BLOCK_BYTES_MAX {
            put_block(std::mem::take(&mut text), std::mem::take(&mut places), bytes)?;
        }
        let start = text.len();
        places.extend(
            of_record.into_iter().map(|Place { at, holds }| Place { at: start + at.start..start + at.end, holds }),
        );
        text.extend_from_slice(&record);
    }
    put_block(text, places, bytes)?;
    bytes.extend_from_slice(&FRAME_END);
    Ok(all)
}

/// A record's bytes, and what changes in them.
fn encode(draft: &Draft, number: usize) -> anyhow::Result<(Vec<u8>, Vec<Place>)> {
    let Draft { record, sent_now } = draft;
    let mut body = vec![0]; // attributes: none
    put_varint(&mut body, 0); // milliseconds since the batch's first
    put_varint(&mut body, i64::try_from(number)?);
    put_text(&mut body, record.key.as_bytes())?;
    put_text(&mut body, record.payload.as_deref().context("a record without a body")?)?;
    put_varint(&mut body, i64::try_from(record.headers.len())?);
    let mut places = Vec::new();
    for (name, value) in &record.headers {
        put_text(&mut body, name.as_bytes())?;
        put_text(&mut body, value)?;
        let end = body.len();
        if name == ID_HEADER {
            ensure!(value.len() == 36, "an id that is not a UUID");
            places.push(Place { at: end - ID_DIGITS..end, holds: Holds::Id });
        } else if name == TIME_HEADER && *sent_now {
            places.push(Place { at: end - value.len()..end, holds: Holds::Time });
        }
    }
    let mut bytes = Vec::with_capacity(body.len() + 5);
    put_varint(&mut bytes, i64::try_from(body.len())?);
    let head = bytes.len();
    bytes.append(&mut body);
    places.iter_mut().for_each(|place| place.at = head + place.at.start..head + place.at.end);
    Ok((bytes, places))
}

fn put_text(bytes: &mut Vec<u8>, text: &[u8]) -> anyhow::Result<()> {
    put_varint(bytes, i64::try_from(text.len())?);
    bytes.extend_from_slice(text);
    Ok(())
}

/// Small numbers of either sign in few bytes.
fn put_varint(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// The lowest bits of a number in hexadecimal.
fn id_digits(number: u64) -> [u8; ID_DIGITS] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|digit| DIGITS[(number >> (4 * (ID_DIGITS - 1 - digit)) & 0xf) as usize])
}
