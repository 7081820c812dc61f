//! `flywheel dead-letters`: records that could not be taken, to be looked at and, after a fix, replayed.

mod claim;
mod list;
mod place;
mod producer;
mod progress;
mod replay;
mod report;
mod selection;
mod show;
mod store;

use std::io::Write as _;

use anyhow::Context as _;
use clap::{Args as ClapArgs, Subcommand};
use tokio_util::sync::CancellationToken;

pub use list::List;
pub use place::Place;
pub use replay::Replay;
pub use selection::Filter;
pub use show::Show;

/// List, show and replay records that could not be taken.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// What to do with them.
    #[command(subcommand)]
    pub what: What,
}

/// What can be done with dead letters.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// List dead letters, newest first, or count them by reason.
    List(List),
    /// Show one dead letter whole. Its headers and payload may hold personal data.
    Show(Show),
    /// Produce dead letters again, each at most once, to the topics and partitions that they came from.
    Replay(Replay),
}

/// Does what is asked, and prints the answer on the standard output.
///
/// # Errors
/// When ClickHouse or Kafka does not answer, a dead letter that was named does not exist, or one could not be replayed.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    match args.what {
        What::List(args) => until(shutdown, list::run(args)).await,
        What::Show(args) => until(shutdown, show::run(args)).await,
        What::Replay(args) => replay::run(args, shutdown).await,
    }
}

/// Reading leaves nothing behind and may be broken off anywhere.
async fn until(shutdown: CancellationToken, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        done = work => done,
    }
}

fn print(text: &[u8]) -> anyhow::Result<()> {
    std::io::stdout().write_all(text).context("cannot write to the standard output")
}
