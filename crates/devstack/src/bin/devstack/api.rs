//! Where Flywheel's own ports are, and whether it is ready.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Args;
use devstack::check_free;
use tokio::time::Instant;

const ASK_EVERY: Duration = Duration::from_millis(100);
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The addresses that `flywheel run` will listen on; it reads the same variables.
#[derive(Clone, Debug, Args)]
pub(crate) struct Listen {
    /// Address of the query API.
    #[arg(long, env = "FLYWHEEL_API_LISTEN", default_value = "127.0.0.1:8080")]
    api_listen: SocketAddr,
    /// Address of metrics and probes.
    #[arg(long, env = "FLYWHEEL_ADMIN_LISTEN", default_value = "127.0.0.1:9464")]
    admin_listen: SocketAddr,
}

impl Listen {
    /// Makes sure that both ports are free.
    ///
    /// # Errors
    /// In one sentence, when one is taken.
    pub(crate) fn check_free(&self) -> anyhow::Result<()> {
        check_free(self.api_listen.port(), "Flywheel's API", "set FLYWHEEL_API_LISTEN to another address")?;
        check_free(self.admin_listen.port(), "Flywheel's metrics", "set FLYWHEEL_ADMIN_LISTEN to another address")
    }

    /// The API, as a client on this machine reaches it.
    pub(crate) fn api(&self) -> String {
        url(self.api_listen)
    }

    /// The admin port, as a client on this machine reaches it.
    pub(crate) fn admin(&self) -> String {
        url(self.admin_listen)
    }

    /// The variables that make a child listen there, and its tools ask there.
    pub(crate) fn env(&self) -> [(&'static str, String); 3] {
        [
            ("FLYWHEEL_API_LISTEN", self.api_listen.to_string()),
            ("FLYWHEEL_ADMIN_LISTEN", self.admin_listen.to_string()),
            ("FLYWHEEL_API_URL", self.api()),
        ]
    }

    /// Waits until `/readyz` says that everything is.
    ///
    /// # Errors
    /// When it does not within `ready_max`; with its last answer.
    pub(crate) async fn wait_ready(&self, ready_max: Duration) -> anyhow::Result<()> {
        let url = format!("{}/readyz", self.api());
        let client =
            reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).build().context("cannot make a client")?;
        let since = Instant::now();
        loop {
            let answer = match client.get(&url).send().await {
                Ok(response) if response.status().is_success() => return Ok(()),
                Ok(response) => format!("it answers {}", response.status()),
                Err(_) => "nothing answers".to_owned(),
            };
            if since.elapsed() > ready_max {
                bail!("flywheel is not ready after {} s: {answer} at {url}", ready_max.as_secs());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

fn url(listen: SocketAddr) -> String {
    match listen {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => format!("http://{}:{}", Ipv4Addr::LOCALHOST, listen.port()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => format!("http://[::1]:{}", listen.port()),
        _ => format!("http://{listen}"),
    }
}
