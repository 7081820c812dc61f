//! Bodies on the disk: for each batch the number of its bodies, then each as statement and bytes with their lengths.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, BufWriter, Read, Write as _},
    path::Path,
};

use anyhow::Context as _;

use super::{Batch, Body};

/// Writes batches, one after another.
pub(crate) struct Writer(BufWriter<File>);

impl Writer {
    /// A new file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(BufWriter::with_capacity(1 << 20, file)))
    }

    /// Appends a batch.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn push(&mut self, batch: &Batch) -> anyhow::Result<()> {
        self.0.write_all(&(batch.len() as u64).to_le_bytes())?;
        for body in batch {
            for bytes in [body.sql.as_bytes(), &body.bytes] {
                self.0.write_all(&(bytes.len() as u64).to_le_bytes())?;
                self.0.write_all(bytes)?;
            }
        }
        Ok(())
    }

    /// Everything is written.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        Ok(self.0.flush()?)
    }
}

/// All batches of a file.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Batch>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut batches = Vec::new();
    while !file.fill_buf()?.is_empty() {
        let mut batch = Batch::new();
        for _ in 0..number(&mut file)? {
            let sql = String::from_utf8(text(&mut file)?)?;
            batch.push(Body { sql, bytes: text(&mut file)? });
        }
        batches.push(batch);
    }
    Ok(batches)
}

fn number(file: &mut impl Read) -> anyhow::Result<usize> {
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes)?;
    Ok(usize::try_from(u64::from_le_bytes(bytes))?)
}

fn text(file: &mut impl Read) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![0; number(file)?];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let path = std::env::temp_dir().join(format!("bench-bodies-{}", std::process::id()));
        let body = |sql: &str, bytes: &[u8]| Body { sql: sql.to_owned(), bytes: bytes.to_vec() };
        let batches = vec![vec![body("a", &[1, 2]), body("b", &[])], vec![body("c", &[3])]];
        let mut writer = Writer::create(&path).unwrap();
        for batch in &batches {
            writer.push(batch).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(read(&path).unwrap(), batches);
        std::fs::remove_file(&path).unwrap();
    }
}
