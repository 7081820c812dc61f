//! What ClickHouse said when it did not answer, in the API's words.

use super::BOUNDS;
use crate::error::Error;

/// ClickHouse's codes for a question that was given up because it took too long.
const TOO_LONG: [u32; 2] = [159, 160];
/// Its codes for a question that would read or answer with too many rows or bytes.
const TOO_MANY: [u32; 3] = [158, 307, 396];
/// Its code for memory that is not there.
const MEMORY: u32 = 241;
/// How it says that all questions together take too much, and not this one.
const OTHERS_TOO: [&str; 2] = ["(total)", "User memory limit"];

impl Error {
    /// Logs why ClickHouse could not be read, which the client does not get to see. That the answer would be too much is for the
    /// client to know.
    pub(crate) fn history(cause: &anyhow::Error) -> Self {
        if let Some(&::store::TooLarge { what, rows_max }) = cause.downcast_ref() {
            return Self::TooMuch { what, rows_max };
        }
        let text = format!("{cause:#}");
        tracing::warn!(error = text, "an answer could not be computed");
        if cause.downcast_ref::<::store::NoAnswer>().is_some() {
            return Self::TooSlow;
        }
        match kit::clickhouse::code(&text) {
            Some(code) if TOO_LONG.contains(&code) => Self::TooSlow,
            Some(code) if TOO_MANY.contains(&code) => {
                Self::TooCostly { what: "rows to read", max: BOUNDS.rows_read_max }
            }
            Some(MEMORY) if !OTHERS_TOO.iter().any(|said| text.contains(said)) => {
                Self::TooCostly { what: "bytes of memory", max: BOUNDS.memory_bytes_max }
            }
            _ => Self::HistoryAway,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_no_waiting_mends_is_told_from_what_passes() {
        let said =
            |text: &str| Error::history(&anyhow::anyhow!("bad response: {text}").context("cannot read the sums"));
        let kind =
            |error: Error| (error.status().as_u16(), error.problem().r#type.rsplit(':').next().map(str::to_owned));
        let of = |status, name: &str| (status, Some(name.to_owned()));
        assert_eq!(kind(said("Code: 159. DB::Exception: Timeout exceeded")), of(504, "timeout"));
        assert_eq!(kind(said("Code: 158. DB::Exception: Limit for rows to read exceeded")), of(422, "too-costly"));
        assert_eq!(kind(said("Code: 241. DB::Exception: Query memory limit exceeded")), of(422, "too-costly"));
        assert_eq!(kind(said("Code: 241. DB::Exception: (total) memory limit exceeded")), of(503, "history-away"));
        assert_eq!(kind(said("Code: 202. DB::Exception: Too many simultaneous queries")), of(503, "history-away"));
        assert_eq!(kind(said("network error: connection refused")), of(503, "history-away"));
        let waited = ::store::NoAnswer { waited: Duration::from_secs(9) };
        assert_eq!(kind(Error::history(&waited.into())), of(504, "timeout"));
    }
}
