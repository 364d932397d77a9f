//! Where a profile comes from: its name, or a file.

use std::path::Path;

use pool_tls::spec::Profile;

use crate::exit::{Failure, chain};

/// The built-in profile of this name, or the one in this file.
///
/// What has a dot or a slash in it, or is a file, is taken for a file.
///
/// # Errors
///
/// Exit 2: nobody knows the name, the near ones are listed; or the file cannot be read or is no profile, with the line.
pub(crate) fn profile(name: &str) -> Result<Profile, Failure> {
    let path = Path::new(name);
    if !name.contains(['/', '.']) && !path.is_file() {
        return Profile::built_in(name).map_err(|error| {
            Failure::usage(
                error.to_string(),
                "`pool fingerprint list` prints the names; a file is given by its path",
            )
        });
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {name}: {error}"), HINT))?;
    Profile::from_toml(&text)
        .map_err(|error| Failure::usage(format!("{name}: {}", chain(&error)), HINT))
}

const HINT: &str = "`pool fingerprint show chromium-156 --toml` prints a profile to start from";
