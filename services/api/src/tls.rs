//! TLS: the certificate in force, which follows its files.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::Context;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;

/// The files are read this often. A pair that is new is in force from then on, for new connections.
const READ_EVERY: Duration = Duration::from_secs(5);

/// What is spoken over TLS: one version, because the server's limits are made for it.
const HTTP_1_1: &[u8] = b"http/1.1";

/// The certificate in force and where it comes from.
#[derive(Debug)]
pub(crate) struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    in_force: RwLock<Arc<ServerConfig>>,
}

/// Both files as they were read.
#[derive(PartialEq, Eq)]
struct Pair {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    /// The certificate chain in `cert` and its private key in `key`, both PEM.
    ///
    /// # Errors
    /// When a file cannot be read, holds no PEM of its kind, or the two do not belong together.
    pub(crate) async fn load(cert: PathBuf, key: PathBuf) -> anyhow::Result<Self> {
        let pair = read(&cert, &key).await?;
        let in_force = RwLock::new(Arc::new(config(&pair).with_context(|| {
            format!("the certificate in {} with the key in {} cannot be used", cert.display(), key.display())
        })?));
        Ok(Self { cert, key, in_force })
    }

    /// Shakes hands with the certificate in force.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Takes every new pair of files that can be used. One that cannot is logged once, and the former one stays. Runs for ever.
    pub(crate) async fn follow(&self) {
        let mut every = interval(READ_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last: Option<Result<Pair, String>> = None;
        loop {
            every.tick().await;
            let read = read(&self.cert, &self.key).await.map_err(|error| format!("{error:#}"));
            if last.as_ref() == Some(&read) {
                continue;
            }
            let first = last.is_none();
            match read.as_ref().map(config) {
                Ok(Ok(config)) => {
                    *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                    if !first {
                        tracing::info!(file.path = %self.cert.display(), "a new certificate is in force");
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "a new certificate cannot be used; the former one stays"
                    );
                }
                Err(error) => tracing::warn!(error, "the certificate cannot be read; the former one stays"),
            }
            last = Some(read);
        }
    }
}

async fn read(cert: &PathBuf, key: &PathBuf) -> anyhow::Result<Pair> {
    let file =
        async |path: &PathBuf| tokio::fs::read(path).await.with_context(|| format!("cannot read {}", path.display()));
    Ok(Pair { cert: file(cert).await?, key: file(key).await? })
}

fn config(pair: &Pair) -> anyhow::Result<ServerConfig> {
    let chain =
        CertificateDer::pem_slice_iter(&pair.cert).collect::<Result<Vec<_>, _>>().context("the chain is not PEM")?;
    let key = PrivateKeyDer::from_pem_slice(&pair.key).context("the private key is not PEM")?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(config)
}
