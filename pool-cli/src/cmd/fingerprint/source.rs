//! Where a profile comes from: its name, or a file.

use std::fs::File;
use std::io::Read;
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
    let mut bytes = Vec::new();
    let read = File::open(name).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes));
    read.map_err(|error| Failure::usage(format!("cannot read {name}: {error}"), HINT))?;
    if bytes.len() as u64 > MOST {
        let wrong = format!("{name} is no profile: it has more than {MOST} bytes");
        return Err(Failure::usage(wrong, HINT));
    }
    let text = String::from_utf8(bytes).map_err(|_not_utf8| {
        Failure::usage(
            format!("{name} is no profile: it is no text"),
            "`pool fingerprint import` makes a profile of captured bytes",
        )
    })?;
    Profile::from_toml(&text)
        .map_err(|error| Failure::usage(format!("{name}: {}", chain(&error)), HINT))
}

/// No browser's takes a hundredth of it.
const MOST: u64 = 1 << 20;

const HINT: &str = "`pool fingerprint show chromium-156 --toml` prints a profile to start from";
