//! What the rounds say together: medians with minimum and maximum, as a table and as JSON.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value, json};

use crate::{
    arms::Arm,
    freshness::Freshness,
    sample::{OTHERS_SHARE_MAX, Sample},
    spread::Spread,
};

/// The rounds so far.
pub(crate) struct Report {
    pub(crate) events: u64,
    pub(crate) rounds: u64,
    pub(crate) batch_rows: usize,
    /// How the Kafka engine was set.
    pub(crate) engine: String,
    pub(crate) samples: Vec<(Arm, Sample)>,
    pub(crate) freshness: Option<Freshness>,
}

/// The figures of one arm over its rounds that count.
struct Figures {
    arm: Arm,
    rounds: usize,
    rows_per_s: Spread,
    process: Spread,
    clickhouse: Spread,
    broker: Spread,
    without_broker: Spread,
    merges_after: Spread,
    peak_mib: Spread,
    clickhouse_peak_mib: Spread,
    others_share: Spread,
}

impl Report {
    /// What speaks against a figure; empty when nothing does.
    pub(crate) fn void(&self) -> Vec<String> {
        self.samples
            .iter()
            .flat_map(|(arm, sample)| sample.void.iter().map(move |why| format!("a round of {arm} is void: {why}")))
            .collect()
    }

    /// Rounds during which somebody else kept the processors busy.
    pub(crate) fn disturbed(&self) -> Vec<String> {
        self.samples
            .iter()
            .filter(|(_, sample)| sample.others_share() > OTHERS_SHARE_MAX)
            .map(|(arm, sample)| {
                format!("others took {:.0} % of the processors during a round of {arm}", sample.others_share() * 100.0)
            })
            .collect()
    }

    /// An arm's median; none where no round counts.
    pub(crate) fn rows_per_s(&self, arm: Arm) -> Option<f64> {
        Some(self.figures_of(arm)?.rows_per_s.median)
    }

    /// The table, and the ratios under it.
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            "arm",
            "",
            "rows/s",
            "min",
            "max",
            "process",
            "clickhouse",
            "broker",
            "without broker",
            "merges after",
            "peak MiB",
        ]);
        for figures in self.figures() {
            table.add_row([
                figures.arm.name().to_owned(),
                figures.arm.description().to_owned(),
                format!("{:.0}", figures.rows_per_s.median),
                format!("{:.0}", figures.rows_per_s.min),
                format!("{:.0}", figures.rows_per_s.max),
                format!("{:.2}", figures.process.median),
                format!("{:.2}", figures.clickhouse.median),
                format!("{:.2}", figures.broker.median),
                format!("{:.2}", figures.without_broker.median),
                format!("{:.2}", figures.merges_after.median),
                format!("{:.0}", figures.peak_mib.median),
            ]);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let mut text = format!("{table}\nprocess to merges after: seconds of processor time for a million rows\n");
        for (name, value) in self.ratios() {
            text.push_str(&format!("{name:<32} {value:.3}\n"));
        }
        if let Some(freshness) = &self.freshness {
            text.push_str(&freshness.text());
        }
        for line in self.void().into_iter().chain(self.disturbed()) {
            text.push_str(&format!("{line}\n"));
        }
        text
    }

    /// What `target/bench/ingest.json` holds.
    pub(crate) fn json(&self) -> Value {
        let arms: Map<String, Value> =
            self.figures().into_iter().map(|figures| (figures.arm.name().to_owned(), figures.json())).collect();
        json!({
            "events": self.events,
            "rounds": self.rounds,
            "batch_rows": self.batch_rows,
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "engine": self.engine,
            "arms": arms,
            "ratios": self.ratios(),
            "freshness": self.freshness.as_ref().map(Freshness::json),
            "void": self.void(),
            "disturbed": self.disturbed(),
        })
    }

    fn figures(&self) -> Vec<Figures> {
        Arm::ALL.into_iter().filter_map(|arm| self.figures_of(arm)).collect()
    }

    fn figures_of(&self, arm: Arm) -> Option<Figures> {
        let samples: Vec<&Sample> = self
            .samples
            .iter()
            .filter(|(of, sample)| *of == arm && sample.void.is_empty())
            .map(|(_, sample)| sample)
            .collect();
        let over = |figure: fn(&Sample) -> f64| Spread::of(samples.iter().map(|sample| figure(sample)));
        Some(Figures {
            arm,
            rounds: samples.len(),
            rows_per_s: over(Sample::rows_per_s)?,
            process: over(|sample| sample.per_million(sample.cost.process_s))?,
            clickhouse: over(|sample| sample.per_million(sample.cost.clickhouse_s))?,
            broker: over(|sample| sample.per_million(sample.cost.broker_s))?,
            without_broker: over(|sample| sample.per_million(sample.cost.process_s + sample.cost.clickhouse_s))?,
            merges_after: over(|sample| sample.per_million(sample.merges_after_s))?,
            peak_mib: over(|sample| sample.peak_mib)?,
            clickhouse_peak_mib: over(|sample| sample.clickhouse_peak_mib)?,
            others_share: over(Sample::others_share)?,
        })
    }

    /// How the arms compare, by the names that the file has; what was not measured is left out.
    fn ratios(&self) -> BTreeMap<&'static str, f64> {
        let of = |arm| self.figures_of(arm);
        let (consume, decode) = (of(Arm::Consume), of(Arm::Decode));
        let (unprotected, protected, engine) = (of(Arm::Unprotected), of(Arm::Protected), of(Arm::Engine));
        // The cheapest way to write is what the machine allows.
        let inserts: Vec<Figures> =
            Arm::ALL.into_iter().filter(|arm| matches!(arm, Arm::Insert(..))).filter_map(of).collect();
        let cheapest = |cost: &dyn Fn(&Figures) -> f64| inserts.iter().map(cost).min_by(f64::total_cmp);
        let with_merges = |figures: &Figures| figures.without_broker.median + figures.merges_after.median;
        let mut ratios = BTreeMap::new();
        if let (Some(ours), Some(engine)) = (&protected, &engine) {
            ratios.insert("A1/K rows_per_s", ours.rows_per_s.median / engine.rows_per_s.median);
            ratios.insert("A1/K cpu_without_broker", ours.without_broker.median / engine.without_broker.median);
            ratios.insert("A1/K cpu_without_broker_merged", with_merges(ours) / with_merges(engine));
        }
        if let (Some(ours), Some(unprotected)) = (&protected, &unprotected) {
            ratios.insert("A1/A0 rows_per_s", ours.rows_per_s.median / unprotected.rows_per_s.median);
        }
        let insert_s = cheapest(&|insert| insert.without_broker.median);
        let insert_merged_s = cheapest(&with_merges);
        if let (Some(consume), Some(decode), Some(insert_s), Some(insert_merged_s)) =
            (consume, decode, insert_s, insert_merged_s)
        {
            let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
            let reading = consume.process.median + consume.broker.median;
            let decoding = decode.process.median - consume.process.median;
            let limit = |insert_s: f64| cores * 1e6 / (reading + decoding + insert_s);
            let (plain, merged) = (limit(insert_s), limit(insert_merged_s));
            ratios.insert("limit rows_per_s", plain);
            ratios.insert("limit rows_per_s_merged", merged);
            if let Some(ours) = &protected {
                ratios.insert("A1/limit rows_per_s", ours.rows_per_s.median / plain);
                // As if whoever writes also waited for the merges of what is written, on all cores.
                let merged_s = 1.0 / ours.rows_per_s.median + ours.merges_after.median / 1e6 / cores;
                ratios.insert("A1/limit rows_per_s_merged", 1.0 / merged_s / merged);
            }
        }
        ratios
    }
}

impl Figures {
    fn json(&self) -> Value {
        let cpu = |of: fn(&Spread) -> f64| {
            json!({
                "process": of(&self.process),
                "clickhouse": of(&self.clickhouse),
                "broker": of(&self.broker),
                "without_broker": of(&self.without_broker),
                "merges_after": of(&self.merges_after),
            })
        };
        json!({
            "rounds": self.rounds,
            "rows_per_s": self.rows_per_s.median,
            "rows_per_s_min": self.rows_per_s.min,
            "rows_per_s_max": self.rows_per_s.max,
            "cpu_s_per_million_rows": cpu(|spread| spread.median),
            "cpu_s_per_million_rows_min": cpu(|spread| spread.min),
            "cpu_s_per_million_rows_max": cpu(|spread| spread.max),
            "peak_rss_mb": self.peak_mib.median,
            "peak_rss_mb_min": self.peak_mib.min,
            "peak_rss_mb_max": self.peak_mib.max,
            "clickhouse_peak_rss_mb": self.clickhouse_peak_mib.median,
            "others_cpu_share": self.others_share.median,
            "others_cpu_share_max": self.others_share.max,
        })
    }
}
