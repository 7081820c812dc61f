//! Server-sent events, encoded once for all who read them.

use axum::body::Bytes;

/// The name of the event that carries a newly published ranking.
const PUBLISHED: &[u8] = b"event: ranking.published\n";

/// Opens an event that carries the current ranking because some before it may be missing.
const RESET: Bytes = Bytes::from_static(b"event: reset\n");

/// The stream's first words: come back a second after it broke.
pub(crate) const RETRY: Bytes = Bytes::from_static(b"retry: 1000\n\n");

/// Says that the stream still stands. It is a comment, which readers pass over.
pub(crate) const KEEP_ALIVE: Bytes = Bytes::from_static(b":\n\n");

/// The stream's last words when this server stops: another one, or the next, continues.
pub(crate) const STOPPING: Bytes = Bytes::from_static(b": the server is stopping; come back\nretry: 1000\n\n");

/// The stream's last words when its team is gone.
pub(crate) const REMOVED: Bytes = Bytes::from_static(b"event: team.removed\ndata: {}\n\n");

/// A ranking as an event: `ranking.published`, or `reset` with the same id and data.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    encoded: Bytes,
    data_at: usize,
}

impl Event {
    /// The event of `snapshot`; `data` is JSON on one line.
    pub(crate) fn published(snapshot: &str, data: &[u8]) -> Self {
        let head = [PUBLISHED, b"id: ", snapshot.as_bytes(), b"\ndata: "].concat();
        let data_at = head.len();
        Self { encoded: Bytes::from([&head, data, END].concat()), data_at }
    }

    /// Its data, in the same memory.
    pub(crate) fn data(&self) -> Bytes {
        self.encoded.slice(self.data_at..self.encoded.len() - END.len())
    }

    /// As it goes over the wire.
    pub(crate) fn encoded(&self) -> Bytes {
        self.encoded.clone()
    }

    /// The same as a reset, in two pieces.
    pub(crate) fn reset(&self) -> [Bytes; 2] {
        [RESET, self.encoded.slice(PUBLISHED.len()..)]
    }
}

const END: &[u8] = b"\n\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_and_its_reset_share_id_and_data() {
        let event = Event::published("s1", br#"{"a":1}"#);
        assert_eq!(event.encoded(), "event: ranking.published\nid: s1\ndata: {\"a\":1}\n\n");
        assert_eq!(event.reset().concat(), b"event: reset\nid: s1\ndata: {\"a\":1}\n\n");
        assert_eq!(event.data(), r#"{"a":1}"#);
    }
}
