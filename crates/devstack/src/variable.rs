//! The environment, read once where a configuration is made.

use std::env::VarError;

use anyhow::bail;

/// The value of an environment variable; one that is empty counts as not set.
///
/// # Errors
/// When it is not UTF-8.
pub(crate) fn variable(name: &str) -> anyhow::Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => bail!("{name} is not UTF-8"),
    }
}
