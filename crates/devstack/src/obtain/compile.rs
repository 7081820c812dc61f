//! The stack's own two C programs, each compiled from its one file.

use std::{ffi::OsStr, path::PathBuf, time::Duration};

use super::{command::Step, part, write};
use crate::{folders::Folders, progress::Progress};

const SUPERVISOR: &str = include_str!("../../../../deploy/dev/supervise.c");

/// The program that other programs run under.
///
/// # Errors
/// When there is no C compiler or it fails.
pub(crate) async fn supervisor(folders: &Folders, progress: &Progress) -> anyhow::Result<PathBuf> {
    compile(folders, progress, "supervise", SUPERVISOR).await
}

/// Compiles the program `name` where it is missing.
///
/// # Errors
/// When there is no C compiler or it fails.
pub(super) async fn compile(
    folders: &Folders,
    progress: &Progress,
    name: &str,
    source: &str,
) -> anyhow::Result<PathBuf> {
    let place = part(folders, progress, name, &[source], async |folder| {
        write(folder, "main.c", source)?;
        Step {
            doing: &format!("compiling {name}"),
            program: OsStr::new("cc"),
            install: "install a C compiler (such as gcc)",
            arguments: &["-O1", "-o", name, "main.c", "-ldl"].map(OsStr::new),
            folder,
            timeout: Duration::from_secs(60),
        }
        .run(progress)
        .await
    })
    .await?;
    Ok(place.join(name))
}
