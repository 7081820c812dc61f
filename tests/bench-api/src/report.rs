//! The figures, as a table and as a file.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use crate::{Options, cold, hot::Arm, stand::SAMPLED, streams};

/// The questions that are asked of both servers.
const HOT: [&str; 3] = ["ranking_20", "not_modified", "ranking_200"];

/// What was measured.
pub(crate) struct Report {
    keys_checked: bool,
    rounds: u64,
    seconds: u64,
    connections: u64,
    accounts: u64,
    pub(crate) hot: BTreeMap<String, Arm>,
    pub(crate) streams: Vec<streams::Figures>,
    pub(crate) cold: BTreeMap<String, cold::Figures>,
    pub(crate) spans_received: usize,
}

impl Report {
    /// Without figures.
    pub(crate) fn new(options: &Options, keys_checked: bool) -> Self {
        Self {
            keys_checked,
            rounds: options.rounds,
            seconds: options.seconds,
            connections: options.connections,
            accounts: options.accounts,
            hot: BTreeMap::new(),
            streams: Vec::new(),
            cold: BTreeMap::new(),
            spans_received: 0,
        }
    }

    /// What the reach is about: each figure, and what it should be at least or at most.
    fn ratios(&self) -> BTreeMap<String, f64> {
        let mut ratios = BTreeMap::new();
        for question in HOT {
            let arms = (self.hot.get(&format!("api_{question}")), self.hot.get(&format!("bare_{question}")));
            let (Some(api), Some(bare)) = arms else { continue };
            let mut ratio = |what: &str, api: f64, bare: f64| ratios.insert(format!("{question}_{what}"), api / bare);
            ratio("requests_per_s", api.requests_per_s.median, bare.requests_per_s.median);
            ratio("p50", api.p50_ms.median, bare.p50_ms.median);
            ratio("p99", api.p99_ms.median, bare.p99_ms.median);
            ratio("p999", api.p999_ms.median, bare.p999_ms.median);
            ratio("server_us", api.server_us.median, bare.server_us.median);
        }
        for (kind, figures) in &self.cold {
            ratios.insert(format!("cold_{kind}"), figures.ratio);
        }
        ratios
    }

    /// For a person.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if !self.hot.is_empty() {
            text.push_str(&format!("{}\n\n", self.hot_table()));
        }
        for figures in &self.streams {
            text.push_str(&format!("{}\n\n", streams_table(figures)));
        }
        if !self.cold.is_empty() {
            text.push_str(&format!("{}\n\n", self.cold_table()));
        }
        for (name, ratio) in self.ratios() {
            text.push_str(&format!("{name:<28} {ratio:.3}\n"));
        }
        text
    }

    fn hot_table(&self) -> Table {
        let header = ["arm", "requests/s", "min", "max", "p50 ms", "p99 ms", "p99.9 ms", "bytes", "server us"];
        let rows = HOT.iter().flat_map(|question| ["api", "bare"].map(|server| format!("{server}_{question}")));
        let rows = rows.filter_map(|name| {
            let arm = self.hot.get(&name)?;
            Some(vec![
                name,
                format!("{:.0}", arm.requests_per_s.median),
                format!("{:.0}", arm.requests_per_s.min),
                format!("{:.0}", arm.requests_per_s.max),
                format!("{:.2}", arm.p50_ms.median),
                format!("{:.2}", arm.p99_ms.median),
                format!("{:.2}", arm.p999_ms.median),
                format!("{:.0}", arm.bytes),
                format!("{:.1}", arm.server_us.median),
            ])
        });
        table(&header, rows)
    }

    fn cold_table(&self) -> Table {
        let header = ["cold", "questions", "statements", "api ms", "p90", "sql ms", "as asked", "ratio", "as asked"];
        let rows = self.cold.iter().map(|(kind, figures)| {
            vec![
                kind.clone(),
                figures.questions.to_string(),
                format!("{:.0}", figures.statements_each),
                format!("{:.1}", figures.api_ms.median),
                format!("{:.1}", figures.api_p90_ms),
                format!("{:.1}", figures.sql_ms.median),
                format!("{:.1}", figures.sql_as_asked_ms.median),
                format!("{:.2}", figures.ratio),
                format!("{:.2}", figures.ratio_as_asked),
            ]
        });
        table(&header, rows)
    }

    fn json(&self) -> Value {
        json!({
            "keys_checked": self.keys_checked,
            "traces_sampled": SAMPLED,
            "spans_received": self.spans_received,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "connections": self.connections,
            "accounts": self.accounts,
            "arms": self.hot,
            "ratios": self.ratios(),
            "streams": self.streams.iter().map(|figures| (figures.teams.to_string(), json!(figures))).collect::<serde_json::Map<_, _>>(),
            "cold": self.cold,
        })
    }

    /// Writes the file, and its folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let text = serde_json::to_string_pretty(&self.json())? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

fn streams_table(figures: &streams::Figures) -> Table {
    let name = format!("{} streams, {} teams", figures.streams, figures.teams);
    let header =
        [name.as_str(), "published", "received", "missed", "doubled", "p50 ms", "p99 ms", "max ms", "KiB each"];
    let latency = |name: &str, latency: &streams::Latency, kib: f64| {
        vec![
            name.to_owned(),
            latency.published.to_string(),
            latency.received.to_string(),
            latency.missed.to_string(),
            latency.doubled.to_string(),
            format!("{:.0}", latency.p50_ms),
            format!("{:.0}", latency.p99_ms),
            format!("{:.0}", latency.max_ms),
            format!("{kib:.1}"),
        ]
    };
    let hot = |name: &str, seen: &crate::wrk::Seen| {
        let mut row = vec![format!("hot reads, {name}"), format!("{:.0}/s", seen.requests_per_s)];
        row.extend(["", "", ""].map(ToOwned::to_owned));
        row.extend([seen.p50_ms, seen.p99_ms, seen.max_ms].map(|ms| format!("{ms:.2}")));
        row.push(String::new());
        row
    };
    let rows = [
        latency("quiet", &figures.quiet, figures.open_kib_each),
        latency("beside hot reads", &figures.busy, figures.served_kib_each),
        hot("no streams", &figures.hot_without),
        hot("streams open", &figures.hot_with_open),
        hot("streams served", &figures.hot_with_served),
    ];
    table(&header, rows.into_iter())
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(header.iter().copied());
    table.add_rows(rows);
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}
