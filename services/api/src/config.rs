//! The role's configuration.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use anyhow::bail;
use clap::{Args, builder::BoolishValueParser};

use crate::{
    access::{AccessConfig, OidcConfig},
    cors::Origin,
    host::HostName,
};

/// The query API: where it listens and what it allows.
#[derive(Clone, Debug, Args)]
pub struct ApiConfig {
    /// Address of the query API.
    #[arg(id = "api_listen", long = "api-listen", env = "FLYWHEEL_API_LISTEN", default_value_t = ApiConfig::default().listen)]
    pub listen: SocketAddr,
    /// Listen beyond loopback although anyone who reaches the address can then read every ranking: no key is required.
    #[arg(
        id = "api_allow_non_loopback_without_keys",
        long = "api-allow-non-loopback-without-keys",
        env = "FLYWHEEL_API_ALLOW_NON_LOOPBACK_WITHOUT_KEYS",
        value_parser = BoolishValueParser::new()
    )]
    pub allow_non_loopback_without_keys: bool,
    /// Names that the API goes by besides localhost and every address, separated by commas. Requests for others are refused if any is
    /// named, and on loopback without keys in any case: there, a page that has its own name lead here would read what only this machine may.
    #[arg(id = "api_hosts", long = "api-hosts", env = "FLYWHEEL_API_HOSTS", value_delimiter = ',')]
    pub hosts: Vec<HostName>,
    /// A request is answered within so many milliseconds, or with a 504.
    #[arg(id = "api_request_ms_max", long = "api-request-ms-max", env = "FLYWHEEL_API_REQUEST_MS_MAX", default_value_t = ApiConfig::default().request_ms_max)]
    pub request_ms_max: u64,
    /// So many requests are worked on at once; more get a 503.
    #[arg(id = "api_requests_in_flight_max", long = "api-requests-in-flight-max", env = "FLYWHEEL_API_REQUESTS_IN_FLIGHT_MAX", default_value_t = ApiConfig::default().requests_in_flight_max)]
    pub requests_in_flight_max: usize,
    /// So many connections are open at once; for one more, the one on which nothing has been answered for longest is closed.
    #[arg(id = "api_connections_max", long = "api-connections-max", env = "FLYWHEEL_API_CONNECTIONS_MAX", default_value_t = ApiConfig::default().connections_max)]
    pub connections_max: usize,
    /// So many streams of rankings are open at once, each on a connection of its own; more get a 503.
    #[arg(id = "api_streams_max", long = "api-streams-max", env = "FLYWHEEL_API_STREAMS_MAX", default_value_t = ApiConfig::default().streams_max)]
    pub streams_max: usize,
    /// The head of a request, from its first byte (of the first one from the connection's beginning), arrives within so many milliseconds.
    #[arg(id = "api_head_ms_max", long = "api-head-ms-max", env = "FLYWHEEL_API_HEAD_MS_MAX", default_value_t = ApiConfig::default().head_ms_max)]
    pub head_ms_max: u64,
    /// A connection is kept for the next request for so many milliseconds.
    #[arg(id = "api_idle_ms_max", long = "api-idle-ms-max", env = "FLYWHEEL_API_IDLE_MS_MAX", default_value_t = ApiConfig::default().idle_ms_max)]
    pub idle_ms_max: u64,
    /// A client that takes nothing of its answer for so many milliseconds is cut.
    #[arg(id = "api_write_ms_max", long = "api-write-ms-max", env = "FLYWHEEL_API_WRITE_MS_MAX", default_value_t = ApiConfig::default().write_ms_max)]
    pub write_ms_max: u64,
    /// Serve over TLS with this certificate chain (PEM). A new one in its place is taken within seconds.
    #[arg(id = "api_tls_cert", long = "api-tls-cert", env = "FLYWHEEL_API_TLS_CERT", requires = "api_tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(id = "api_tls_key", long = "api-tls-key", env = "FLYWHEEL_API_TLS_KEY", requires = "api_tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Sites whose pages may read the API in their visitors' browsers, separated by commas; * for all. None unless set.
    #[arg(
        id = "api_cors_origins",
        long = "api-cors-origins",
        env = "FLYWHEEL_API_CORS_ORIGINS",
        value_delimiter = ','
    )]
    pub cors_origins: Vec<Origin>,
    /// Whose tokens are taken.
    #[command(flatten)]
    pub oidc: OidcConfig,
    /// So many teams' rankings are held; those of further teams are refused and counted.
    #[arg(id = "api_teams_max", long = "api-teams-max", env = "FLYWHEEL_API_TEAMS_MAX", default_value_t = ApiConfig::default().teams_max)]
    pub teams_max: usize,
    /// So many latest snapshots of each team are held, so that a reader who pages through one can finish.
    #[arg(id = "api_snapshots_kept_max", long = "api-snapshots-kept-max", env = "FLYWHEEL_API_SNAPSHOTS_KEPT_MAX", default_value_t = ApiConfig::default().snapshots_kept_max)]
    pub snapshots_kept_max: usize,
    /// So many answers are computed from ClickHouse at once; more wait their turn.
    #[arg(id = "api_computed_in_flight_max", long = "api-computed-in-flight-max", env = "FLYWHEEL_API_COMPUTED_IN_FLIGHT_MAX", default_value_t = ApiConfig::default().computed_in_flight_max)]
    pub computed_in_flight_max: usize,
    /// So many questions wait for their turn to be computed; more get a 503.
    #[arg(id = "api_computed_waiting_max", long = "api-computed-waiting-max", env = "FLYWHEEL_API_COMPUTED_WAITING_MAX", default_value_t = ApiConfig::default().computed_waiting_max)]
    pub computed_waiting_max: usize,
    /// So many computed answers are kept, for as long as they stand and a minute at most.
    #[arg(id = "api_computed_kept_max", long = "api-computed-kept-max", env = "FLYWHEEL_API_COMPUTED_KEPT_MAX", default_value_t = ApiConfig::default().computed_kept_max)]
    pub computed_kept_max: u64,
    /// The computed answers that are kept have so many bytes together.
    #[arg(id = "api_computed_kept_bytes_max", long = "api-computed-kept-bytes-max", env = "FLYWHEEL_API_COMPUTED_KEPT_BYTES_MAX", default_value_t = ApiConfig::default().computed_kept_bytes_max)]
    pub computed_kept_bytes_max: u64,
    /// File to which each reading of personal text is added as a line of JSON. It is opened anew for each, so it may be moved away.
    #[arg(id = "api_audit_file", long = "api-audit-file", env = "FLYWHEEL_API_AUDIT_FILE", default_value_os_t = ApiConfig::default().audit_file)]
    pub audit_file: PathBuf,
    /// Who may ask.
    #[command(flatten)]
    pub access: AccessConfig,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            allow_non_loopback_without_keys: false,
            hosts: Vec::new(),
            request_ms_max: 10_000,
            requests_in_flight_max: 1_024,
            connections_max: 8_192,
            streams_max: 6_144,
            head_ms_max: 10_000,
            idle_ms_max: 60_000,
            write_ms_max: 30_000,
            tls_cert: None,
            tls_key: None,
            cors_origins: Vec::new(),
            oidc: OidcConfig::default(),
            teams_max: 10_000,
            snapshots_kept_max: 16,
            computed_in_flight_max: 4,
            computed_waiting_max: 64,
            computed_kept_max: 1_024,
            computed_kept_bytes_max: 64 * 1_024 * 1_024,
            audit_file: PathBuf::from("flywheel-audit.jsonl"),
            access: AccessConfig::default(),
        }
    }
}

impl ApiConfig {
    /// Whether nobody is let in without a key: beyond loopback, unless the operator said otherwise, and wherever they ask for it.
    #[must_use]
    pub fn keys_required(&self) -> bool {
        self.access.keys_required || !(self.listen.ip().is_loopback() || self.allow_non_loopback_without_keys)
    }

    /// Whether anybody can be known who asks: by a key, or by a token.
    #[must_use]
    pub fn knows_askers(&self) -> bool {
        self.access.seal.is_given() || self.oidc.issuer.is_some()
    }

    /// What it speaks, as URLs name it.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls_cert.is_some() { "https" } else { "http" }
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// When keys are required and none can be known, a limit is 0, or streams could take every connection.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.keys_required() && !self.knows_askers() {
            bail!(
                "keys are required of those who reach the API at {}, and without --api-key-secret-file or --api-oidc-issuer none can be \
                 known: give one of them, listen on 127.0.0.1 without --api-keys-required, or say --api-allow-non-loopback-without-keys if everyone who \
                 reaches that address may read every ranking",
                self.listen
            );
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            bail!("--api-tls-cert and --api-tls-key are given together or not at all");
        }
        self.oidc.check()?;
        self.access.check()?;
        let limits = [
            ("--api-request-ms-max", self.request_ms_max == 0),
            ("--api-requests-in-flight-max", self.requests_in_flight_max == 0),
            ("--api-connections-max", self.connections_max == 0),
            ("--api-streams-max", self.streams_max == 0),
            ("--api-head-ms-max", self.head_ms_max == 0),
            ("--api-idle-ms-max", self.idle_ms_max == 0),
            ("--api-write-ms-max", self.write_ms_max == 0),
            ("--api-teams-max", self.teams_max == 0),
            ("--api-snapshots-kept-max", self.snapshots_kept_max == 0),
            ("--api-computed-in-flight-max", self.computed_in_flight_max == 0),
            ("--api-computed-waiting-max", self.computed_waiting_max == 0),
            ("--api-computed-kept-max", self.computed_kept_max == 0),
            ("--api-computed-kept-bytes-max", self.computed_kept_bytes_max == 0),
        ];
        for (flag, zero) in limits {
            if zero {
                bail!("{flag} must be at least 1");
            }
        }
        if self.streams_max >= self.connections_max {
            bail!(
                "--api-streams-max ({}) must be less than --api-connections-max ({}): each stream has a connection to itself, and some \
                 must be left for everything else",
                self.streams_max,
                self.connections_max
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::access::seal::SealConfig;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        api: ApiConfig,
        #[command(flatten)]
        admin: kit::config::AdminConfig,
    }

    #[test]
    fn flags_stand_beside_those_of_other_parts() {
        let cli = Cli::parse_from(["flywheel", "--api-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:1"]);
        assert_eq!(cli.api.listen.port(), 0);
        assert_eq!(cli.admin.listen.port(), 1);
        assert!(!cli.api.allow_non_loopback_without_keys);
        assert_eq!(cli.api.teams_max, ApiConfig::default().teams_max);
    }

    #[test]
    fn beyond_loopback_keys_are_required_unless_the_operator_says_otherwise() {
        let open = ApiConfig { listen: SocketAddr::from(([0, 0, 0, 0], 8080)), ..ApiConfig::default() };
        assert!(open.keys_required());
        let refusal = open.check().unwrap_err().to_string();
        assert!(
            refusal.contains("0.0.0.0:8080") && refusal.contains("--api-allow-non-loopback-without-keys"),
            "{refusal}"
        );
        let seal = SealConfig { secret: "0123456789abcdef0123456789abcdef".parse().ok(), file: None };
        let keyed = ApiConfig { access: AccessConfig { seal, ..AccessConfig::default() }, ..open.clone() };
        keyed.check().unwrap();
        assert!(keyed.keys_required());
        let tokens = OidcConfig {
            issuer: Some("https://issuer.example".to_owned()),
            audience: Some("flywheel".to_owned()),
            ..OidcConfig::default()
        };
        let with_tokens = ApiConfig { oidc: tokens, ..open.clone() };
        with_tokens.check().unwrap();
        assert!(with_tokens.keys_required(), "tokens stand in for keys");
        let allowed = ApiConfig { allow_non_loopback_without_keys: true, ..open };
        allowed.check().unwrap();
        assert!(!allowed.keys_required());
        let asked_for = AccessConfig { keys_required: true, ..AccessConfig::default() };
        assert!(ApiConfig { access: asked_for, ..allowed }.keys_required());
        for loopback in
            [ApiConfig::default(), ApiConfig { listen: "[::1]:8080".parse().unwrap(), ..ApiConfig::default() }]
        {
            loopback.check().unwrap();
            assert!(!loopback.keys_required());
        }
    }

    #[test]
    fn a_limit_of_nothing_is_refused() {
        let refusal = ApiConfig { teams_max: 0, ..ApiConfig::default() }.check().unwrap_err().to_string();
        assert_eq!(refusal, "--api-teams-max must be at least 1");
    }

    #[test]
    fn streams_leave_connections_to_others() {
        let check = |streams_max| ApiConfig { streams_max, connections_max: 100, ..ApiConfig::default() }.check();
        check(99).unwrap();
        let refusal = check(100).unwrap_err().to_string();
        assert!(
            refusal.starts_with("--api-streams-max (100) must be less than --api-connections-max (100)"),
            "{refusal}"
        );
    }
}
