//! What Flywheel means: its ids, its events, its score. Bytes in, events out; facts in, a ranking out.
//!
//! Pure: no async, no client, no clock, no environment. What a function needs to know is an argument, so that the same
//! input gives the same answer wherever and whenever it is asked.
//!
//! - [`record`] turns a Kafka record into an [`event`], or says why not and where.
//! - [`catalog`] and [`facts`] are what the score needs to know about one team at one instant.
//! - [`tally`] adds the facts up over accounts, [`ranking`] computes the ranked roadmap from the sums; [`score`] has the
//!   statistics, [`margins`] how sure the order is, [`reading`] what asked and needed say together, [`sensitivity`] what
//!   another weight would change. [`assumptions`] are what a ranking is computed under.
//! - [`diff`] tells why a ranking is another than it was; [`outcome`] and [`foresight`] what became of a [`launch`], and
//!   [`portfolio`] puts all teams side by side.
//! - [`history`] folds events into facts the plain way: the reference that faster ways are tested against.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used)]

pub mod assumptions;
pub mod catalog;
mod data;
pub mod diff;
mod envelope;
pub mod event;
mod evidence;
pub mod facts;
mod flat;
pub mod foresight;
pub mod history;
pub mod ids;
mod json;
pub mod launch;
pub mod limits;
pub mod margins;
pub mod outcome;
mod owned;
mod parameters;
pub mod portfolio;
pub mod ranking;
pub mod reading;
pub mod record;
pub mod score;
pub mod sensitivity;
pub mod share;
pub mod tally;
pub mod time;
