//! What a process takes, from Linux's `/proc`.

use std::{fs, path::Path, time::Duration};

use anyhow::Context as _;

/// A process of this machine.
#[derive(Clone, Debug)]
pub struct Process(String);

impl Process {
    /// This one.
    pub fn own() -> Self {
        Self("/proc/self".to_owned())
    }

    /// The one with that id.
    #[must_use]
    pub fn of(id: u32) -> Self {
        Self(format!("/proc/{id}"))
    }

    /// The one whose id a file holds.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of_file(file: &Path) -> anyhow::Result<Self> {
        let id = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Self(format!("/proc/{}", id.trim())))
    }

    /// The most memory that it had resident since [`Self::reset_peak`], in MiB.
    ///
    /// # Errors
    /// When it has ended.
    pub fn peak_mib(&self) -> anyhow::Result<f64> {
        Ok(self.status_kib("VmHWM:")? / 1_024.0)
    }

    /// The memory that it has resident now, in KiB.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident_kib(&self) -> anyhow::Result<f64> {
        self.status_kib("VmRSS:")
    }

    /// The processor time of all its threads so far, user and system, in hundredths of a second.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("{}/stat", self.0)).context("a measured process has ended")?;
        // The second field is the program's name in brackets, which may hold anything: count from its end.
        let (_, rest) = stat.rsplit_once(')').context("the kernel does not tell the processor time")?;
        let ticks: Vec<u64> = rest.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        Ok(Duration::from_millis(10 * ticks.iter().sum::<u64>()))
    }

    fn status_kib(&self, field: &str) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("{}/status", self.0)).context("a measured process has ended")?;
        let kib = status.lines().find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.trim().parse().ok()).with_context(|| format!("the kernel does not tell {field}"))
    }

    /// Starts a new peak at what is resident now.
    ///
    /// # Errors
    /// When it has ended.
    pub fn reset_peak(&self) -> anyhow::Result<()> {
        fs::write(format!("{}/clear_refs", self.0), "5").context("cannot reset the peak of a process's memory")
    }
}
