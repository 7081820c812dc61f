//! A whole run: the world, the plan's rounds, the verdict.

use anyhow::Context as _;
use devstack::Progress;

use crate::{
    plan::Plan,
    report::Report,
    world::{World, WorldConfig},
};

/// Runs a plan in a world of its own.
///
/// # Errors
/// When the stack fails, the instances are stuck, or nothing can be judged. Differences are no error: the report has them.
pub async fn run(plan: &Plan, config: WorldConfig, progress: &Progress) -> anyhow::Result<Report> {
    let mut world = World::start(config).await?;
    world.start_instances().await?;
    progress.step(format_args!("{} instances keep up with the load", world.fleet.len()));
    for (number, round) in plan.rounds.iter().enumerate() {
        progress.step(format_args!("round {}: {round}", number + 1));
        let took = world.round(round).await.with_context(|| format!("round {}: {round}", number + 1))?;
        progress.step(format_args!("recovered within {:.1} s", took.as_secs_f64()));
    }
    progress.step("ending the load, stopping the instances, comparing what is there with the log");
    world.finish().await
}
