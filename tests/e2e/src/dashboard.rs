//! The SQL of a Grafana dashboard as the ClickHouse plugin would send it: its macros and the dashboard's variables replaced.
//!
//! Only the macros that our dashboards use are known; any other is an error, so that a query is never tested half-replaced.

use anyhow::{Context, bail};
use serde_json::Value;

/// The dashboard that we ship, Classic JSON.
pub const ROADMAP: &str = include_str!("../../../deploy/grafana/dashboards/roadmap.json");

/// One query of a dashboard, ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanelQuery {
    /// Title of the panel, or `variable` and the name of the variable that the query fills.
    pub panel: String,
    /// The query without macros or variables.
    pub sql: String,
}

/// What Grafana's time picker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// Start, in milliseconds since 1970.
    pub from_ms: i64,
    /// End, in milliseconds since 1970.
    pub to_ms: i64,
    /// Width of one point in the graph, in seconds.
    pub interval_s: u32,
}

/// Every query of a dashboard in Classic JSON, those of its variables included, for one team and time range.
///
/// A panel's own `timeFrom` is not looked at: all panels get `range`.
///
/// # Errors
/// When the text is not a dashboard, it has no query, or a query uses a macro or variable that is not known here.
pub fn queries(dashboard_json: &str, team: &str, range: TimeRange) -> anyhow::Result<Vec<PanelQuery>> {
    let dashboard: Value = serde_json::from_str(dashboard_json).context("the dashboard is not JSON")?;
    let mut raw = Vec::new();
    for variable in list(&dashboard["templating"]["list"]) {
        if let Some(sql) = variable["query"]["rawSql"].as_str() {
            raw.push((format!("variable {}", variable["name"].as_str().unwrap_or_default()), sql));
        }
    }
    for panel in list(&dashboard["panels"]) {
        let title = panel["title"].as_str().context("a panel has no title")?;
        for target in list(&panel["targets"]) {
            let sql = target["rawSql"].as_str().with_context(|| format!("a query of panel {title} has no rawSql"))?;
            raw.push((title.to_owned(), sql));
        }
    }
    anyhow::ensure!(!raw.is_empty(), "the dashboard has no query");
    raw.into_iter()
        .map(|(panel, sql)| {
            let sql = substitute(sql, team, range).with_context(|| format!("in panel {panel}"))?;
            Ok(PanelQuery { panel, sql })
        })
        .collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Replaces from left to right; what was put in is not looked at again.
fn substitute(sql: &str, team: &str, range: TimeRange) -> anyhow::Result<String> {
    let mut out = String::with_capacity(sql.len() + 256);
    let mut rest = sql;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (replacement, after) =
            if let Some(name) = rest.strip_prefix("__") { macro_call(name, range)? } else { variable(rest, team)? };
        out.push_str(&replacement);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// `text` starts behind `$__`; gives the replacement and what follows the call.
fn macro_call(text: &str, range: TimeRange) -> anyhow::Result<(String, &str)> {
    let (name, rest) = word(text);
    let from = format!("toDateTime({})", range.from_ms.div_euclid(1000));
    let to = format!("toDateTime({})", range.to_ms.div_euclid(1000));
    Ok(match name {
        "fromTime" => (from, rest),
        "toTime" => (to, rest),
        "interval_s" => (range.interval_s.max(1).to_string(), rest),
        "timeFilter" => {
            let (column, rest) = argument(name, rest)?;
            (format!("{column} >= {from} AND {column} <= {to}"), rest)
        }
        "timeInterval" => {
            let (column, rest) = argument(name, rest)?;
            let seconds = range.interval_s.max(1);
            (format!("toStartOfInterval(toDateTime({column}), INTERVAL {seconds} second)"), rest)
        }
        _ => bail!("the macro $__{name} is not known"),
    })
}

/// `text` starts behind `$`; the only variable is `team`.
fn variable<'a>(text: &'a str, team: &str) -> anyhow::Result<(String, &'a str)> {
    let (inside, rest) = match text.strip_prefix('{') {
        Some(braced) => braced.split_once('}').context("a ${ is never closed")?,
        None => word(text),
    };
    let value = match inside {
        "team" => team.to_owned(),
        "team:singlequote" => format!("'{}'", team.replace('\'', "\\'")),
        other => bail!("the variable ${{{other}}} is not known"),
    };
    Ok((value, rest))
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

/// The one argument of a macro, which may hold parentheses of its own.
fn argument<'a>(name: &str, text: &'a str) -> anyhow::Result<(&'a str, &'a str)> {
    let inside = text.strip_prefix('(').with_context(|| format!("$__{name} has no argument"))?;
    let mut depth = 1;
    for (at, c) in inside.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok((inside[..at].trim(), &inside[at + 1..]));
        }
    }
    bail!("$__{name}( is never closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: TimeRange = TimeRange { from_ms: 1_415_792_726_999, to_ms: 1_447_328_726_000, interval_s: 20 };

    #[test]
    fn the_time_filter_compares_whole_seconds() {
        assert_eq!(
            substitute("WHERE $__timeFilter(r.time) AND 1", "t", RANGE).unwrap(),
            "WHERE r.time >= toDateTime(1415792726) AND r.time <= toDateTime(1447328726) AND 1",
        );
    }

    #[test]
    fn a_macro_argument_may_hold_parentheses() {
        assert_eq!(
            substitute("$__timeInterval(max(as_of)) AS time", "t", RANGE).unwrap(),
            "toStartOfInterval(toDateTime(max(as_of)), INTERVAL 20 second) AS time",
        );
    }

    #[test]
    fn a_short_macro_is_not_mistaken_for_a_long_one() {
        assert_eq!(
            substitute("$__fromTime,$__toTime,$__interval_s", "t", RANGE).unwrap(),
            "toDateTime(1415792726),toDateTime(1447328726),20",
        );
    }

    #[test]
    fn the_interval_is_at_least_a_second() {
        assert_eq!(substitute("$__interval_s", "t", TimeRange { interval_s: 0, ..RANGE }).unwrap(), "1");
    }

    #[test]
    fn a_team_is_quoted_where_the_query_says_so() {
        assert_eq!(substitute("$team ${team} ${team:singlequote}", "o'k", RANGE).unwrap(), r"o'k o'k 'o\'k'");
    }

    #[test]
    fn a_value_is_not_replaced_again() {
        assert_eq!(substitute("${team:singlequote}", "$__toTime", RANGE).unwrap(), "'$__toTime'");
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (sql, names) in [
            ("$__timeFilterish(a)", "$__timeFilterish"),
            ("${segment}", "${segment}"),
            ("${team:csv}", "${team:csv}"),
            ("$__timeFilter(a", "$__timeFilter"),
            ("$__timeFilter", "$__timeFilter"),
            ("${team", "${"),
        ] {
            let error = substitute(sql, "t", RANGE).unwrap_err().to_string();
            assert!(error.contains(names), "{sql}: {error}");
        }
    }

    #[test]
    fn variables_and_panels_are_both_read() {
        let dashboard = r#"{
            "templating": {"list": [{"name": "team", "query": {"rawSql": "SELECT 1"}}]},
            "panels": [{"title": "Ranking", "targets": [{"rawSql": "SELECT ${team:singlequote}"}, {"rawSql": "SELECT 2"}]}]
        }"#;
        let found = queries(dashboard, "dynamodb", RANGE).unwrap();
        let found: Vec<_> = found.iter().map(|query| (query.panel.as_str(), query.sql.as_str())).collect();
        assert_eq!(found, [("variable team", "SELECT 1"), ("Ranking", "SELECT 'dynamodb'"), ("Ranking", "SELECT 2")]);
    }

    #[test]
    fn a_dashboard_without_queries_is_refused() {
        assert!(queries("{}", "t", RANGE).is_err());
        assert!(queries("no", "t", RANGE).is_err());
    }

    #[test]
    fn the_roadmap_can_be_provisioned() {
        let dashboard: Value = serde_json::from_str(ROADMAP).unwrap();
        assert!(dashboard.get("id").is_none(), "an id belongs to one Grafana's database");
        assert_eq!(dashboard["uid"], "flywheel-roadmap", "links hold this uid");
        assert_eq!(dashboard["schemaVersion"], 42);
        let datasources = include_str!("../../../deploy/grafana/provisioning/datasources/flywheel.yaml");
        for panel in list(&dashboard["panels"]) {
            let title = panel["title"].as_str().unwrap();
            assert!(
                panel["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{title} says not what it shows"
            );
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
            for target in list(&panel["targets"]) {
                let uid = target["datasource"]["uid"].as_str().unwrap();
                assert!(
                    datasources.contains(&format!("uid: {uid}\n")),
                    "{title} asks a data source that is not provisioned"
                );
            }
        }
    }

    #[test]
    fn the_roadmap_reads_no_personal_data() {
        for query in queries(ROADMAP, "dynamodb", RANGE).unwrap() {
            for forbidden in ["request_texts", "requester", "payload", "headers"] {
                assert!(!query.sql.contains(forbidden), "{} reads {forbidden}", query.panel);
            }
        }
    }
}
