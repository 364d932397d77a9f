//! The flags of `cargo xtask test`.

use super::steps::Step;
use std::time::{SystemTime, UNIX_EPOCH};

/// What to run, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// A step's name, or part of a test's.
    pub(crate) filter: Option<String>,
    /// Name the tests instead of running them.
    pub(crate) list: bool,
    /// Passed to every child.
    pub(crate) seed: u64,
    /// Rounds, at least one.
    pub(crate) repeat: u64,
    /// More of everything.
    pub(crate) full: bool,
}

impl Args {
    /// Reads the flags; the error says what is wrong with them.
    pub(crate) fn parse(args: &[String]) -> Result<Self, String> {
        let mut parsed = Self {
            filter: None,
            list: false,
            seed: seed_from_clock(),
            repeat: 1,
            full: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--list" => parsed.list = true,
                "--full" => parsed.full = true,
                "--seed" => parsed.seed = number(arg, args.next())?,
                "--repeat" => parsed.repeat = number(arg, args.next())?,
                flag if flag.starts_with('-') => return Err(format!("no flag named `{flag}`")),
                filter => {
                    if let Some(first) = parsed.filter.replace(filter.to_owned()) {
                        return Err(format!("one filter only, not `{first}` and `{filter}`"));
                    }
                }
            }
        }
        if parsed.repeat == 0 {
            return Err("`--repeat` is at least 1".to_owned());
        }
        Ok(parsed)
    }

    /// Whether `step` is among those asked for.
    pub(crate) fn selects(&self, step: Step) -> bool {
        match &self.filter {
            None => true,
            Some(filter) if Step::named(filter).is_some() => step.name() == filter,
            // Models, loom and the plugins are builds of their own: minutes, to find that no name matches.
            Some(filter) if filter.starts_with("loom_") => step == Step::Loom,
            Some(_) => matches!(step, Step::Unit | Step::Scenarios),
        }
    }

    /// The filter, if it is part of a test's name and no step's.
    pub(crate) fn test_name(&self) -> Option<&str> {
        self.filter
            .as_deref()
            .filter(|filter| Step::named(filter).is_none())
    }
}

pub(crate) fn number(flag: &str, value: Option<&String>) -> Result<u64, String> {
    let value = value.ok_or_else(|| format!("`{flag}` takes a number"))?;
    value
        .parse()
        .map_err(|error| format!("`{flag}` takes a number, not `{value}`: {error}"))
}

pub(crate) fn seed_from_clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |since| u64::from(since.subsec_nanos()) ^ since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Args::parse(&args)
    }

    fn selected(line: &str) -> Vec<&'static str> {
        let args = parse(line).expect("the line is right");
        Step::ALL
            .into_iter()
            .filter(|step| args.selects(*step))
            .map(Step::name)
            .collect()
    }

    #[test]
    fn flags_are_read_in_any_order() {
        let args = parse("--seed 7 goaway --full --repeat 3").expect("the line is right");
        assert_eq!(
            (args.seed, args.repeat, args.full, args.list),
            (7, 3, true, false)
        );
        assert_eq!(args.test_name(), Some("goaway"));
    }

    #[test]
    fn wrong_flags_say_what_is_wrong() {
        for (line, said) in [
            ("--seed", "takes a number"),
            ("--seed x", "not `x`"),
            ("--repeat 0", "at least 1"),
            ("--fast", "no flag named `--fast`"),
            ("a b", "one filter only"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(said), "{line}: {error}");
        }
    }

    #[test]
    fn a_filter_is_a_step_or_part_of_a_name() {
        let all = [
            "unit",
            "model",
            "scenarios",
            "simulation",
            "loom",
            "plugins",
        ];
        assert_eq!(selected(""), all);
        assert_eq!(selected("plugins"), ["plugins"]);
        assert_eq!(selected("goaway"), ["unit", "scenarios"]);
        assert_eq!(selected("loom_wake_on_cancel"), ["loom"]);
        assert_eq!(parse("plugins").expect("right").test_name(), None);
    }
}
