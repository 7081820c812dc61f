//! What one connection is doing, told by those who drive it and read by whoever must decide which one goes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::ApiConfig;

/// The times that a connection may spend on its own side of the conversation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the head of a request, from its first byte; for the first one from the connection's beginning, so that a TLS
    /// handshake is in it.
    pub(crate) head_max: Duration,
    /// Between an answer and the next request's first byte.
    pub(crate) idle_max: Duration,
    /// For taking any part of an answer.
    pub(crate) write_max: Duration,
}

impl Patience {
    /// As configured.
    pub(crate) fn of(config: &ApiConfig) -> Self {
        Self {
            head_max: Duration::from_millis(config.head_ms_max),
            idle_max: Duration::from_millis(config.idle_ms_max),
            write_max: Duration::from_millis(config.write_ms_max),
        }
    }
}

/// Why a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// The head of a request took too long.
    Head,
    /// No further request came.
    Idle,
    /// The client takes nothing of the answer.
    Write,
}

impl Overdue {
    /// A fixed word for measurements.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Head => "slow_head",
            Self::Idle => "idle",
            Self::Write => "slow_reader",
        }
    }
}

/// One connection's seat.
///
/// One task drives a connection, so nothing here is contended; relaxed atomics let another read it at any time.
#[derive(Debug)]
pub(crate) struct Seat {
    opened: Instant,
    /// The phase in the two lowest bits, above them when it began, in milliseconds since `opened`.
    phase: AtomicU64,
    /// Since when a write waits for the client, in milliseconds since `opened`, and one more; 0 when none does.
    stalled: AtomicU64,
}

const HEAD: u64 = 0;
const ANSWER: u64 = 1;
const IDLE: u64 = 2;

impl Seat {
    /// The seat of a connection that has just been accepted and owes its first request.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { opened: Instant::now(), phase: AtomicU64::new(HEAD), stalled: AtomicU64::new(0) })
    }

    /// Bytes came: after an answer they begin the next request.
    pub(crate) fn received(&self) {
        if self.phase.load(Relaxed) & 3 == IDLE {
            self.begin(HEAD);
        }
    }

    /// A request is here; it is being answered until the guard goes.
    pub(crate) fn answer(self: &Arc<Self>) -> Answering {
        self.begin(ANSWER);
        Answering(Arc::clone(self))
    }

    /// A write waits for the client.
    pub(crate) fn stalls(&self) {
        if self.stalled.load(Relaxed) == 0 {
            self.stalled.store(self.now_ms() + 1, Relaxed);
        }
    }

    /// A write went on.
    pub(crate) fn flows(&self) {
        if self.stalled.load(Relaxed) != 0 {
            self.stalled.store(0, Relaxed);
        }
    }

    /// Why this connection must go now, if it must.
    pub(crate) fn overdue(&self, patience: &Patience) -> Option<Overdue> {
        if self.stalled_for().is_some_and(|stalled| stalled > patience.write_max) {
            return Some(Overdue::Write);
        }
        let (phase, since) = self.phase();
        match phase {
            HEAD if since > patience.head_max => Some(Overdue::Head),
            IDLE if since > patience.idle_max => Some(Overdue::Idle),
            _ => None,
        }
    }

    /// How little would be lost with this connection: nothing when nobody is answered on it, and less the longer that has
    /// been so; then those whose client does not take its answer. None while it is being answered, streams included.
    pub(crate) fn dispensable(&self) -> Option<(bool, Duration)> {
        let stalled = self.stalled_for();
        let (phase, since) = self.phase();
        match stalled {
            Some(stalled) => Some((false, stalled)),
            None => (phase != ANSWER).then_some((true, since)),
        }
    }

    fn begin(&self, phase: u64) {
        self.phase.store(self.now_ms() << 2 | phase, Relaxed);
    }

    fn phase(&self) -> (u64, Duration) {
        let phase = self.phase.load(Relaxed);
        (phase & 3, self.since(phase >> 2))
    }

    fn stalled_for(&self) -> Option<Duration> {
        let since = self.stalled.load(Relaxed).checked_sub(1)?;
        Some(self.since(since))
    }

    fn since(&self, ms: u64) -> Duration {
        self.opened.elapsed().saturating_sub(Duration::from_millis(ms))
    }

    fn now_ms(&self) -> u64 {
        // A connection that lasts for 2^62 ms does not exist.
        self.opened.elapsed().as_millis() as u64
    }
}

/// A request that is being answered, to the last byte of its body.
#[derive(Debug)]
pub(crate) struct Answering(Arc<Seat>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.begin(IDLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Patience = Patience { head_max: Duration::ZERO, idle_max: Duration::ZERO, write_max: Duration::ZERO };
    const HOUR: Duration = Duration::from_secs(3600);

    /// A seat that was taken an hour ago.
    fn seat() -> Arc<Seat> {
        let Seat { opened, phase, stalled } = Arc::into_inner(Seat::new()).unwrap();
        Arc::new(Seat { opened: opened.checked_sub(HOUR).unwrap(), phase, stalled })
    }

    #[test]
    fn only_the_time_on_the_client_s_side_is_counted() {
        let seat = seat();
        assert_eq!(seat.overdue(&NOW), Some(Overdue::Head));
        let answering = seat.answer();
        assert_eq!((seat.overdue(&NOW), seat.dispensable()), (None, None));
        // The bytes of a body, or of the next request, make no difference to that.
        seat.received();
        assert_eq!(seat.overdue(&NOW), None);
        drop(answering);
        let patient = Patience { idle_max: HOUR, ..NOW };
        assert_eq!(seat.overdue(&patient), None, "the time of the answer was counted");
        seat.received();
        let (waiting, since) = seat.dispensable().unwrap();
        assert!(waiting && since < HOUR);
    }

    #[test]
    fn a_byte_now_and_then_buys_no_time() {
        let seat = seat();
        seat.received();
        assert_eq!(seat.overdue(&Patience { head_max: HOUR - Duration::from_secs(1), ..NOW }), Some(Overdue::Head));
    }

    #[test]
    fn whoever_does_not_take_its_answer_goes_after_those_who_have_none() {
        let seat = seat();
        let _answering = seat.answer();
        seat.stalls();
        assert!(!seat.dispensable().unwrap().0);
        assert_eq!(seat.overdue(&NOW), Some(Overdue::Write));
        seat.flows();
        assert_eq!((seat.overdue(&NOW), seat.dispensable()), (None, None));
    }
}
