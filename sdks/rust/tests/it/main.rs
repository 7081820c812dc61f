//! The emitter against librdkafka's mock cluster: real client, real protocol, no broker to start.

mod delivery;
mod queue;
mod records;
mod support;
mod tracing_context;
