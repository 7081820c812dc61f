#![doc = include_str!("../README.md")]

mod delivery;
mod emitter;
mod event;
mod record;
mod time;
mod trace;
mod types;

pub use delivery::{Failure, Report};
pub use emitter::{ConnectError, EmitError, Emitter, EmitterConfig, FlushError};
pub use event::{Data, Event};
pub use record::{CATALOG_TOPIC, REQUESTS_TOPIC, Record, USAGE_TOPIC};
pub use time::EventTime;
pub use types::{
    AccountDefined, Door, FeatureDefined, Importance, NeedSignaled, Outcome, RequestStated, RequestWithdrawn, Status,
    TeamDefined, TeamParameters, Tier, UsageObserved,
};
