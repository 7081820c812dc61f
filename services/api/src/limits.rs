//! What a request may cost: its length, its time, and how many there are at once.

use std::time::Duration;

use axum::{extract::Request, http::header::CONTENT_LENGTH, response::Response};
use tokio::sync::Semaphore;

use crate::{ApiConfig, error::Error};

/// The longest path and query. The server itself refuses 64 KiB, without a body.
const URI_BYTES_MAX: usize = 8 * 1024;

/// The longest body that a client may announce. No path reads one, so this only keeps clients from sending in vain.
const BODY_BYTES_MAX: u64 = 64 * 1024;

/// So many headers a request may have, and so many bytes of names and values in them. The server itself refuses 100 headers and
/// a head of 32 KiB, without a body.
const HEADERS_MAX: usize = 64;
const HEADERS_BYTES_MAX: usize = 16 * 1024;

/// Who asks whether the process is alive and ready is answered however busy it is: it would else be killed for being busy.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// The limits in force.
#[derive(Debug)]
pub(crate) struct Limits {
    in_flight: Semaphore,
    request_ms_max: u64,
}

impl Limits {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        Self {
            in_flight: Semaphore::new(config.requests_in_flight_max.min(Semaphore::MAX_PERMITS)),
            request_ms_max: config.request_ms_max,
        }
    }

    /// Lets the request through to `next` if it keeps within the limits, and gives up on it when its time is over.
    pub(crate) async fn enforce<F: Future<Output = Result<Response, Error>>>(
        &self,
        request: Request,
        next: impl FnOnce(Request) -> F,
    ) -> Result<Response, Error> {
        if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > URI_BYTES_MAX) {
            return Err(Error::UriTooLong { bytes_max: URI_BYTES_MAX });
        }
        let announced =
            request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > BODY_BYTES_MAX) {
            return Err(Error::BodyTooLarge { bytes_max: BODY_BYTES_MAX });
        }
        let headers = request.headers();
        let headers_bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if headers.len() > HEADERS_MAX || headers_bytes > HEADERS_BYTES_MAX {
            return Err(Error::HeadersTooLarge { headers_max: HEADERS_MAX, bytes_max: HEADERS_BYTES_MAX });
        }
        if PROBES.contains(&request.uri().path()) {
            return next(request).await;
        }
        let _permit = self.in_flight.try_acquire().map_err(|_| Error::Overloaded)?;
        tokio::time::timeout(Duration::from_millis(self.request_ms_max), next(request))
            .await
            .unwrap_or(Err(Error::Timeout { ms_max: self.request_ms_max }))
    }
}
