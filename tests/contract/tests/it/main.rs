//! The API is what its OpenAPI document says: a tool asks it everything, and a browser reads its page.

mod browser;
mod docs;
mod schemathesis;
