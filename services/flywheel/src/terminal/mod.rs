//! Asks the API and shows the answer in a terminal, or in whatever the output goes to.
//!
//! What is shown is what the API answers; nothing is computed here.

mod ink;
mod screen;
pub(crate) mod table;
mod view;

use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args as ClapArgs;
use client::{Asked, Client, Error, Held, Kind, Limits, Question};
use kit::config::Secret;
use serde::{Serialize, de::DeserializeOwned};
use tokio_util::sync::CancellationToken;

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
    /// Key of the query API, where it asks for one. The variable keeps it out of the list of processes.
    #[arg(long = "api-key", env = "FLYWHEEL_API_KEY", hide_env_values = true)]
    pub key: Option<Secret>,
}

impl Asking {
    fn client(&self, limits: Limits) -> anyhow::Result<Client> {
        let key = self.key.as_ref().map(Secret::expose).filter(|key| !key.is_empty());
        let client = Client::new(&self.api, key, limits);
        client.map_err(|error| match error {
            Error::Address { .. } => anyhow!("--api {error}"),
            error => anyhow!("--api-key: {error}"),
        })
    }
}

/// Shows the answer once, or until `shutdown` with `--watch`.
///
/// # Errors
/// When the API refuses the question, or, without `--watch`, when it cannot be reached or knows no answer; when the output
/// cannot be written.
pub(crate) async fn show<T: DeserializeOwned + Serialize>(
    question: Question<T>,
    asking: &Asking,
    render: fn(&T, &View) -> String,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut screen = Screen::stdout();
    if asking.watch {
        // Asking again each second is retrying enough, and the reader sees what there is to wait for.
        let client = asking.client(Limits { retries_max: 0, ..Limits::default() })?;
        return watch(&client, Held::new(question), asking, render, &mut screen, &shutdown).await;
    }
    let client = asking.client(Limits::default())?;
    let answer = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        answer = client.ask(&question) => answer,
    };
    match answer {
        Ok(answer) if asking.json => screen.print(&document(&answer, true)?),
        Ok(answer) => screen.print(&render(&answer, &screen.view())),
        Err(error) => Err(anyhow!(explained(&client, &question, &error))),
    }
}

async fn watch<T: DeserializeOwned + Serialize>(
    client: &Client,
    mut held: Held<T>,
    asking: &Asking,
    render: fn(&T, &View) -> String,
    screen: &mut Screen,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let mut shown = None;
    let mut tick = tokio::time::interval(REFRESH);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            asked = async { tick.tick().await; client.ask_again(&mut held).await } => asked,
        };
        match (asked, held.answer()) {
            (Ok(asked), Some(answer)) => {
                let document = match asked {
                    Asked::Same => None,
                    Asked::Anew => Some(document(answer, false)?).filter(|document| shown.as_ref() != Some(document)),
                };
                if asking.json {
                    document.iter().try_for_each(|document| screen.print(document))?;
                } else if screen.is_terminal() {
                    screen.redraw(render(answer, &screen.view()))?;
                } else if document.is_some() {
                    screen.print(&render(answer, &screen.view()))?;
                }
                shown = document.or(shown);
            }
            // No answer stands only where none came.
            (Ok(_), None) => {}
            (Err(error), _) if worth_waiting(&error) => screen.wait(&explained(client, held.question(), &error))?,
            (Err(error), _) => return Err(anyhow!(explained(client, held.question(), &error))),
        }
    }
}

/// Whether the same question may have an answer later.
fn worth_waiting(error: &Error) -> bool {
    matches!(error, Error::Away { .. }) || matches!(error.kind(), Some(Kind::Unknown | Kind::NotNow))
}

fn explained<T>(client: &Client, question: &Question<T>, error: &Error) -> String {
    let api = client.api();
    match error.kind() {
        Some(Kind::Unknown) => format!("the API at {api} has no {} yet: {error}", question.what()),
        Some(Kind::NotNow) => format!("the API at {api} is not ready: {error}"),
        Some(Kind::Denied) => format!("the API at {api} refused: {error} (the key is read from FLYWHEEL_API_KEY)"),
        Some(_) => format!("the API at {api} refused: {error}"),
        None => error.to_string(),
    }
}

fn document(answer: &impl Serialize, pretty: bool) -> anyhow::Result<String> {
    let json = if pretty { serde_json::to_string_pretty(answer) } else { serde_json::to_string(answer) };
    let mut text = json.context("cannot write the answer as JSON")?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(api: &str, key: Option<&str>) -> Asking {
        let key = key.map(|key| key.parse().unwrap());
        Asking { watch: false, json: false, api: api.to_owned(), key }
    }

    #[test]
    fn a_wrong_address_or_key_is_refused_before_anything_is_sent() {
        let said = |asking: Asking| asking.client(Limits::default()).unwrap_err().to_string();
        for api in ["ftp://127.0.0.1", "127.0.0.1:8080", ""] {
            assert!(said(asking(api, None)).contains("--api "), "{api}");
        }
        let refusal = said(asking("http://127.0.0.1:8080", Some("two\nlines")));
        assert!(refusal.contains("--api-key") && !refusal.contains("lines"), "{refusal}");
        asking("http://127.0.0.1:8080/", Some("")).client(Limits::default()).unwrap();
    }

    #[test]
    fn a_key_is_never_printed() {
        let asking = asking("http://127.0.0.1:8080", Some("fw_secret"));
        let client = asking.client(Limits::default()).unwrap();
        let said = format!("{asking:?} {client:?}");
        assert!(!said.contains("fw_secret"), "{said}");
    }
}
