//! What `--deny` and `--allow` take.

use std::path::PathBuf;
use std::str::FromStr;

use pool_health::IpPrefix;

/// Addresses, or a file that names some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AccessArg {
    /// One prefix, or one address.
    Prefix(IpPrefix),
    /// What a word stands for.
    Word(&'static [IpPrefix]),
    /// A file of rules.
    File(PathBuf),
}

impl FromStr for AccessArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "@" => Err("a file's name is missing after `@`".into()),
            "all" => Ok(Self::Word(&IpPrefix::ALL)),
            "private" => Ok(Self::Word(&IpPrefix::PRIVATE)),
            _ => match text.strip_prefix('@') {
                Some(path) => Ok(Self::File(path.into())),
                None => text.parse().map(Self::Prefix).map_err(|error| {
                    format!("{error}; write an address, a prefix, `private`, `all` or `@FILE`")
                }),
            },
        }
    }
}
