//! The commit metadata that declares a partition's ranges.
//!
//! `v1;e=<epoch>;l=<low-water mark>;p=<range>,<range>,...` where a range is `<length>@<partition>:<first>+<length>`: its own
//! length, then the lead of its group. The first range starts at the low-water mark and each next one where the one before
//! ends, so a gap or an overlap cannot even be written down. ASCII, and at most [`BYTES_MAX`] bytes.

use thiserror::Error;

use crate::{
    ids::{Epoch, Offset, Partition},
    range::Range,
    token::Lead,
};

/// The most ranges that a partition may have declared at once.
pub const RANGES_MAX: usize = 4;

/// The longest metadata: four ranges, every number at its largest. Kafka's own limit is 4096 unless it is set lower.
pub const BYTES_MAX: usize = 261;

/// What a commit says about one partition, besides its offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The topic's incarnation.
    pub epoch: Epoch,
    /// The offset of the same commit: everything below it is durable.
    pub low: Offset,
    /// The declared ranges, from the low-water mark on without a gap. At most [`RANGES_MAX`].
    pub declared: Vec<Declared>,
}

/// A declared range and the group that it was declared in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The range.
    pub range: Range,
    /// Names the group.
    pub lead: Lead,
}

/// The metadata is not ours, or not whole. It must not be guessed at: rows may stand behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MetadataError {
    /// Another version, or another program's.
    #[error("it does not start with v1;")]
    Version,
    /// A field is missing, too many or not a number as we write it.
    #[error("it is not e=EPOCH;l=OFFSET;p=RANGES as this version writes it")]
    Form,
    /// A range is empty, or ends beyond the largest offset.
    #[error("a range is empty or beyond the largest offset")]
    Range,
    /// More ranges than a partition may declare.
    #[error("it declares more than {RANGES_MAX} ranges")]
    TooMany,
}

impl Metadata {
    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> String {
        let ranges: Vec<String> = self.declared.iter().map(Declared::encode).collect();
        format!("v1;e={};l={};p={}", self.epoch, self.low.0, ranges.join(","))
    }

    /// Reads what [`Metadata::encode`] wrote, and nothing else: what reads back must be the same bytes.
    ///
    /// # Errors
    /// [`MetadataError`] on anything else.
    pub fn parse(text: &str) -> Result<Self, MetadataError> {
        let fields = text.strip_prefix("v1;").ok_or(MetadataError::Version)?;
        let mut fields = fields.split(';');
        let epoch = Epoch(number(fields.next().and_then(|field| field.strip_prefix("e=")))?);
        let low = Offset(number(fields.next().and_then(|field| field.strip_prefix("l=")))?);
        let ranges = fields.next().and_then(|field| field.strip_prefix("p=")).ok_or(MetadataError::Form)?;
        let mut declared = Vec::new();
        let mut first = low;
        for range in ranges.split(',').filter(|_| !ranges.is_empty()) {
            if declared.len() == RANGES_MAX {
                return Err(MetadataError::TooMany);
            }
            let range = Declared::parse(first, range)?;
            first = range.range.end();
            declared.push(range);
        }
        let metadata = Self { epoch, low, declared };
        // Signs, leading zeros, further fields: one comparison refuses every other way to write the same.
        if metadata.encode() == text { Ok(metadata) } else { Err(MetadataError::Form) }
    }
}

impl Declared {
    fn encode(&self) -> String {
        let Lead { partition, range } = self.lead;
        format!("{}@{}:{}+{}", self.range.length(), partition.0, range.first().0, range.length())
    }

    fn parse(first: Offset, text: &str) -> Result<Self, MetadataError> {
        let (length, lead) = text.split_once('@').ok_or(MetadataError::Form)?;
        let (partition, lead) = lead.split_once(':').ok_or(MetadataError::Form)?;
        let (lead_first, lead_length) = lead.split_once('+').ok_or(MetadataError::Form)?;
        let range = Range::of_length(first, number(Some(length))?).ok_or(MetadataError::Range)?;
        let lead_range = Range::of_length(Offset(number(Some(lead_first))?), number(Some(lead_length))?);
        let partition: i32 = number(Some(partition))?;
        if partition < 0 {
            return Err(MetadataError::Form);
        }
        let lead = Lead { partition: Partition(partition), range: lead_range.ok_or(MetadataError::Range)? };
        Ok(Self { range, lead })
    }
}

fn number<N: std::str::FromStr>(text: Option<&str>) -> Result<N, MetadataError> {
    text.and_then(|text| text.parse().ok()).ok_or(MetadataError::Form)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lead() -> impl Strategy<Value = Lead> {
        (0..=i32::MAX, 0..=i64::MAX - i64::from(u32::MAX), 1..=u32::MAX).prop_map(|(partition, first, length)| Lead {
            partition: Partition(partition),
            range: Range::of_length(Offset(first), length).expect("in bounds"),
        })
    }

    fn metadata() -> impl Strategy<Value = Metadata> {
        let low = 0..=i64::MAX - 4 * i64::from(u32::MAX);
        let ranges = prop::collection::vec((1..=u32::MAX, lead()), 0..=RANGES_MAX);
        (any::<u64>().prop_map(Epoch), low, ranges).prop_map(|(epoch, low, ranges)| {
            let mut first = Offset(low);
            let declared = ranges.into_iter().map(|(length, lead)| {
                let range = Range::of_length(first, length).expect("in bounds");
                first = range.end();
                Declared { range, lead }
            });
            Metadata { epoch, low: Offset(low), declared: declared.collect() }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_and_is_short_ascii(metadata in metadata()) {
            let text = metadata.encode();
            prop_assert!(text.is_ascii() && text.len() <= BYTES_MAX, "{text}");
            prop_assert_eq!(Metadata::parse(&text), Ok(metadata));
        }

        #[test]
        fn a_changed_byte_is_refused_or_reads_as_what_it_then_says(
            metadata in metadata(), at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f,
        ) {
            let mut bytes = metadata.encode().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let text = String::from_utf8(bytes).expect("ascii");
            if let Ok(parsed) = Metadata::parse(&text) {
                prop_assert_eq!(parsed.encode(), text);
            }
        }

        #[test]
        fn a_cut_text_never_panics_and_never_reads_as_another_text(metadata in metadata(), cut in any::<prop::sample::Index>()) {
            let text = metadata.encode();
            let cut = &text[..cut.index(text.len())];
            if let Ok(parsed) = Metadata::parse(cut) {
                prop_assert_eq!(parsed.encode(), cut);
            }
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,64}") {
            if let Ok(parsed) = Metadata::parse(&text) {
                prop_assert_eq!(parsed.encode(), text);
            }
        }
    }

    #[test]
    fn the_longest_is_as_long_as_the_limit() {
        let most = Range::of_length(Offset(i64::MAX - i64::from(u32::MAX)), u32::MAX).expect("in bounds");
        let lead = Lead { partition: Partition(i32::MAX), range: most };
        let low = 9_000_000_000_000_000_000;
        let declared = (0..4).map(|n| {
            let first = Offset(low + n * i64::from(u32::MAX));
            Declared { range: Range::of_length(first, u32::MAX).expect("in bounds"), lead }
        });
        let metadata = Metadata { epoch: Epoch(u64::MAX), low: Offset(low), declared: declared.collect() };
        assert_eq!(metadata.encode().len(), BYTES_MAX);
    }

    #[test]
    fn what_this_version_did_not_write_is_refused_with_the_reason() {
        for (text, error) in [
            ("", MetadataError::Version),
            ("v2;e=0;l=5;p=", MetadataError::Version),
            ("v1;e=0;l=5", MetadataError::Form),
            ("v1;e=0;l=5;p=;", MetadataError::Form),
            ("v1;e=00;l=5;p=", MetadataError::Form),
            ("v1;e=0;l=+5;p=", MetadataError::Form),
            ("v1;e=0;l=5;p=3@-1:5+3", MetadataError::Form),
            ("v1;e=0;l=5;p=3@0:5+3,", MetadataError::Form),
            ("v1;e=0;l=5;p=0@0:5+3", MetadataError::Range),
            ("v1;e=0;l=-5;p=3@0:5+3", MetadataError::Range),
            ("v1;e=0;l=5;p=3@0:5+3,1@0:5+3,1@0:5+3,1@0:5+3,1@0:5+3", MetadataError::TooMany),
        ] {
            assert_eq!(Metadata::parse(text), Err(error), "{text}");
        }
    }
}
