//! `flywheel keys`: who may ask the query API.

mod create;
mod list;
mod revoke;
mod ring;
mod rotate;

use std::io::Write as _;

use anyhow::Context as _;
use clap::{Args as ClapArgs, Subcommand};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use create::Create;
pub use list::List;
pub use revoke::Revoke;
pub use rotate::Rotate;

/// Create, list, rotate and revoke keys of the query API.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// What to do with them.
    #[command(subcommand)]
    pub what: What,
}

/// What can be done with keys.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// Create a key and show it, this once.
    Create(Create),
    /// List the keys, without their secrets.
    List(List),
    /// Give a key a new secret and show it, this once; the old one stays good for a while.
    Rotate(Rotate),
    /// Make a key good for nothing, for ever. Every api refuses it within 5 seconds.
    Revoke(Revoke),
}

/// Does what is asked, and prints the answer on the standard output.
///
/// # Errors
/// When ClickHouse does not answer, no such key exists, or the secret that keys are hashed with is not given.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let work = async {
        match args.what {
            What::Create(args) => create::run(args).await,
            What::List(args) => list::run(args).await,
            What::Rotate(args) => rotate::run(args).await,
            What::Revoke(args) => revoke::run(args).await,
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => anyhow::bail!("interrupted; `flywheel keys list` shows what was done"),
        done = work => done,
    }
}

fn print(as_json: bool, json: &Value, text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let printed = if as_json { serde_json::to_string_pretty(json)? } else { text.to_owned() };
    writeln!(out, "{printed}").context("cannot write to the standard output")
}
