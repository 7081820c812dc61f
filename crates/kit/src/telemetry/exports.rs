//! What the standard `OTEL_...` variables ask us to export. The exporters read the rest of them (headers, timeouts) themselves.

use anyhow::{bail, ensure};

/// Which signals leave over OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exports {
    pub(super) traces: bool,
    pub(super) metrics: bool,
}

impl Exports {
    /// Reads the variables through `var`. A signal leaves only when an endpoint is set, so that nothing is sent unasked.
    ///
    /// # Errors
    /// When they ask for an exporter, a protocol or a scheme that we do not have: silence would look like a broken collector.
    pub(super) fn from_env(var: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let set = |name: &str| var(name).filter(|value| !value.trim().is_empty());
        if set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Self { traces: false, metrics: false });
        }
        Ok(Self {
            traces: leaves(&set, "TRACES", &["otlp"])?,
            // Prometheus is always served; naming it turns nothing on or off.
            metrics: leaves(&set, "METRICS", &["otlp", "prometheus"])?,
        })
    }
}

fn leaves(set: &impl Fn(&str) -> Option<String>, signal: &str, known: &[&str]) -> anyhow::Result<bool> {
    let variable = format!("OTEL_{signal}_EXPORTER");
    let mut wanted = true;
    if let Some(value) = set(&variable) {
        let exporters: Vec<&str> = value.split(',').map(str::trim).collect();
        for exporter in &exporters {
            ensure!(
                *exporter == "none" || known.contains(exporter),
                "{variable}={value}: takes {} or none",
                known.join(", ")
            );
        }
        wanted = exporters.contains(&"otlp");
    }
    let either = |suffix: &str| {
        [format!("OTEL_EXPORTER_OTLP_{signal}_{suffix}"), format!("OTEL_EXPORTER_OTLP_{suffix}")]
            .into_iter()
            .find_map(|name| set(&name).map(|value| (name, value)))
    };
    let Some((name, endpoint)) = either("ENDPOINT").filter(|_| wanted) else { return Ok(false) };
    if !endpoint.starts_with("http://") {
        bail!("{name}={endpoint}: takes an http:// address; for TLS, run a collector beside this process");
    }
    if let Some((name, protocol)) = either("PROTOCOL") {
        ensure!(protocol == "http/protobuf", "{name}={protocol}: takes http/protobuf");
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(vars: &[(&str, &str)]) -> Result<(bool, bool), String> {
        Exports::from_env(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
            .map(|exports| (exports.traces, exports.metrics))
            .map_err(|error| error.to_string())
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

    #[test]
    fn nothing_leaves_without_an_endpoint() {
        assert_eq!(check(&[]), Ok((false, false)));
        assert_eq!(check(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), Ok((false, false)));
        assert_eq!(check(&[("OTEL_TRACES_EXPORTER", "otlp")]), Ok((false, false)));
    }

    #[test]
    fn an_endpoint_turns_on_both_signals_or_the_one_it_names() {
        assert_eq!(check(&[ENDPOINT]), Ok((true, true)));
        assert_eq!(check(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/v1/traces")]), Ok((true, false)));
        assert_eq!(check(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c/v1/metrics")]), Ok((false, true)));
    }

    #[test]
    fn disabling_and_none_win_over_the_endpoint() {
        assert_eq!(check(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]), Ok((false, false)));
        assert_eq!(check(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]), Ok((false, true)));
        assert_eq!(check(&[ENDPOINT, ("OTEL_METRICS_EXPORTER", "prometheus")]), Ok((true, false)));
    }

    #[test]
    fn what_we_cannot_do_is_refused_by_name() {
        let refusal = |vars: &[(&str, &str)]| check(vars).unwrap_err();
        assert!(refusal(&[("OTEL_TRACES_EXPORTER", "zipkin")]).starts_with("OTEL_TRACES_EXPORTER=zipkin"));
        assert!(refusal(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c")]).contains("http://"));
        assert!(refusal(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).contains("takes http/protobuf"));
    }
}
