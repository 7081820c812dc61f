//! Log lines: one for people, one for machines, both with the ids of the trace they belong to.

use std::{
    error::Error,
    fmt::{self, Write},
    io::{self, IsTerminal},
};

use anyhow::Context as _;
use opentelemetry::{
    Context,
    trace::{SpanContext, TraceContextExt},
};
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_log::NormalizeEvent;
use tracing_subscriber::{
    Layer,
    filter::{FilterExt as _, LevelFilter, Targets, filter_fn},
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{DefaultFields, Writer},
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

use super::{LogFormat, TelemetryConfig};

/// The libraries below the exporters and clients say much that nobody asked about, unless the filter names them.
const QUIET: &str =
    "h2=warn,hyper=warn,hyper_util=warn,opentelemetry=warn,opentelemetry_sdk=warn,opentelemetry-otlp=warn,reqwest=warn";

/// The layer that writes log lines to standard error.
///
/// # Errors
/// When the filter cannot be read.
pub(super) fn layer<S>(config: &TelemetryConfig) -> anyhow::Result<impl Layer<S> + use<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let levels: Targets = format!("{QUIET},{}", config.log_filter).parse().with_context(|| {
        format!("--log (FLYWHEEL_LOG) takes a level or target=level pairs, not {:?}", config.log_filter)
    })?;
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && config.log_format == LogFormat::Human)
        .event_format(Line(config.log_format));
    // Of spans a line has the ids alone: writing down their fields, which no line shows, would cost each request. The hint leaves the
    // levels to the other filter: without one, whatever libraries say at any level is put into words, Kafka's client for each record too.
    let events = filter_fn(|metadata| metadata.is_event()).with_max_level_hint(LevelFilter::TRACE);
    Ok(layer.with_filter(levels.and(events)))
}

struct Line(LogFormat);

impl<S> FormatEvent<S, DefaultFields> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, DefaultFields>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // A span's context is current while the span is entered.
        let span = Context::map_current(|current| current.span().span_context().clone());
        let span = span.is_valid().then_some(span);
        // librdkafka's lines come through the `log` crate and bring their target as a field.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        match self.0 {
            LogFormat::Human => human(context, writer, event, metadata, span.as_ref()),
            LogFormat::Json => json(writer, event, metadata, span.as_ref()),
        }
    }
}

fn human<S>(
    context: &FmtContext<'_, S, DefaultFields>,
    mut writer: Writer<'_>,
    event: &Event<'_>,
    metadata: &Metadata<'_>,
    span: Option<&SpanContext>,
) -> fmt::Result
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let coloured = writer.has_ansi_escapes();
    let (dim, reset) = if coloured { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    let level = *metadata.level();
    let colour = if coloured { colour_of(level) } else { "" };
    write!(writer, "{dim}")?;
    SystemTime.format_time(&mut writer)?;
    write!(writer, "{reset} {colour}{level:>5}{reset} {dim}{}:{reset} ", metadata.target())?;
    context.format_fields(writer.by_ref(), event)?;
    if let Some(span) = span {
        write!(writer, " {dim}trace_id={} span_id={}{reset}", span.trace_id(), span.span_id())?;
    }
    writeln!(writer)
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

fn json(mut writer: Writer<'_>, event: &Event<'_>, metadata: &Metadata<'_>, span: Option<&SpanContext>) -> fmt::Result {
    let mut line = Map::new();
    event.record(&mut JsonFields(&mut line));
    let mut timestamp = String::new();
    SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
    // After the fields, so that a field cannot pass for one of these.
    line.insert("timestamp".to_owned(), timestamp.into());
    line.insert("level".to_owned(), metadata.level().as_str().into());
    line.insert("target".to_owned(), metadata.target().into());
    if let Some(span) = span {
        line.insert("trace_id".to_owned(), span.trace_id().to_string().into());
        line.insert("span_id".to_owned(), span.span_id().to_string().into());
    }
    writeln!(writer, "{}", Value::Object(line))
}

struct JsonFields<'a>(&'a mut Map<String, Value>);

impl JsonFields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        // `log.target` and its like say what the line's own members say.
        if !field.name().starts_with("log.") {
            self.0.insert(field.name().to_owned(), value.into());
        }
    }
}

impl Visit for JsonFields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut chain = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            // Writing to a string cannot fail.
            let _ = write!(chain, ": {error}");
            cause = error.source();
        }
        self.put(field, chain);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::Registry;

    use super::*;

    #[test]
    fn what_is_not_written_is_not_put_into_words() {
        for (log_filter, level) in [("info", LevelFilter::INFO), ("warn,flywheel=debug", LevelFilter::DEBUG)] {
            let config = TelemetryConfig { log_format: LogFormat::Json, log_filter: log_filter.to_owned() };
            let layer: Box<dyn Layer<Registry>> = Box::new(layer(&config).unwrap());
            assert_eq!(layer.max_level_hint(), Some(level), "{log_filter}");
        }
    }
}
