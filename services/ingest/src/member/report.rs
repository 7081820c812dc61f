//! How the loop stands, now and then, and whether what it wrote is there.

use std::time::{Duration, Instant};

use protocol::Part;

use crate::{clickhouse::Findings, metrics::Standing};

use super::{
    Ingest,
    lane::{Lane, Unaudited},
    trouble::Work,
};

/// How often the gauges are brought up to date.
const REPORT_EVERY: Duration = Duration::from_secs(1);

impl Ingest {
    pub(super) fn report_if_due(&mut self) {
        if self.reported_at.elapsed() < REPORT_EVERY {
            return;
        }
        self.tasks.topics(self.member.consumer());
        self.reported_at = Instant::now();
        if !self.behind {
            self.lanes.values_mut().for_each(Lane::give_back_room);
        }
        let lanes = || self.lanes.iter();
        let ages = lanes().filter_map(|(partition, lane)| Some((*partition, lane.held.front()?.since.elapsed())));
        self.metrics.stands(Standing {
            buffered_bytes: lanes().map(|(_, lane)| lane.bytes() as u64).sum(),
            buffered_bytes_max: self.config.rows_bytes_max() as u64,
            windows_bytes: lanes().map(|(_, lane)| lane.window.bytes() as u64).sum(),
            range_ages: ages.collect(),
            horizons_ms: lanes().map(|(partition, lane)| (*partition, lane.window.horizon_ms())).collect(),
        });
    }

    pub(super) fn audit_if_due(&mut self) {
        if self.audited_at.elapsed() < Duration::from_secs(self.config.audit_s) {
            return;
        }
        self.audited_at = Instant::now();
        for (partition, lane) in &mut self.lanes {
            if let Some(Unaudited { range, records }) = lane.unaudited.take() {
                self.tasks.audit(Part { partition: *partition, range }, records);
            }
        }
    }

    pub(super) fn audited(&mut self, part: Part, findings: Findings) {
        self.trouble.ends(Work::Asking);
        self.metrics.audited(part.range.length(), findings);
        let Findings { doubled, missing } = findings;
        if doubled + missing > 0 {
            tracing::error!(
                kafka.topic = part.partition.topic.0,
                kafka.partition = part.partition.partition.0,
                first_offset = part.range.first().0,
                end_offset = part.range.end().0,
                doubled,
                missing,
                "the audit found rows that are doubled or missing"
            );
        }
    }
}
