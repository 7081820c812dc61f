//! Dead letters in the words of the API.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::time::Timestamp;
use wire::dead_letters::{DeadLetter, Encoding, Payload, Replay};

/// A dead letter as it is shown.
pub(crate) fn letter(found: ::store::DeadLetter) -> DeadLetter {
    let replay = (found.claimed_ms > 0).then(|| Replay {
        claimed_at: rfc3339(found.claimed_ms),
        confirmed: found.replayed,
        offset: found.replayed.then_some(found.replay_offset),
    });
    DeadLetter {
        place: format!("{}/{}/{}", found.topic, found.partition, found.offset),
        received_at: rfc3339(found.received_ms),
        payload: found.payload.map(|beginning| payload(&beginning, found.bytes.unwrap_or_default())),
        topic: found.topic,
        partition: found.partition,
        offset: found.offset,
        reason: found.reason,
        pointer: found.pointer,
        detail: found.detail,
        r#type: Some(found.event_type).filter(|claimed| !claimed.is_empty()),
        bytes: found.bytes,
        replay,
    }
}

/// The `beginning` of a payload of so many bytes.
fn payload(beginning: &[u8], bytes: u64) -> Payload {
    let cut = (beginning.len() as u64) < bytes;
    let text = match std::str::from_utf8(beginning) {
        Ok(text) => Some(text),
        // The cut went through a character.
        Err(error) if cut && error.error_len().is_none() => std::str::from_utf8(&beginning[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    match text {
        Some(text) => Payload { encoding: Encoding::Utf8, text: text.to_owned(), cut },
        None => Payload { encoding: Encoding::Base64, text: STANDARD.encode(beginning), cut },
    }
}

fn rfc3339(ms: i64) -> String {
    Timestamp(ms.saturating_mul(1_000)).to_rfc3339()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_text_where_it_is_text_also_if_a_character_was_cut() {
        let shown = |bytes: &[u8], of| {
            let Payload { encoding, text, cut } = payload(bytes, of);
            (encoding == Encoding::Utf8, text, cut)
        };
        assert_eq!(shown("né".as_bytes(), 3), (true, "né".to_owned(), false));
        assert_eq!(shown(&"né".as_bytes()[..2], 3), (true, "n".to_owned(), true));
        assert_eq!(shown(&"né".as_bytes()[..2], 2), (false, "bsM=".to_owned(), false));
        assert_eq!(shown(&[0xff, 0x41], 9), (false, "/0E=".to_owned(), true));
    }
}
