//! The running API, with the demonstration's data behind it, is what its OpenAPI document says.

mod schemathesis;
