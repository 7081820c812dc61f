//! The names that the API goes by.
//!
//! A page of another site can have its own name lead to this machine's loopback address once it is loaded (DNS rebinding). The browser
//! then takes the API for a part of that site, and hands the page whatever is told to those who show no key. But it says in `Host`
//! for whom the request is: the name of that site. An address cannot be made to lead elsewhere, so any address will do.

use std::{net::IpAddr, str::FromStr};

use axum::{
    extract::Request,
    http::{HeaderValue, header::HOST},
};

use crate::{ApiConfig, error::Error};

const LOCALHOST: &str = "localhost";

/// The name of a host, without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

impl FromStr for HostName {
    type Err = String;

    /// # Errors
    /// When it is no name, or has a port or anything else beside it.
    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if !text.is_empty() && text.bytes().all(plain) {
            Ok(Self(text.strip_suffix('.').unwrap_or(text).to_owned()))
        } else {
            Err("takes the name of a host without a port, such as flywheel.example.org".to_owned())
        }
    }
}

/// The names that are answered; none where any is.
#[derive(Debug)]
pub(crate) struct Hosts(Option<Vec<HostName>>);

impl Hosts {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        let open_on_loopback = config.listen.ip().is_loopback() && !config.keys_required();
        Self((open_on_loopback || !config.hosts.is_empty()).then(|| config.hosts.clone()))
    }

    /// Refuses a request for a host that we are not. One that names none is no browser's.
    ///
    /// # Errors
    /// When it names such a host.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Error> {
        let Some(names) = &self.0 else { return Ok(()) };
        let in_target = request.uri().host().is_none_or(|host| known(names, host));
        let in_headers = || request.headers().get_all(HOST).iter().all(|host| header_known(names, host));
        if in_target && in_headers() { Ok(()) } else { Err(Error::WrongHost) }
    }
}

fn header_known(names: &[HostName], sent: &HeaderValue) -> bool {
    let Ok(sent) = sent.to_str() else { return false };
    let host = match sent.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => sent,
    };
    known(names, host)
}

/// A name has no case, and a dot at its end makes no other of it.
fn known(names: &[HostName], host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.eq_ignore_ascii_case(LOCALHOST)
        || is_address(host)
        || names.iter().any(|name| name.0.eq_ignore_ascii_case(host))
}

fn is_address(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn known(config: &ApiConfig, host: &str) -> bool {
        let request = Request::get("/").header(HOST, host).body(Body::empty()).unwrap();
        Hosts::new(config).check(&request).is_ok()
    }

    #[test]
    fn on_loopback_without_keys_only_localhost_addresses_and_what_is_named_are_known() {
        let config = ApiConfig { hosts: vec!["Board.example.org".parse().unwrap()], ..ApiConfig::default() };
        for host in
            ["localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080", "192.0.2.1"]
        {
            assert!(known(&ApiConfig::default(), host) && known(&config, host), "{host}");
        }
        for host in
            ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "a@b c", ""]
        {
            assert!(!known(&ApiConfig::default(), host) && !known(&config, host), "{host}");
        }
        assert!(known(&config, "board.example.org:443") && !known(&ApiConfig::default(), "board.example.org"));
    }

    #[test]
    fn elsewhere_names_count_only_where_some_are_given() {
        let open = ApiConfig {
            listen: "0.0.0.0:8080".parse().unwrap(),
            allow_non_loopback_without_keys: true,
            ..ApiConfig::default()
        };
        assert!(Hosts::new(&open).0.is_none());
        let named = ApiConfig { hosts: vec!["flywheel".parse().unwrap()], ..open };
        assert!(known(&named, "flywheel:8080") && known(&named, "10.0.0.7:8080") && !known(&named, "evil.example"));
    }

    #[test]
    fn a_name_is_nothing_else() {
        for wrong in ["", "a:1", "http://a", "a/b", "me@a", "[::1]", "a b", "*"] {
            assert!(wrong.parse::<HostName>().is_err(), "{wrong}");
        }
        assert!("flywheel-1.internal".parse::<HostName>().is_ok());
    }
}
