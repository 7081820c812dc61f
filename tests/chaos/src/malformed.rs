//! Ways to break a record, each with the reason that ingest must give.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::event::Headers;

/// One way to break a record in binary mode, whatever its event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Malformation {
    reason: &'static str,
    break_it: fn(&mut Headers, &mut Option<Vec<u8>>),
}

/// Over 1 MiB; rare, because each is kept whole.
const TOO_LARGE: Malformation = Malformation {
    reason: "too_large",
    break_it: |_, payload| payload.get_or_insert_default().resize(1_048_577, b' '),
};

const ALL: [Malformation; 18] = [
    Malformation { reason: "empty", break_it: |_, payload| *payload = None },
    Malformation { reason: "empty", break_it: |_, payload| *payload = Some(Vec::new()) },
    Malformation { reason: "invalid_utf8", break_it: |_, payload| payload.get_or_insert_default().push(0xff) },
    Malformation { reason: "not_json", break_it: |_, payload| payload.get_or_insert_default().truncate(9) },
    Malformation { reason: "not_an_object", break_it: |_, payload| *payload = Some(b"[1]".to_vec()) },
    Malformation {
        reason: "unsupported_content_type",
        break_it: |headers, _| set(headers, "content-type", "avro/binary"),
    },
    Malformation { reason: "missing_attribute", break_it: |headers, _| headers.retain(|(name, _)| name != "ce_id") },
    Malformation { reason: "invalid_attribute", break_it: |headers, _| set(headers, "ce_source", "") },
    Malformation { reason: "unsupported_specversion", break_it: |headers, _| set(headers, "ce_specversion", "0.3") },
    Malformation { reason: "unknown_type", break_it: |headers, _| set(headers, "ce_type", "org.example.other") },
    Malformation { reason: "invalid_time", break_it: |headers, _| set(headers, "ce_time", "yesterday") },
    Malformation { reason: "time_too_early", break_it: |headers, _| set(headers, "ce_time", "1999-12-31T23:59:59Z") },
    Malformation { reason: "time_too_late", break_it: |headers, _| set(headers, "ce_time", "9999-12-31T23:59:59Z") },
    Malformation { reason: "missing_field", break_it: |_, payload| *payload = Some(b"{}".to_vec()) },
    Malformation {
        reason: "duplicate_field",
        break_it: |headers, _| headers.push(("ce_id".to_owned(), b"2".to_vec())),
    },
    // The first member read is the account of an account, and the team of everything else.
    Malformation {
        reason: "null_value",
        break_it: |_, payload| *payload = Some(br#"{"team":null,"account":null}"#.to_vec()),
    },
    Malformation {
        reason: "wrong_type",
        break_it: |_, payload| *payload = Some(br#"{"team":7,"account":7}"#.to_vec()),
    },
    Malformation {
        reason: "invalid_id",
        break_it: |_, payload| *payload = Some(br#"{"team":"A B","account":"A B"}"#.to_vec()),
    },
];

/// Any of them.
pub(crate) fn draw(random: &mut ChaCha8Rng) -> Malformation {
    if random.random_range(0..400) == 0 { TOO_LARGE } else { ALL[random.random_range(0..ALL.len())] }
}

impl Malformation {
    /// Breaks the record, and returns the code of the reason.
    pub(crate) fn apply(self, headers: &mut Headers, payload: &mut Option<Vec<u8>>) -> &'static str {
        (self.break_it)(headers, payload);
        self.reason
    }
}

fn set(headers: &mut Headers, name: &str, value: &str) {
    for header in headers.iter_mut().filter(|(known, _)| known == name) {
        header.1 = value.as_bytes().to_vec();
    }
}
