//! Where the local stack keeps what it downloads and what it runs on.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};
#[cfg(target_os = "linux")]
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

/// One folder, ignored by git: `parts` (downloads, shared by all runs), `runs` (data and logs, one folder a run) and
/// `ports` (which run uses which).
#[derive(Clone, Debug)]
pub struct Folders {
    root: PathBuf,
}

impl Folders {
    /// `FLYWHEEL_DEVSTACK_DIR`, or `.devstack` at the root of the workspace this was built from.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn from_env() -> anyhow::Result<Self> {
        let root = match std::env::var_os("FLYWHEEL_DEVSTACK_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.devstack"),
        };
        std::fs::create_dir_all(&root).with_context(|| format!("cannot make the folder {}", root.display()))?;
        let root = root.canonicalize().with_context(|| format!("cannot read the folder {}", root.display()))?;
        Ok(Self { root })
    }

    /// Downloads, shared by all runs.
    pub fn parts(&self) -> PathBuf {
        self.root.join("parts")
    }

    /// The folder of the run called `name`.
    pub fn run(&self, name: &str) -> PathBuf {
        self.runs().join(name)
    }

    pub(crate) fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    pub(crate) fn ports(&self) -> PathBuf {
        self.root.join("ports")
    }
}

/// Makes a folder in which ext4 gives each folder a place of its own on the disk, as it does for those at the root of a file system.
///
/// A file that has been deleted keeps its inode from being used for minutes, and whoever makes a file nearby looks at every such
/// inode first. Runs, and tables of ClickHouse's, leave so many that what came next beside them was seen to spend a fifth of two
/// processors there.
///
/// # Errors
/// When the folder cannot be made. Other file systems know of no such thing, and need not.
pub(crate) fn make_apart(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    #[cfg(target_os = "linux")]
    if let Ok(folder) = File::open(folder)
        && let Ok(flags) = ioctl_getflags(&folder)
    {
        let _ = ioctl_setflags(&folder, flags | IFlags::TOPDIR);
    }
    Ok(())
}

/// A lock on a folder, held until dropped or until the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Locks `folder` as soon as nobody else holds it; `waiting` is called where that takes time.
    ///
    /// # Errors
    /// As [`Self::try_new`].
    pub(crate) async fn wait(folder: &Path, waiting: impl FnOnce()) -> anyhow::Result<Self> {
        if let Some(lock) = Self::try_new(folder)? {
            return Ok(lock);
        }
        waiting();
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if let Some(lock) = Self::try_new(folder)? {
                return Ok(lock);
            }
        }
    }

    /// Locks `folder`, making it where it is missing; `None` where another process holds it.
    ///
    /// # Errors
    /// When the folder cannot be made or the lock file not be opened.
    pub(crate) fn try_new(folder: &Path) -> anyhow::Result<Option<Self>> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let path = folder.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(anyhow!(error).context(format!("cannot lock {}", path.display()))),
        }
    }
}

/// Deletes a folder; one that is not there is deleted already.
///
/// # Errors
/// When it cannot be deleted.
pub(crate) fn delete(folder: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(anyhow!(error).context(format!("cannot delete {}", folder.display())))
        }
        _ => Ok(()),
    }
}

/// Deletes a file; one that is not there is deleted already.
///
/// # Errors
/// When it cannot be deleted.
pub(crate) fn delete_file(file: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(anyhow!(error).context(format!("cannot delete {}", file.display())))
        }
        _ => Ok(()),
    }
}
