//! The audit's file: lines of JSON, of which each is added to the end and none is ever changed.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::PathBuf,
};

use anyhow::Context as _;

/// Nobody else on the machine is to read who reads.
const MODE: u32 = 0o600;

#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
}

impl AuditFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Opens the file, and makes it if it is not there. Anew for each line: whoever rotates it need not tell us.
    pub(super) fn open(&self) -> anyhow::Result<File> {
        let opened = OpenOptions::new().create(true).append(true).read(true).mode(MODE).open(&self.path);
        opened.with_context(|| format!("cannot open the audit file {}", self.path.display()))
    }

    /// Adds a line. When this returns, it is on the disk.
    pub(super) fn append(&self, line: &[u8]) -> anyhow::Result<()> {
        let mut file = self.open()?;
        let failed = || format!("cannot write to the audit file {}", self.path.display());
        let found = file.metadata().with_context(failed)?;
        if !found.is_file() {
            // A pipe or the like, which has neither an end to look at nor a disk.
            return file.write_all(line).with_context(failed);
        }
        // A line that a full disk cut short stays alone.
        let mut last = [b'\n'];
        if let Some(at) = found.len().checked_sub(1) {
            file.read_exact_at(&mut last, at).with_context(failed)?;
        }
        let text = if last == [b'\n'] { line.to_vec() } else { [b"\n", line].concat() };
        // In one piece, so that lines of several processes do not mix.
        file.write_all(&text).and_then(|()| file.sync_data()).with_context(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn lines_are_added_also_after_the_file_was_moved_away_or_one_was_cut_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let file = AuditFile::new(path.clone());
        file.append(b"1\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        file.append(b"2\n").unwrap();
        let rotated = folder.path().join("audit.jsonl.1");
        fs::rename(&path, &rotated).unwrap();
        file.append(b"3\n").unwrap();
        fs::write(&path, b"3\n4 cut sho").unwrap();
        file.append(b"5\n").unwrap();
        assert_eq!(fs::read_to_string(&rotated).unwrap(), "1\n2\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "3\n4 cut sho\n5\n");
    }

    #[test]
    fn what_cannot_be_opened_is_named() {
        let missing = AuditFile::new("/nowhere/audit.jsonl".into());
        assert!(missing.append(b"1\n").unwrap_err().to_string().contains("/nowhere/audit.jsonl"));
    }
}
