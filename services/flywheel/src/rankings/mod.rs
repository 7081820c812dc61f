//! `flywheel rankings`: one team's ranking, of now or of any instant, as it is or as it would be.

mod columns;
mod render;

use anyhow::Context as _;
use clap::Args as ClapArgs;
use client::Question;
use domain::ids::TeamId;
use tokio_util::sync::CancellationToken;
use wire::ranking::Ranking;

use crate::terminal::{Asking, show};

/// The longest page that the API gives.
const ITEMS_MAX: usize = 200;

/// Show a team's ranking.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// Team whose ranking to show, such as `dynamodb`.
    pub team: String,
    /// The instant to rank for, such as 2026-06-30T00:00:00Z. Without it, what was published last.
    #[arg(long)]
    pub as_of: Option<String>,
    /// Rank for the accounts of this segment alone; `(none)` is that of accounts without any.
    #[arg(long)]
    pub segment: Option<String>,
    /// How to rank instead.
    #[command(flatten, next_help_heading = "What if")]
    pub what_if: WhatIf,
    /// How to ask and to show.
    #[command(flatten)]
    pub asking: Asking,
}

/// What to assume instead of what is in force. It changes the answer and nothing else.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct WhatIf {
    /// What if accounts were active for so many days after an event?
    #[arg(long)]
    pub activity_window_days: Option<f64>,
    /// What if a request counted half after so many days?
    #[arg(long)]
    pub half_life_days: Option<f64>,
    /// What if need signals counted for so many days?
    #[arg(long)]
    pub need_window_days: Option<f64>,
    /// What if it took so many signals to show a need?
    #[arg(long)]
    pub need_min_count: Option<u64>,
    /// What if stated demand weighed so much, 0 to 1? Need weighs the rest.
    #[arg(long)]
    pub demand_weight: Option<f64>,
    /// What if revealed need weighed so much, 0 to 1? Demand weighs the rest.
    #[arg(long)]
    pub need_weight: Option<f64>,
    /// What if an account of tier standard weighed so much?
    #[arg(long)]
    pub tier_weight_standard: Option<f64>,
    /// What if an account of tier growth weighed so much?
    #[arg(long)]
    pub tier_weight_growth: Option<f64>,
    /// What if an account of tier enterprise weighed so much?
    #[arg(long)]
    pub tier_weight_enterprise: Option<f64>,
}

/// Shows the ranking once, or until `shutdown` with `--watch`.
///
/// # Errors
/// When the API refuses the question, or, without `--watch`, when it cannot be reached or does not know the team; when
/// the output cannot be written.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let question = question(&args)?;
    show(question, &args.asking, render::render, shutdown).await
}

fn question(args: &Args) -> anyhow::Result<Question<Ranking>> {
    let Args { team, what_if, .. } = args;
    let team = TeamId::parse(team).with_context(|| format!("`{team}` is not a team id"))?;
    Ok(Question::ranking(&team)
        .with("limit", Some(ITEMS_MAX))
        .with("as_of", args.as_of.as_ref())
        .with("segment", args.segment.as_ref())
        .with("activity_window_days", what_if.activity_window_days)
        .with("half_life_days", what_if.half_life_days)
        .with("need_window_days", what_if.need_window_days)
        .with("need_min_count", what_if.need_min_count)
        .with("demand_weight", what_if.demand_weight)
        .with("need_weight", what_if.need_weight)
        .with("tier_weight_standard", what_if.tier_weight_standard)
        .with("tier_weight_growth", what_if.tier_weight_growth)
        .with("tier_weight_enterprise", what_if.tier_weight_enterprise))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn every_flag_is_a_parameter() {
        let line = "flywheel eks --as-of 2020-06-30T00:00:00Z --segment (none) --activity-window-days 1 --half-life-days 2 \
            --need-window-days 3 --need-min-count 4 --demand-weight 0.5 --need-weight 0.5 --tier-weight-standard 5 \
            --tier-weight-growth 6 --tier-weight-enterprise 7";
        let question = question(&Cli::parse_from(line.split_whitespace()).args).unwrap();
        assert_eq!(question.what(), "ranking of team `eks`");
        let given: Vec<String> = question.parameters().iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            given.join("&"),
            "limit=200&as_of=2020-06-30T00:00:00Z&segment=(none)&activity_window_days=1&half_life_days=2&\
             need_window_days=3&need_min_count=4&demand_weight=0.5&need_weight=0.5&tier_weight_standard=5&\
             tier_weight_growth=6&tier_weight_enterprise=7"
        );
        assert!(super::question(&Cli::parse_from(["flywheel", "No/Team"]).args).is_err());
    }
}
