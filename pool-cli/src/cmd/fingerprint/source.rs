//! Where a profile comes from: its name, or a file.

use std::path::Path;

use pool_tls::spec::Profile;

use crate::exit::{Failure, chain};

/// Whether this means a file: it has a dot or a slash in it, or there is a file named so.
pub(crate) fn is_path(name: &str) -> bool {
    name.contains(['/', '.']) || Path::new(name).is_file()
}

/// The built-in profile of this name, or the one in this file.
///
/// # Errors
///
/// Exit 2: nobody knows the name, the near ones are listed; or the file cannot be read or is no profile, with the line.
pub(crate) fn profile(name: &str) -> Result<Profile, Failure> {
    if !is_path(name) {
        return Profile::built_in(name).map_err(|error| {
            Failure::usage(
                error.to_string(),
                "`pool fingerprint list` prints the names; a file is given by its path",
            )
        });
    }
    let text = std::fs::read_to_string(name)
        .map_err(|error| Failure::usage(format!("cannot read {name}: {error}"), HINT))?;
    Profile::from_toml(&text)
        .map_err(|error| Failure::usage(format!("{name}: {}", chain(&error)), HINT))
}

const HINT: &str = "`pool fingerprint show chromium-156 --toml` prints a profile to start from";
