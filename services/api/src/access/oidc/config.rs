//! Whose tokens are taken, and what they are good for.

use std::{net::IpAddr, str::FromStr};

use anyhow::{Context, ensure};
use axum::http::Uri;
use clap::Args;

/// OpenID Connect: tokens of one issuer stand in for API keys.
#[derive(Clone, Debug, Args)]
pub struct OidcConfig {
    /// Take bearer tokens of this OpenID Connect issuer too: an https URL, as its tokens have it in iss.
    #[arg(
        id = "api_oidc_issuer",
        long = "api-oidc-issuer",
        env = "FLYWHEEL_API_OIDC_ISSUER",
        requires = "api_oidc_audience"
    )]
    pub issuer: Option<String>,
    /// Tokens must have this in aud: the name that the issuer knows this API by.
    #[arg(
        id = "api_oidc_audience",
        long = "api-oidc-audience",
        env = "FLYWHEEL_API_OIDC_AUDIENCE",
        requires = "api_oidc_issuer"
    )]
    pub audience: Option<String>,
    /// The claim that lists the ids of the teams that a token may read, or has * for all.
    #[arg(id = "api_oidc_teams_claim", long = "api-oidc-teams-claim", env = "FLYWHEEL_API_OIDC_TEAMS_CLAIM", default_value_t = OidcConfig::default().teams_claim)]
    pub teams_claim: String,
    /// A claim and the value in it that gives evidence:read, as groups=analysts. Unset, no token has it.
    #[arg(id = "api_oidc_evidence_claim", long = "api-oidc-evidence-claim", env = "FLYWHEEL_API_OIDC_EVIDENCE_CLAIM")]
    pub evidence_claim: Option<ClaimValue>,
    /// A claim and the value in it that gives admin, as groups=operators. Unset, no token has it.
    #[arg(id = "api_oidc_admin_claim", long = "api-oidc-admin-claim", env = "FLYWHEEL_API_OIDC_ADMIN_CLAIM")]
    pub admin_claim: Option<ClaimValue>,
    /// However many tokens name keys that nobody knows, the issuer is asked for its keys at most once in so many milliseconds.
    #[arg(id = "api_oidc_keys_asked_ms_min", long = "api-oidc-keys-asked-ms-min", env = "FLYWHEEL_API_OIDC_KEYS_ASKED_MS_MIN", default_value_t = OidcConfig::default().keys_asked_ms_min)]
    pub keys_asked_ms_min: u64,
}

impl Default for OidcConfig {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: None,
            teams_claim: "teams".to_owned(),
            evidence_claim: None,
            admin_claim: None,
            keys_asked_ms_min: 10_000,
        }
    }
}

/// A claim and a value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimValue {
    /// The claim's name.
    pub claim: String,
    /// The value that it must be or hold.
    pub value: String,
}

impl FromStr for ClaimValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((claim, value)) if !claim.is_empty() && !value.is_empty() => {
                Ok(Self { claim: claim.to_owned(), value: value.to_owned() })
            }
            _ => Err("takes a claim and a value, as groups=analysts".to_owned()),
        }
    }
}

impl OidcConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// When half of it is missing, a limit is 0, or the issuer's URL is not one that can be trusted.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.issuer.is_some() == self.audience.is_some(),
            "--api-oidc-issuer and --api-oidc-audience are given together or not at all"
        );
        ensure!(self.keys_asked_ms_min > 0, "--api-oidc-keys-asked-ms-min must be at least 1");
        if let Some(issuer) = &self.issuer {
            trusted_url(issuer).with_context(|| format!("--api-oidc-issuer {issuer:?} cannot be used"))?;
        }
        Ok(())
    }
}

/// The URL, if whoever answers there is who it names: https, or on this machine.
///
/// # Errors
/// When it is no URL, or a plain http one of another machine.
pub(super) fn trusted_url(text: &str) -> anyhow::Result<Uri> {
    let url: Uri = text.parse().context("it is no URL")?;
    let host = url.host().context("it names no host")?;
    let here = host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    ensure!(
        url.scheme_str() == Some("https") || (url.scheme_str() == Some("http") && here),
        "it must be https, but for a host on loopback"
    );
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_a_line_that_nobody_else_can_speak_on() {
        for good in [
            "https://issuer.example",
            "https://issuer.example/realms/a",
            "http://127.0.0.1:80/x",
            "http://[::1]:9",
            "http://localhost",
        ] {
            assert!(trusted_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://issuer.example",
            "issuer.example",
            "file:///etc/passwd",
            "ftp://127.0.0.1",
            "",
            "http://127.0.0.1.example",
        ] {
            assert!(trusted_url(bad).is_err(), "{bad}");
        }
    }
}
