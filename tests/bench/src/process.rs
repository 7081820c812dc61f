//! What a process has cost, from Linux's `/proc`.

use std::{
    fs,
    ops::Sub,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// The kernel counts these files' processor time in hundredths of a second on every architecture.
const TICKS_PER_S: f64 = 100.0;

/// A process of this machine, all threads of it.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    folder: PathBuf,
}

/// Processor time, user and system.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct CpuSeconds(pub(crate) f64);

impl Sub for CpuSeconds {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self(self.0 - earlier.0)
    }
}

impl Process {
    /// The process with that id.
    pub(crate) fn new(id: u32) -> Self {
        Self { folder: PathBuf::from(format!("/proc/{id}")) }
    }

    /// The process whose id a file holds.
    ///
    /// # Errors
    /// When the file does not hold one.
    pub(crate) fn of_file(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Self::new(text.trim().parse().with_context(|| format!("{} holds no process id", file.display()))?))
    }

    /// Processor time since it started.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn cpu(&self) -> anyhow::Result<CpuSeconds> {
        let stat = self.read("stat")?;
        // The second field is the program's name in brackets, which may hold anything: count from its end.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or(stat.as_str(), |(_, rest)| rest).split_whitespace().collect();
        ticks(&fields, &[11, 12]).with_context(|| format!("cannot read {}/stat", self.folder.display()))
    }

    /// The most memory it had resident since it started or since [`Self::reset_peak`], in MiB.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn peak_mib(&self) -> anyhow::Result<f64> {
        let status = self.read("status")?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let kib: f64 = kib.and_then(|kib| kib.trim().parse().ok()).context("the kernel does not tell a peak")?;
        Ok(kib / 1_024.0)
    }

    /// Starts a new peak at what is resident now.
    ///
    /// # Errors
    /// When it has ended or is somebody else's.
    pub(crate) fn reset_peak(&self) -> anyhow::Result<()> {
        fs::write(self.folder.join("clear_refs"), "5").context("cannot reset the peak of a process's memory")
    }

    fn read(&self, file: &str) -> anyhow::Result<String> {
        let path = self.folder.join(file);
        fs::read_to_string(&path).with_context(|| format!("a measured process has ended: no {}", path.display()))
    }
}

/// Processor time of everything on this machine.
///
/// # Errors
/// When the kernel does not tell.
pub(crate) fn machine_cpu() -> anyhow::Result<CpuSeconds> {
    let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat: this benchmark needs Linux")?;
    let fields: Vec<&str> = stat.lines().next().unwrap_or_default().split_whitespace().collect();
    // user, nice, system, irq, softirq, steal
    ticks(&fields, &[1, 2, 3, 6, 7, 8]).context("cannot read /proc/stat")
}

fn ticks(fields: &[&str], at: &[usize]) -> Option<CpuSeconds> {
    let mut sum = 0;
    for index in at {
        sum += fields.get(*index)?.parse::<u64>().ok()?;
    }
    Some(CpuSeconds(sum as f64 / TICKS_PER_S))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn work_is_counted_and_so_is_memory() {
        let own = Process::new(std::process::id());
        let before = own.cpu().unwrap();
        let began = Instant::now();
        // However little of a busy machine we get.
        while (own.cpu().unwrap() - before).0 < 0.05 {
            assert!(began.elapsed() < Duration::from_secs(60), "no processor time was counted");
        }
        // It cannot have been more than every core all the time; a tick is a hundredth of a second.
        let cores = std::thread::available_parallelism().unwrap().get() as f64;
        assert!((own.cpu().unwrap() - before).0 <= began.elapsed().as_secs_f64() * cores + 0.02);
        let memory = vec![1_u8; 64 << 20];
        assert!(own.peak_mib().unwrap() > 64.0, "{}", memory.len());
    }

    #[test]
    fn a_process_that_has_ended_is_said() {
        let error = Process::new(u32::MAX).cpu().unwrap_err();
        assert!(error.to_string().contains("has ended"), "{error}");
    }
}
