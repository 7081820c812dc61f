//! `flywheel rankings`: one team's ranking, asked of the API and drawn for a terminal.
//!
//! It shows what the API answers and computes nothing of its own.

mod client;
mod columns;
mod render;
mod screen;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use tokio_util::sync::CancellationToken;
use wire::ranking::Ranking;

use client::{Answer, Client};
use screen::Screen;

/// How often a watched ranking is asked for again.
const REFRESH: Duration = Duration::from_secs(1);

/// Show a team's ranking.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// Team whose ranking to show, such as `dynamodb`.
    pub team: String,
    /// Keep the ranking on the screen and refresh it about once a second, until Ctrl-C. Where the output is no terminal, print it again whenever it changes.
    #[arg(long)]
    pub watch: bool,
    /// Print the API's document instead of a table; with --watch one line for every change.
    #[arg(long)]
    pub json: bool,
    /// Address of the query API.
    #[arg(long = "api", env = "FLYWHEEL_API_URL", default_value = "http://127.0.0.1:8080")]
    pub api: String,
}

/// Shows the ranking once, or until `shutdown` with `--watch`.
///
/// # Errors
/// When the API refuses the question, or, without `--watch`, when it cannot be reached or does not know the team; when
/// the output cannot be written.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let client = Client::new(&args.api, &args.team)?;
    let mut screen = Screen::stdout();
    if args.watch {
        return watch(&args, &client, &mut screen, &shutdown).await;
    }
    let answer = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        answer = client.ask() => answer,
    };
    match answer {
        Answer::Ranking(ranking) if args.json => screen.print(&document(&ranking, true)?),
        Answer::Ranking(ranking) => screen.print(&render::render(&ranking, &screen.view())),
        Answer::Unknown(why) | Answer::Away(why) | Answer::Refused(why) => bail!(why),
    }
}

async fn watch(args: &Args, client: &Client, screen: &mut Screen, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let mut shown = None;
    let mut tick = tokio::time::interval(REFRESH);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let answer = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            answer = async { tick.tick().await; client.ask().await } => answer,
        };
        match answer {
            Answer::Ranking(ranking) => {
                let changed = shown.as_ref() != Some(&ranking.snapshot);
                if args.json {
                    if changed {
                        screen.print(&document(&ranking, false)?)?;
                    }
                } else if screen.is_terminal() {
                    screen.redraw(render::render(&ranking, &screen.view()))?;
                } else if changed {
                    screen.print(&render::render(&ranking, &screen.view()))?;
                }
                shown = Some(ranking.snapshot);
            }
            Answer::Unknown(why) | Answer::Away(why) => screen.wait(&why)?,
            Answer::Refused(why) => bail!(why),
        }
    }
}

fn document(ranking: &Ranking, pretty: bool) -> anyhow::Result<String> {
    let json = if pretty { serde_json::to_string_pretty(ranking) } else { serde_json::to_string(ranking) };
    let mut text = json.context("cannot write the ranking as JSON")?;
    text.push('\n');
    Ok(text)
}
