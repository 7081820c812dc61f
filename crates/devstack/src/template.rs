//! The committed configuration files hold `{{name}}` where each run has its own value.

use std::path::Path;

use anyhow::{Context, ensure};

/// Writes `template` to `file` with every `{{name}}` replaced.
///
/// # Errors
/// When a name in the template has no value, or the file cannot be written.
pub(crate) fn write(file: &Path, template: &str, values: &[(&str, &str)]) -> anyhow::Result<()> {
    let filled =
        values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value));
    ensure!(!filled.contains("{{"), "{} has a placeholder without a value", file.display());
    std::fs::write(file, filled).with_context(|| format!("cannot write {}", file.display()))
}

/// `path` as text for a configuration file or a command line.
///
/// # Errors
/// When it is not UTF-8, or holds a character that a configuration file would read as something else.
pub(crate) fn plain(path: &Path) -> anyhow::Result<&str> {
    let text = path.to_str().with_context(|| format!("the path {} is not UTF-8", path.display()))?;
    ensure!(
        !text.contains(['<', '>', '&', '\\', '*', ':', '\n']),
        "the path {text} holds a character the local stack cannot put in a configuration file: set FLYWHEEL_DEVSTACK_DIR to another folder"
    );
    Ok(text)
}
