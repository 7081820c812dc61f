//! What an arm costs: processor time of each process between two instants, memory, and who else used the machine.

use std::time::Instant;

use crate::{
    process::{CpuSeconds, Process, machine_cpu},
    site::Site,
};

/// What everything had used at an instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    at: Instant,
    process: CpuSeconds,
    clickhouse: CpuSeconds,
    broker: CpuSeconds,
    bench: CpuSeconds,
    machine: CpuSeconds,
}

/// What lies between two readings, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) elapsed_s: f64,
    pub(crate) process_s: f64,
    pub(crate) clickhouse_s: f64,
    pub(crate) broker_s: f64,
    /// Of this process: producing and looking.
    pub(crate) bench_s: f64,
    /// Of everybody else on the machine.
    pub(crate) others_s: f64,
}

impl Reading {
    /// Reads now; `process` is the arm's own, where it has one.
    ///
    /// # Errors
    /// When one of the processes has ended.
    pub(crate) fn take(site: &Site, process: Option<&Process>) -> anyhow::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            process: process.map_or(Ok(CpuSeconds::default()), Process::cpu)?,
            clickhouse: site.clickhouse.cpu()?,
            broker: site.broker.cpu()?,
            bench: Process::new(std::process::id()).cpu()?,
            machine: machine_cpu()?,
        })
    }

    /// What was used since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Cost {
        let [process_s, clickhouse_s, broker_s, bench_s, machine_s] = [
            self.process - earlier.process,
            self.clickhouse - earlier.clickhouse,
            self.broker - earlier.broker,
            self.bench - earlier.bench,
            self.machine - earlier.machine,
        ]
        .map(|cpu| cpu.0);
        Cost {
            elapsed_s: self.at.duration_since(earlier.at).as_secs_f64(),
            process_s,
            clickhouse_s,
            broker_s,
            bench_s,
            others_s: (machine_s - process_s - clickhouse_s - broker_s - bench_s).max(0.0),
        }
    }
}
