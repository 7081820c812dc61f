//! Which other sites' pages may read the answers: none, unless the operator names them.

use std::{str::FromStr, time::Duration};

use axum::http::{
    HeaderName, HeaderValue, Method, Uri,
    header::{AUTHORIZATION, ETAG, IF_NONE_MATCH, LINK, RETRY_AFTER},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::envelope::REQUEST_ID;

/// Browsers ask again after this long what a page may do.
const PREFLIGHT_AGE_MAX: Duration = Duration::from_secs(600);

/// A site as browsers name it: a scheme, a host and perhaps a port. `*` is every site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

const EVERY: &str = "*";

impl FromStr for Origin {
    type Err = String;

    /// # Errors
    /// When no browser would send it so: it has a path, a user or capitals, or is no origin at all.
    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Option<Uri> = text.parse().ok();
        let plain = uri.as_ref().and_then(|uri| match (uri.scheme_str(), uri.authority()) {
            (Some(scheme @ ("http" | "https")), Some(host)) => Some(format!("{scheme}://{host}")),
            _ => None,
        });
        let is_origin = plain.is_some_and(|plain| plain == text)
            && !text.contains(['@', '*'])
            && !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match HeaderValue::from_str(text) {
            Ok(value) if is_origin || text == EVERY => Ok(Self(value)),
            _ => Err("takes an origin as browsers send it, such as https://example.org, or *".to_owned()),
        }
    }
}

/// The layer that lets pages of `origins` read. None if there are none.
pub(crate) fn layer(origins: &[Origin]) -> Option<CorsLayer> {
    let allowed = match origins {
        [] => return None,
        origins if origins.iter().any(|origin| origin.0 == EVERY) => AllowOrigin::any(),
        origins => AllowOrigin::list(origins.iter().map(|origin| origin.0.clone())),
    };
    let sent = [
        AUTHORIZATION,
        IF_NONE_MATCH,
        REQUEST_ID,
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("traceparent"),
    ];
    let read = [
        ETAG,
        LINK,
        RETRY_AFTER,
        REQUEST_ID,
        HeaderName::from_static("x-ratelimit-limit"),
        HeaderName::from_static("x-ratelimit-remaining"),
        HeaderName::from_static("x-ratelimit-reset"),
    ];
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::HEAD])
            .allow_headers(sent)
            .expose_headers(read)
            .max_age(PREFLIGHT_AGE_MAX),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_browser_would_send_is_an_origin() {
        for good in ["https://example.org", "http://localhost:3000", "http://[::1]:80", "*"] {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        for wrong in [
            "example.org",
            "https://example.org/",
            "https://Example.org",
            "https://a@b",
            "ftp://a",
            "null",
            "https://*.a",
        ] {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }
}
