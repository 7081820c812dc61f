//! How many files this process may have open; a connection is one.

use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Takes as many as the process may take without asking anybody, and says how many that are. The limit that a shell gives
/// (often 1,024) is meant for programs that cannot handle more.
///
/// # Errors
/// When the system refuses; the former limit stands.
pub fn allow_most() -> anyhow::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("cannot read the limit on open files")?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
            .with_context(|| format!("cannot raise the limit on open files from {soft} to {hard}"))?;
    }
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_allowed_are_taken() {
        let allowed = allow_most().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (allowed, allowed));
        assert_eq!(allow_most().unwrap(), allowed);
    }
}
