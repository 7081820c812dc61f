//! `flywheel evidence`: what is behind a feature's place.

use anyhow::Context as _;
use clap::Args as ClapArgs;
use client::Question;
use domain::ids::{FeatureId, TeamId};
use tokio_util::sync::CancellationToken;
use wire::{
    evidence::{Evidence, Experience, Listed, Numbers},
    ranking::Need,
};

use crate::{
    printable::printable,
    terminal::{
        Asking, Ink, View, age, percent, show,
        table::{Column, Table, cut, flow, whisker},
    },
};

/// Cells of the widest whisker.
const WHISKER_CELLS: usize = 16;

/// Show what is behind a feature's place.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// Team whose feature it is, such as `dynamodb`.
    pub team: String,
    /// The feature.
    pub feature: String,
    /// The instant to answer for; that of the ranking published last if absent.
    #[arg(long)]
    pub as_of: Option<String>,
    /// An account is worse off if its own p99 is above so many microseconds.
    #[arg(long)]
    pub bound_us: Option<u64>,
    /// Whose the latest requests are and in which words, too: takes a key with the scope evidence:read, and each reading is in the audit log.
    #[arg(long, conflicts_with = "watch")]
    pub texts: bool,
    /// How to ask and to show.
    #[command(flatten)]
    pub asking: Asking,
}

/// Shows the evidence once, or until `shutdown` with `--watch`.
///
/// # Errors
/// When the API refuses the question, cannot be reached or knows no such feature; when the output cannot be written.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Args { team, feature, as_of, bound_us, texts, asking } = args;
    let team = TeamId::parse(&team).with_context(|| format!("`{team}` is not a team id"))?;
    let feature = FeatureId::parse(&feature).with_context(|| format!("`{feature}` is not a feature id"))?;
    let question = Question::evidence(&team, &feature).with("as_of", as_of).with("bound_us", bound_us);
    let question = question.with("texts", texts.then_some(true));
    show(question, &asking, render, shutdown).await
}

fn render(evidence: &Evidence, view: &View) -> String {
    let ink = Ink::new(view.colour);
    let mut lines = header(evidence, view, ink);
    lines.push(String::new());
    lines.extend(Table::fit(cells(evidence, ink), view.width).lines(ink));
    if !evidence.signals.is_empty() {
        lines.push(String::new());
        lines.extend(Table::fit(signals(evidence), view.width).lines(ink));
    }
    lines.extend(experience(&evidence.experience, view, ink));
    if !evidence.latest_requests.is_empty() {
        lines.push(String::new());
        lines.extend(Table::fit(said(evidence), view.width).lines(ink));
        lines.extend(words(evidence, view.width));
    }
    view.text(&cut(lines, view.lines_max, ink))
}

fn header(evidence: &Evidence, view: &View, ink: Ink) -> Vec<String> {
    let title = [
        ink.bold(&format!("{} {}", printable(&evidence.team), printable(&evidence.feature))),
        evidence.item.as_ref().map_or_else(|| "not listed".to_owned(), |item| printable(&item.title)),
        format!("as of {}", printable(&evidence.as_of)),
        format!("data through {}", age(&evidence.data_through, view.now)),
    ];
    let mut lines = flow(&title, view.width);
    let place = match (&evidence.item, evidence.listed) {
        (Some(item), listed) => {
            let list = if listed == Some(Listed::Iterate) { "of the launched features" } else { "of the features" };
            let interval = match (item.rank_low, item.rank_high) {
                (Some(low), Some(high)) if low < high => format!(" [{low}-{high}]"),
                _ => String::new(),
            };
            vec![format!("rank {}{interval} {list}", item.rank), format!("score {:.2}", item.score)]
        }
        (None, _) => vec!["the ranking does not list it: it is retired".to_owned()],
    };
    lines.extend(flow(&place, view.width));
    if let [_, merged @ ..] = evidence.merged.as_slice()
        && !merged.is_empty()
    {
        let names: Vec<String> = merged.iter().map(|feature| printable(feature)).collect();
        lines.push(format!("with {}", names.join(", ")));
    }
    lines
}

/// Everybody, then the segments, then the tiers.
fn cells(evidence: &Evidence, ink: Ink) -> Vec<Column> {
    let everybody = evidence.item.as_ref().map(|item| Numbers {
        population: evidence.population.clone(),
        score: item.score,
        contributions: item.contributions.clone(),
        demand: item.demand.clone(),
        need: item.need.clone(),
    });
    let mut rows: Vec<(String, Option<Numbers>)> = Vec::new();
    rows.extend(everybody.map(|numbers| ("everybody".to_owned(), Some(numbers))));
    for cell in &evidence.segments {
        let own = if cell.own { "own segment" } else { "segment" };
        rows.push((format!("{own} {}", printable(&cell.segment)), cell.numbers.clone()));
    }
    for cell in &evidence.tiers {
        rows.push((format!("tier {}", printable(&cell.tier)), cell.numbers.clone()));
    }
    let most = rows.iter().filter_map(|(_, numbers)| numbers.as_ref());
    let most = most
        .map(|numbers| numbers.demand.high.max(if numbers.need.measured { numbers.need.high } else { 0.0 }))
        .fold(0.0, f64::max);
    let of = |cell: &dyn Fn(&Numbers) -> String| {
        rows.iter().map(|(_, numbers)| numbers.as_ref().map(cell).unwrap_or_default()).collect::<Vec<_>>()
    };
    let accounts = rows.iter().map(|(_, numbers)| match numbers {
        Some(numbers) => numbers.population.accounts.to_string(),
        None => "too few".to_owned(),
    });
    let scale = format!("to {:.0}%", most * 100.0);
    vec![
        Column::text("among", 0, rows.iter().map(|(name, _)| name.clone()).collect()).cut_to(20),
        Column::number("accounts", 0, accounts.collect()),
        Column::number("score", 0, of(&|numbers| format!("{:.2}", numbers.score))),
        Column::number("asked", 3, of(&|n| percent(n.demand.share, n.demand.low, n.demand.high))),
        Column::text(
            format!("asked {scale}"),
            1,
            of(&|n| ink.demand(&whisker(n.demand.share, n.demand.low, n.demand.high, most, WHISKER_CELLS))),
        ),
        Column::number("needed", 4, of(&|n| if_measured(&n.need, || percent(n.need.share, n.need.low, n.need.high)))),
        Column::text(
            format!("needed {scale}"),
            2,
            of(&|n| {
                if_measured(&n.need, || ink.need(&whisker(n.need.share, n.need.low, n.need.high, most, WHISKER_CELLS)))
            }),
        ),
        Column::number("ask/need", 5, of(&|n| format!("{}/{}", n.demand.accounts, n.need.accounts))),
    ]
}

/// Where no need signal was ever received, nobody knows: that is not a share of nothing.
fn if_measured(need: &Need, cell: impl FnOnce() -> String) -> String {
    if need.measured { cell() } else { "not measured".to_owned() }
}

fn signals(evidence: &Evidence) -> Vec<Column> {
    let signals = &evidence.signals;
    let number = |number: Option<u64>| number.map_or_else(|| "too few".to_owned(), |number| number.to_string());
    vec![
        Column::text("need signal", 0, signals.iter().map(|signal| printable(&signal.signal)).collect()).cut_to(24),
        Column::number("count", 0, signals.iter().map(|signal| number(signal.count)).collect()),
        Column::number("accounts", 0, signals.iter().map(|signal| number(signal.accounts)).collect()),
        Column::text(
            "latest",
            1,
            signals.iter().map(|signal| signal.latest.as_deref().map(printable).unwrap_or_default()).collect(),
        ),
    ]
}

fn experience(experience: &Experience, view: &View, ink: Ink) -> Vec<String> {
    if experience.operations.is_empty() {
        return Vec::new();
    }
    let operations = &experience.operations;
    let of = |cell: &dyn Fn(&wire::evidence::Durations) -> String| {
        operations
            .iter()
            .map(|operation| operation.durations.as_ref().map(cell).unwrap_or_default())
            .collect::<Vec<_>>()
    };
    let ms = |us: u64| format!("{:.1}", us as f64 / 1e3);
    let columns = vec![
        Column::text("operation", 0, operations.iter().map(|operation| printable(&operation.operation)).collect())
            .cut_to(20),
        Column::number("uses", 2, of(&|durations| durations.observations.to_string())),
        Column::number("p50 ms", 0, of(&|durations| ms(durations.p50_us))),
        Column::number("p99 ms", 0, of(&|durations| ms(durations.p99_us))),
        Column::number("p99.9 ms", 0, of(&|durations| ms(durations.p999_us))),
        Column::number(
            format!("p99 above {}", ms(experience.bound_us)),
            1,
            of(&|durations| {
                let worse = &durations.accounts.worse;
                format!("{} of {}", worse.count, worse.of)
            }),
        ),
    ];
    let mut lines = vec![String::new()];
    lines.extend(Table::fit(columns, view.width).lines(ink));
    if let Some(accounts) = &experience.accounts {
        let worse = &accounts.worse;
        let clauses = [
            format!("{} of {} accounts have a p99 above {} ms", worse.count, worse.of, ms(experience.bound_us)),
            format!("{} with under {} uses are not judged", accounts.too_few, experience.observations_min),
        ];
        lines.extend(flow(&clauses, view.width));
    }
    lines
}

fn said(evidence: &Evidence) -> Vec<Column> {
    let said = &evidence.latest_requests;
    let text = |text: &Option<String>, none: &str| text.as_deref().map_or_else(|| none.to_owned(), printable);
    vec![
        Column::text("said", 0, said.iter().map(|said| printable(&said.time)).collect()),
        Column::text("importance", 0, said.iter().map(|said| text(&said.importance, "withdrawn")).collect()),
        Column::text("channel", 1, said.iter().map(|said| text(&said.channel, "-")).collect()).cut_to(16),
        Column::text("about", 2, said.iter().map(|said| printable(&said.feature)).collect()).cut_to(24),
    ]
}

/// Whose each is, and in which words.
fn words(evidence: &Evidence, width: usize) -> Vec<String> {
    let said = evidence.latest_requests.iter().filter_map(|said| Some((said, said.words.as_ref()?)));
    let lines = said.flat_map(|(said, words)| {
        let clauses = [Some(&words.account), words.requester.as_ref(), words.r#ref.as_ref()];
        let mut clauses: Vec<String> = clauses.into_iter().flatten().map(|text| printable(text)).collect();
        clauses.insert(0, printable(&said.time));
        let mut lines = vec![String::new()];
        lines.extend(flow(&clauses, width));
        let text = words.text.iter().flat_map(|text| text.lines());
        lines.extend(text.map(|line| format!("  {}", printable(line))));
        lines
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use wire::{
        evidence::{Durations, Judged, Operation, Said, SegmentCell, Signal, TierCell, Words},
        ranking::{Confidence, Contributions, Demand, Outside, Parameters, Population},
        share::Share,
    };

    use super::*;
    use crate::terminal::at;

    fn golden() -> Evidence {
        let numbers = Numbers {
            population: Population { accounts: 100, used: 98, weight: 120.0, effective: 80.0 },
            score: 10.55,
            contributions: Contributions { demand: 3.27, need: 7.28 },
            demand: Demand {
                share: 0.1042,
                low: 0.0544,
                high: 0.1902,
                accounts: 15,
                requests: 17,
                outside: Outside { lapsed: 0, never_used: 2 },
            },
            need: Need { share: 0.2667, low: 0.1821, high: 0.3726, accounts: 24, measured: true },
        };
        let judged = || Judged { worse: Share { count: 10, of: 80, share: 0.125, low: 0.07, high: 0.2 }, too_few: 20 };
        Evidence {
            team: "dynamodb".to_owned(),
            feature: "secondary-indexes".to_owned(),
            merged: vec!["secondary-indexes".to_owned(), "query-by-attribute".to_owned()],
            as_of: "2026-01-31T12:00:00Z".to_owned(),
            data_through: "2026-01-31T11:59:58Z".to_owned(),
            formula: "v1".to_owned(),
            snapshot: None,
            confidence: Confidence::Ok,
            parameters: Parameters {
                activity_window_days: 90.0,
                half_life_days: 90.0,
                need_window_days: 30.0,
                need_min_count: 1,
                demand_weight: 0.6,
                need_weight: 0.4,
                confidence: 0.95,
            },
            population: numbers.population.clone(),
            listed: None,
            item: None,
            segments: vec![
                SegmentCell { segment: "retail".to_owned(), own: true, numbers: Some(numbers.clone()) },
                SegmentCell { segment: "gaming\u{1b}[2J".to_owned(), own: false, numbers: None },
            ],
            tiers: vec![TierCell { tier: "standard".to_owned(), numbers: Some(numbers) }],
            signals: vec![
                Signal {
                    signal: "full_scan".to_owned(),
                    count: Some(4_120),
                    accounts: Some(24),
                    latest: Some("2026-01-31T11:58:03Z".to_owned()),
                },
                Signal { signal: "timeout".to_owned(), count: None, accounts: None, latest: None },
            ],
            experience: Experience {
                bound_us: 1_000_000,
                observations_min: 100,
                accounts: Some(judged()),
                operations: vec![
                    Operation {
                        operation: "scan".to_owned(),
                        durations: Some(Durations {
                            observations: 40_000,
                            p50_us: 21_000,
                            p99_us: 740_000,
                            p999_us: 2_300_000,
                            accounts: judged(),
                        }),
                    },
                    Operation { operation: "rare".to_owned(), durations: None },
                ],
            },
            latest_requests: vec![Said {
                time: "2026-01-31T11:20:00Z".to_owned(),
                feature: "query-by-attribute".to_owned(),
                importance: None,
                channel: Some("support".to_owned()),
                words: None,
            }],
        }
    }

    #[test]
    fn a_need_that_was_never_measured_is_not_drawn_as_none() {
        let mut unmeasured = golden();
        for numbers in unmeasured.segments.iter_mut().filter_map(|cell| cell.numbers.as_mut()) {
            numbers.need = Need { share: 0.0, low: 0.0, high: 0.05, accounts: 0, measured: false };
        }
        let text = render(&unmeasured, &at(160));
        let retail = text.lines().find(|line| line.contains("retail")).unwrap();
        assert_eq!(retail.matches("not measured").count(), 2, "{retail}");
        assert!(!render(&golden(), &at(160)).contains("not measured"));
    }

    #[test]
    fn words_are_shown_where_they_were_told_and_command_no_terminal() {
        let mut told = golden();
        told.latest_requests[0].words = Some(Words {
            account: "acme".to_owned(),
            requester: Some("A. Person".to_owned()),
            text: Some("We would pay\u{1b}[2J for it".to_owned()),
            r#ref: None,
        });
        let text = render(&told, &at(120));
        let at = text.lines().position(|line| line.contains("acme") && line.contains("A. Person")).unwrap();
        let words = text.lines().nth(at + 1).unwrap();
        assert!(words.contains("We would pay") && !words.contains('\u{1b}'), "{words}");
    }

    #[test]
    fn at_120_columns_bars_and_intervals_stand() {
        insta::assert_snapshot!(render(&golden(), &at(120)));
    }

    #[test]
    fn at_80_columns_intervals_stand() {
        insta::assert_snapshot!(render(&golden(), &at(80)));
    }
}
