//! The API against its own OpenAPI document. All there is, is in `tests`:
//!
//! - Schemathesis asks every operation of a running API, with the demonstration's data behind it, valid and invalid questions.
//! - A browser opens `/docs`.
