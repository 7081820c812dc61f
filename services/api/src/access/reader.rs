//! Reads the keys again and again, so that every api soon knows what became of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use kit::health::Part;
use tokio_util::sync::CancellationToken;

use super::{facts, ring::Ring, table::KeyTable};

/// ClickHouse is given up on after this; the next reading asks again.
const READING_MAX: Duration = Duration::from_secs(2);

/// A key that was revoked is refused after this at the latest, or the part is not ready.
const AGE_MAX: Duration = Duration::from_secs(5);

/// Keeps `ring` as `table` has it until `shutdown`. While ClickHouse is away, what is held stays good.
pub(crate) async fn run(ring: Arc<Ring>, table: KeyTable, every: Duration, part: Part, shutdown: CancellationToken) {
    part.unready("the API keys have not been read yet");
    let (mut away, mut left_out) = (false, 0);
    loop {
        let begun = Instant::now();
        match read(&table).await {
            Ok(facts) => {
                let too_many = ring.replace(facts::keys(facts).into_values(), begun);
                if too_many > 0 && left_out == 0 {
                    tracing::error!(keys.left_out = too_many, "more API keys than are held; see --api-keys-max");
                }
                if away {
                    tracing::info!("the API keys are read again");
                }
                (away, left_out) = (false, too_many);
            }
            Err(error) if !away => {
                tracing::warn!(error = format!("{error:#}"), "the API keys cannot be read; those held stay good");
                away = true;
            }
            Err(_) => {}
        }
        match ring.age() {
            Some(age) if age <= AGE_MAX => part.ready(),
            Some(age) => part.unready(format!("the API keys were last read {} s ago", age.as_secs())),
            None => part.unready("the API keys have not been read yet"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}

async fn read(table: &KeyTable) -> anyhow::Result<Vec<facts::Fact>> {
    tokio::time::timeout(READING_MAX, table.standing()).await.context("ClickHouse does not answer")?
}
