//! The flags; `cargo xtask bench core` has checked them and says what is wrong with them.

use std::path::PathBuf;

/// What to measure, and how to say it.
#[derive(Debug, Default)]
pub(crate) struct Args {
    /// Groups of rows; all if empty.
    pub(crate) groups: Vec<String>,
    pub(crate) quick: bool,
    pub(crate) check: bool,
    pub(crate) markdown: bool,
    /// A file, or `-`.
    pub(crate) json: Option<PathBuf>,
    /// An operation and how often to do it, and nothing else.
    pub(crate) profile: Option<(String, u64)>,
}

impl Args {
    /// `None`: they make no sense.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Option<Self> {
        let mut parsed = Self::default();
        let mut args = args;
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => parsed.quick = true,
                "--check" => parsed.check = true,
                "--markdown" => parsed.markdown = true,
                "--json" => parsed.json = Some(args.next()?.into()),
                "--profile" => parsed.profile = Some((args.next()?, args.next()?.parse().ok()?)),
                flag if flag.starts_with('-') => return None,
                _ => parsed.groups.push(arg),
            }
        }
        Some(parsed)
    }

    pub(crate) fn selects(&self, group: &str) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|wanted| wanted == group)
    }
}
