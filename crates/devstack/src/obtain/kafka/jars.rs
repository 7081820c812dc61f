//! The jars are exactly the ones that were reviewed: no other, none missing, none changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    path::Path,
};

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};

use crate::obtain::hex;

/// The file names of the jars, sorted.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn names(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Compares the jars in `folder` with a list as `sha256sum` writes it.
///
/// # Errors
/// When they differ; the message names the first that does.
pub(super) fn verify(folder: &Path, checksums: &str) -> anyhow::Result<()> {
    let listed: BTreeMap<&str, &str> =
        checksums.lines().filter_map(|line| line.split_once("  ")).map(|(sum, name)| (name, sum)).collect();
    let found = names(folder)?;
    for name in &found {
        let sum = listed
            .get(name.as_str())
            .with_context(|| format!("Maven brought {name}, which deploy/dev/kafka/sha256sums does not list"))?;
        let actual = sha256(&folder.join(name))?;
        ensure!(actual == *sum, "{name} has the checksum {actual}, but deploy/dev/kafka/sha256sums lists {sum}");
    }
    match listed.keys().find(|name| !found.contains(**name)) {
        Some(missing) => anyhow::bail!("Maven did not bring {missing}, which deploy/dev/kafka/sha256sums lists"),
        None => Ok(()),
    }
}

fn sha256(path: &Path) -> anyhow::Result<String> {
    let mut digest = Sha256::new();
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match io::Read::read(&mut file, &mut buffer).with_context(|| format!("cannot read {}", path.display()))? {
            0 => return Ok(hex(&digest.finalize())),
            read => digest.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::verify;

    /// Of `one` and of `two`.
    const CHECKSUMS: &str = "\
7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed  one.jar
3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3  two.jar
";

    fn verified(jars: &[(&str, &str)]) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in jars {
            fs::write(folder.path().join(name), content).unwrap();
        }
        verify(folder.path(), CHECKSUMS).map_err(|error| error.to_string())
    }

    #[test]
    fn exactly_the_listed_jars_pass() {
        assert_eq!(verified(&[("one.jar", "one"), ("two.jar", "two")]), Ok(()));
    }

    #[test]
    fn a_changed_a_missing_and_a_foreign_jar_are_refused_by_name() {
        let changed = verified(&[("one.jar", "one"), ("two.jar", "2")]).unwrap_err();
        assert!(changed.starts_with("two.jar has the checksum d4735e3a"), "{changed}");
        let missing = verified(&[("one.jar", "one")]).unwrap_err();
        assert_eq!(missing, "Maven did not bring two.jar, which deploy/dev/kafka/sha256sums lists");
        let foreign = verified(&[("one.jar", "one"), ("two.jar", "two"), ("zwei.jar", "2")]).unwrap_err();
        assert_eq!(foreign, "Maven brought zwei.jar, which deploy/dev/kafka/sha256sums does not list");
    }
}
