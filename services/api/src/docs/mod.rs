//! The OpenAPI document as a page for people: made once, here, without a script and without anything from elsewhere.

mod outline;

use askama::Template;
use axum::{body::Bytes, http::HeaderValue};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use sha2::{Digest, Sha256};

use outline::{Group, Schema};

const STYLE: &str = include_str!("style.css");

/// The page, and what a browser may do with it.
#[derive(Clone, Debug)]
pub(crate) struct Docs {
    /// HTML.
    pub(crate) page: Bytes,
    /// Its Content-Security-Policy: our own style and an empty icon, nothing else.
    pub(crate) policy: HeaderValue,
}

#[derive(Template)]
#[template(path = "docs.html")]
struct Page<'a> {
    title: &'a str,
    version: &'a str,
    description: &'a str,
    style: &'a str,
    groups: Vec<Group<'a>>,
    schemas: Vec<Schema<'a>>,
}

impl Docs {
    /// The page of this document.
    pub(crate) fn of(document: &[u8]) -> Self {
        // The document is ours: it is JSON, and a test reads the page.
        let document: Value = serde_json::from_slice(document).unwrap_or_default();
        let page = Page {
            title: outline::text(&document["info"]["title"]),
            version: outline::text(&document["info"]["version"]),
            description: outline::text(&document["info"]["description"]),
            style: STYLE,
            groups: outline::groups(&document),
            schemas: outline::schemas(&document),
        };
        let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
        );
        Self {
            page: Bytes::from(page.render().unwrap_or_default()),
            policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'")),
        }
    }
}
