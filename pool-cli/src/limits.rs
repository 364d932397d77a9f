//! How many files this process may have open, and how many connections that allows.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::exit::Failure;

/// Raises the soft limit of open files to the hard one, and returns what holds then.
///
/// A limit that cannot be raised stays as it is: what it allows is decided by [`total_for`].
pub(crate) fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return UNKNOWN;
    };
    // macOS calls its hard limit infinite and refuses more than this.
    let wanted = if cfg!(target_os = "macos") {
        hard.min(10_240)
    } else {
        hard
    };
    if wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok() {
        wanted
    } else {
        soft
    }
}

/// The default of `limits.total`: `files - max(64, files / 4)`, at most 65536.
///
/// What is left out is for the files that are written, the input, listeners and the libraries' own.
///
/// # Errors
///
/// If nothing is left for connections.
pub(crate) fn total_for(files: u64) -> Result<usize, Failure> {
    let left = files.saturating_sub(RESERVED.max(files / 4)).min(MOST);
    match usize::try_from(left) {
        Ok(total) if total > 0 => Ok(total),
        _ => Err(Failure::environment(
            format!(
                "this process may open {files} files, and {RESERVED} of them are not for connections"
            ),
            "raise the limit of open files, for example with `ulimit -n 4096`",
        )),
    }
}

/// Checks that `wanted` connections, which the setting `key` allows, can be open.
///
/// # Errors
///
/// If there are too few files for them; the message has both numbers.
pub(crate) fn check(key: &str, wanted: usize, files: u64) -> Result<(), Failure> {
    let possible = files.saturating_sub(RESERVED);
    if wanted == usize::MAX || wanted as u64 <= possible {
        return Ok(());
    }
    Err(Failure::environment(
        format!(
            "{key} = {wanted} needs {} open files, and this process may have {files}",
            wanted as u64 + RESERVED
        ),
        format!("raise the limit with `ulimit -n`, or set {key} to {possible} or less"),
    ))
}

/// Files that are not connections.
const RESERVED: u64 = 64;

/// More connections than one address has ports; whoever wants more says so.
const MOST: u64 = 65_536;

/// What POSIX promises where nobody can be asked.
const UNKNOWN: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_files_and_at_least_64_stay_free() {
        let totals = [100, 256, 1024, 20_000, u64::MAX].map(|files| total_for(files).unwrap());
        assert_eq!(totals, [36, 192, 768, 15_000, 65_536]);
    }

    #[test]
    fn too_few_files_are_the_environments_fault() {
        for files in [0, 1, 64] {
            let failure = total_for(files).unwrap_err();
            assert_eq!(failure.exit().code(), 3);
        }
    }

    #[test]
    fn a_limit_beyond_the_files_is_refused_with_both_numbers() {
        assert_eq!(check("limits.total", 960, 1024), Ok(()));
        assert_eq!(check("limits.total", usize::MAX, 1024), Ok(()), "unlimited");
        let Err(Failure::Told { message, .. }) = check("limits.total", 961, 1024) else {
            panic!("961 and 64 are more than 1024");
        };
        assert!(
            message.contains("1025") && message.contains("1024"),
            "{message}"
        );
    }

    #[test]
    fn raising_ends_at_the_hard_limit() {
        let files = raise_open_files();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(
            files == soft && soft <= hard,
            "{files} of {soft} and {hard}"
        );
    }
}
