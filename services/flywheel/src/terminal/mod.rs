//! Asks the API and shows the answer in a terminal, or in whatever the output goes to.
//!
//! What is shown is what the API answers; nothing is computed here.

mod client;
mod ink;
mod screen;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod view;

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use serde::{Serialize, de::DeserializeOwned};
use tokio_util::sync::CancellationToken;

use client::{Answer, Client};
pub(crate) use ink::Ink;
use screen::Screen;
#[cfg(test)]
pub(crate) use view::at;
pub(crate) use view::{View, age, percent};

/// How often a watched answer is asked for again.
const REFRESH: Duration = Duration::from_secs(1);

/// How to ask and how to show.
#[derive(Clone, Debug, ClapArgs)]
pub struct Asking {
    /// Keep the answer on the screen and refresh it about once a second, until Ctrl-C. Where the output is no terminal, print it again whenever it changes.
    #[arg(long)]
    pub watch: bool,
    /// Print the API's document instead of a table; with --watch one line for every change.
    #[arg(long)]
    pub json: bool,
    /// Address of the query API.
    #[arg(long = "api", env = "FLYWHEEL_API_URL", default_value = "http://127.0.0.1:8080")]
    pub api: String,
}

/// What to ask.
pub(crate) struct Question {
    /// The path, its ids checked.
    pub(crate) path: String,
    /// The parameters that are given.
    pub(crate) parameters: Vec<(&'static str, String)>,
    /// What it asks for, in words, such as "ranking of team `storage`".
    pub(crate) what: String,
}

impl Question {
    /// A question without parameters.
    pub(crate) fn new(path: String, what: String) -> Self {
        Self { path, parameters: Vec::new(), what }
    }

    /// With the parameter, if it is given.
    pub(crate) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.parameters.extend(value.map(|value| (name, value.to_string())));
        self
    }
}

/// Shows the answer once, or until `shutdown` with `--watch`.
///
/// # Errors
/// When the API refuses the question, or, without `--watch`, when it cannot be reached or knows no answer; when the output
/// cannot be written.
pub(crate) async fn show<T: DeserializeOwned + Serialize>(
    question: Question,
    asking: &Asking,
    render: fn(&T, &View) -> String,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let client = Client::new(&asking.api, question)?;
    let mut screen = Screen::stdout();
    if asking.watch {
        return watch(&client, asking, render, &mut screen, &shutdown).await;
    }
    let answer = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        answer = client.ask::<T>() => answer,
    };
    match answer {
        Answer::Found(answer) if asking.json => screen.print(&document(&answer, true)?),
        Answer::Found(answer) => screen.print(&render(&answer, &screen.view())),
        Answer::Unknown(why) | Answer::Away(why) | Answer::Refused(why) => bail!(why),
    }
}

async fn watch<T: DeserializeOwned + Serialize>(
    client: &Client,
    asking: &Asking,
    render: fn(&T, &View) -> String,
    screen: &mut Screen,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let mut shown = None;
    let mut tick = tokio::time::interval(REFRESH);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let answer = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            answer = async { tick.tick().await; client.ask::<T>().await } => answer,
        };
        match answer {
            Answer::Found(answer) => {
                let document = document(&answer, false)?;
                let changed = shown.as_ref() != Some(&document);
                if asking.json {
                    if changed {
                        screen.print(&document)?;
                    }
                } else if screen.is_terminal() {
                    screen.redraw(render(&answer, &screen.view()))?;
                } else if changed {
                    screen.print(&render(&answer, &screen.view()))?;
                }
                shown = Some(document);
            }
            Answer::Unknown(why) | Answer::Away(why) => screen.wait(&why)?,
            Answer::Refused(why) => bail!(why),
        }
    }
}

fn document(answer: &impl Serialize, pretty: bool) -> anyhow::Result<String> {
    let json = if pretty { serde_json::to_string_pretty(answer) } else { serde_json::to_string(answer) };
    let mut text = json.context("cannot write the answer as JSON")?;
    text.push('\n');
    Ok(text)
}
