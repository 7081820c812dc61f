//! What a process takes, from Linux's `/proc`.

use std::{fs, path::Path};

use anyhow::Context as _;

/// A process of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Process(String);

impl Process {
    /// This one.
    pub(crate) fn own() -> Self {
        Self("/proc/self".to_owned())
    }

    /// The one whose id a file holds.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn of_file(file: &Path) -> anyhow::Result<Self> {
        let id = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Self(format!("/proc/{}", id.trim())))
    }

    /// The most memory that it had resident since [`Self::reset_peak`], in MiB.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn peak_mib(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("{}/status", self.0)).context("a measured process has ended")?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let kib: f64 = kib.and_then(|kib| kib.trim().parse().ok()).context("the kernel does not tell a peak")?;
        Ok(kib / 1_024.0)
    }

    /// Starts a new peak at what is resident now.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn reset_peak(&self) -> anyhow::Result<()> {
        fs::write(format!("{}/clear_refs", self.0), "5").context("cannot reset the peak of a process's memory")
    }
}
