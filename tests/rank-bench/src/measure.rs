//! What rankings of one size cost.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use domain::ids::TeamId;
use rank_bench::{process::Process, site::Site, world::Size};
use ranker::{
    RankerConfig,
    rehearsal::{Rehearsal, rehearse},
};
use store::Store;

use crate::report::{Cost, SizeReport};

const QUERY_MAX: Duration = Duration::from_secs(60);
/// One changed team is measured so many times a round, each time another one.
const CHANGED_A_ROUND: u64 = 5;

/// What ClickHouse has read and how much of the processors it has taken, since it started.
#[derive(Clone, Copy)]
struct Read {
    rows: u64,
    bytes: u64,
    cpu_us: u64,
}

/// Measures teams of a size, all of them and one by one.
///
/// # Errors
/// When ClickHouse does not answer, or a ranking has nothing in it.
pub(crate) async fn size(site: &Site, config: &RankerConfig, size: Size, rounds: u64) -> anyhow::Result<SizeReport> {
    let store = Store::new(site.ranker.clone(), QUERY_MAX);
    let teams: Vec<TeamId> = size.team_ids().map(|id| TeamId::parse(&id)).collect::<Result<_, _>>()?;
    let own = Process::own();
    site.clickhouse.reset_peak()?;
    own.reset_peak()?;

    let (mut cold, mut everything, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let (cost, earlier) = measured(site, rank(&store, config, &teams, None)).await?;
        cold.push(cost);
        let (cost, _) = measured(site, rank(&store, config, &teams, Some(&earlier))).await?;
        everything.push(cost);
        for number in 0..CHANGED_A_ROUND.min(size.teams) {
            let place = usize::try_from((round * CHANGED_A_ROUND + number) % size.teams)?;
            let (team, earlier) = (&teams[place..=place], &earlier[place..=place]);
            let (cost, _) = measured(site, rank(&store, config, team, Some(earlier))).await?;
            changed.push(cost);
        }
    }
    Ok(SizeReport {
        teams: size.teams,
        accounts_each: size.accounts,
        everything_with_week_ago: Cost::median(&cold),
        everything: Cost::median(&everything),
        one_changed_team: Cost::median(&changed),
        clickhouse_peak_mib: site.clickhouse.peak_mib()?,
        ranker_peak_mib: own.peak_mib()?,
    })
}

async fn rank(
    store: &Store,
    config: &RankerConfig,
    teams: &[TeamId],
    earlier: Option<&[Rehearsal]>,
) -> anyhow::Result<Vec<Rehearsal>> {
    let as_of_s = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let rehearsals = rehearse(store, config, teams, as_of_s, earlier).await?;
    for (team, rehearsal) in teams.iter().zip(&rehearsals) {
        ensure!(rehearsal.json.contains("feature-5"), "the ranking of {team} is empty");
    }
    Ok(rehearsals)
}

async fn measured<T>(site: &Site, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(Cost, T)> {
    let before = read(site).await?;
    let began = Instant::now();
    let done = work.await?;
    let took = began.elapsed();
    let after = read(site).await?;
    let cost = Cost {
        ms: took.as_secs_f64() * 1e3,
        clickhouse_cpu_ms: (after.cpu_us - before.cpu_us) as f64 / 1e3,
        rows_read: after.rows - before.rows,
        bytes_read: after.bytes - before.bytes,
    };
    Ok((cost, done))
}

async fn read(site: &Site) -> anyhow::Result<Read> {
    let (rows, bytes, cpu_us) = site
        .client
        .query(
            "SELECT sumIf(value, event = 'SelectedRows'), sumIf(value, event = 'SelectedBytes'),
                sumIf(value, event = 'OSCPUVirtualTimeMicroseconds')
            FROM system.events",
        )
        .fetch_one::<(u64, u64, u64)>()
        .await
        .context("ClickHouse does not say what it has read")?;
    Ok(Read { rows, bytes, cpu_us })
}
