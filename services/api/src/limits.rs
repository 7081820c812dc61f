//! What a request may cost: its length, its time, and how many there are at once.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::header::CONTENT_LENGTH,
    middleware::Next,
    response::Response,
};
use tokio::sync::Semaphore;

use crate::{ApiConfig, error::Error};

/// The longest path and query. The server itself refuses 64 KiB, without a body.
const URI_BYTES_MAX: usize = 8 * 1024;

/// The longest body that a client may announce. No path reads one, so this only keeps clients from sending in vain.
const BODY_BYTES_MAX: u64 = 64 * 1024;

/// The limits in force.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    in_flight: Arc<Semaphore>,
    request_ms_max: u64,
}

impl Limits {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        Self {
            in_flight: Arc::new(Semaphore::new(config.requests_in_flight_max.min(Semaphore::MAX_PERMITS))),
            request_ms_max: config.request_ms_max,
        }
    }
}

/// Lets the request through if it keeps within the limits, and gives up on it when its time is over.
pub(crate) async fn enforce(State(limits): State<Limits>, request: Request, next: Next) -> Result<Response, Error> {
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > URI_BYTES_MAX) {
        return Err(Error::UriTooLong { bytes_max: URI_BYTES_MAX });
    }
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(Error::BodyTooLarge { bytes_max: BODY_BYTES_MAX });
    }
    let _permit = limits.in_flight.try_acquire().map_err(|_| Error::Overloaded)?;
    tokio::time::timeout(Duration::from_millis(limits.request_ms_max), next.run(request))
        .await
        .map_err(|_| Error::Timeout { ms_max: limits.request_ms_max })
}
