//! What does not work at the moment: said once when it begins, once for each new cause, and once when it is over.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// Something that is tried again until it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// Asking Kafka for committed offsets and logs' ends.
    Offsets,
    /// Asking ClickHouse which rows or pairs there are.
    Asking,
    /// Inserting rows.
    Inserting,
    /// Telling the ranker of new rows. Not tried again: the next rows tell it too.
    Telling,
}

/// What is in trouble now.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    kafka: Spell,
    clickhouse: Spell,
}

/// A time in which some work fails.
#[derive(Debug, Default)]
struct Spell {
    failing: BTreeMap<Work, Instant>,
    /// The causes that were told, and whether rows wait for their end: few, as causes are codes.
    told: BTreeSet<(bool, u32)>,
}

impl Trouble {
    /// A try failed. ClickHouse may do some work and refuse other, so each kind ends by itself.
    pub(crate) fn begins(&mut self, work: Work, error: &str) {
        let spell = self.of(work);
        spell.failing.entry(work).or_insert_with(Instant::now);
        let (rows_wait, code) = (work != Work::Telling, kit::clickhouse::code(error).unwrap_or_default());
        if spell.told.contains(&(true, code)) || !spell.told.insert((rows_wait, code)) {
            return;
        }
        let remedy = kit::clickhouse::remedy(error);
        match work {
            Work::Inserting => {
                tracing::warn!(error, remedy, "clickhouse did not take the rows, keeping them and trying again");
            }
            Work::Asking => tracing::warn!(error, remedy, "clickhouse was asked in vain, waiting and trying again"),
            Work::Telling => {
                tracing::warn!(error, remedy, "the ranker was not told of new rows, it will find them later")
            }
            Work::Offsets => tracing::warn!(error, "kafka was asked in vain, waiting and trying again"),
        }
    }

    /// A try worked.
    pub(crate) fn ends(&mut self, work: Work) {
        let spell = self.of(work);
        let Some(since) = spell.failing.remove(&work) else { return };
        if spell.failing.is_empty() {
            spell.told.clear();
            let lasted_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            match work {
                Work::Offsets => tracing::info!(lasted_ms, "kafka answers again"),
                Work::Asking | Work::Inserting | Work::Telling => {
                    tracing::info!(lasted_ms, "clickhouse answers again");
                }
            }
        }
    }

    fn of(&mut self, work: Work) -> &mut Spell {
        match work {
            Work::Offsets => &mut self.kafka,
            Work::Asking | Work::Inserting | Work::Telling => &mut self.clickhouse,
        }
    }
}
