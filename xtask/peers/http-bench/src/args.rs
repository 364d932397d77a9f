//! The flags; `cargo xtask bench` has checked most of them and adds what it knows.

use std::path::{Path, PathBuf};

/// What to measure, and how to say it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Args {
    /// Groups of tables; all if empty.
    pub(crate) groups: Vec<String>,
    pub(crate) quick: bool,
    pub(crate) check: bool,
    pub(crate) markdown: bool,
    /// A file, or `-`.
    pub(crate) json: Option<PathBuf>,
    /// Where the report goes.
    pub(crate) out: PathBuf,
    /// Peers that were not built, and why.
    pub(crate) skipped: Vec<(String, String)>,
    /// A row to explain, and nothing else.
    pub(crate) profile: Option<String>,
}

impl Args {
    /// Reads the flags; the error says what is wrong with them.
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self {
            out: PathBuf::from("."),
            ..Self::default()
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("`{arg}` takes a value"));
            match arg.as_str() {
                "--quick" => parsed.quick = true,
                "--check" => parsed.check = true,
                "--markdown" => parsed.markdown = true,
                "--json" => parsed.json = Some(value()?.into()),
                "--out" => parsed.out = value()?.into(),
                "--profile" => parsed.profile = Some(value()?),
                "--skip" => {
                    let skipped = value()?;
                    let (name, reason) = skipped.split_once('=').ok_or("`--skip NAME=REASON`")?;
                    parsed.skipped.push((name.to_owned(), reason.to_owned()));
                }
                flag if flag.starts_with('-') => return Err(format!("no flag named `{flag}`")),
                _ => parsed.groups.push(arg),
            }
        }
        Ok(parsed)
    }

    pub(crate) fn selects(&self, group: &str) -> bool {
        if self.check {
            return group == "instructions";
        }
        self.groups.is_empty() || self.groups.iter().any(|wanted| wanted == group)
    }

    /// Whether JSON is all that is printed.
    pub(crate) fn json_alone(&self) -> bool {
        self.json.as_deref() == Some(Path::new("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn groups_flags_and_skips_are_told_apart() {
        let args = parse("idle --quick --skip wreq=cmake --out d cold --json -");
        let args = args.expect("the line is right");
        assert_eq!(args.groups, ["idle", "cold"]);
        assert_eq!(args.skipped, [("wreq".to_owned(), "cmake".to_owned())]);
        assert!(args.quick && !args.check && args.json_alone());
        assert!(args.selects("idle") && !args.selects("bind"));
    }

    #[test]
    fn a_check_needs_what_can_be_counted_alone() {
        let args = parse("--check").expect("the line is right");
        assert!(args.selects("instructions") && !args.selects("throughput"));
    }

    #[test]
    fn wrong_flags_say_what_is_wrong() {
        for (line, said) in [
            ("--fast", "no flag named `--fast`"),
            ("--skip wreq", "NAME=REASON"),
            ("--out", "takes a value"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
