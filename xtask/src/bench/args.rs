//! The flags of `cargo xtask bench`.

use std::ffi::OsString;
use std::path::Path;

/// What to measure, and how to say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) which: Which,
    /// Tables; all if empty. The benchmark itself knows which there are.
    groups: Vec<String>,
    quick: bool,
    /// Whether a broken budget is a failure.
    pub(crate) check: bool,
    markdown: bool,
    /// A file, or `-`.
    json: Option<String>,
    /// A row to explain, and nothing else.
    pub(crate) profile: Option<String>,
}

/// The benchmarks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one of HTTP; a check is of both.
    #[default]
    Unnamed,
    Core,
    Http,
}

impl Args {
    /// Reads the flags; the error says what is wrong with them.
    pub(crate) fn parse(args: &[String]) -> Result<Self, String> {
        let mut args = args.iter().peekable();
        let mut parsed = Self::default();
        match args.peek().map(|arg| arg.as_str()) {
            Some("core") => parsed.which = Which::Core,
            Some("http") => parsed.which = Which::Http,
            Some(other) if !other.starts_with('-') => {
                return Err(format!("no benchmark named `{other}`"));
            }
            _ => {}
        }
        if parsed.which != Which::Unnamed {
            args.next();
        }
        while let Some(arg) = args.next() {
            let mut value = |what: &str| {
                let value = args.next().filter(|value| !value.starts_with("--"));
                value.cloned().ok_or(format!("`{arg}` takes {what}"))
            };
            match arg.as_str() {
                "--quick" => parsed.quick = true,
                "--check" => parsed.check = true,
                "--markdown" => parsed.markdown = true,
                "--json" => parsed.json = Some(value("a file, or `-`")?),
                "--profile" => parsed.profile = Some(value("a row, such as h1/small/c1/ours")?),
                flag if flag.starts_with('-') => return Err(format!("no flag named `{flag}`")),
                group => parsed.groups.push(group.to_owned()),
            }
        }
        if parsed.markdown && parsed.json.as_deref() == Some("-") {
            return Err("`--json -` prints nothing else, not `--markdown` either".to_owned());
        }
        if parsed.profile.is_some() && parsed.which == Which::Core {
            return Err("`--profile` is for HTTP; docs/benchmarks.md says how for core".to_owned());
        }
        if parsed.check && parsed.which == Which::Unnamed && parsed.json.is_some() {
            return Err("name a benchmark for `--json`: a check is of both".to_owned());
        }
        Ok(parsed)
    }

    /// The same for the core's benchmark, in a check of both: what is the same in every run needs no long ones.
    pub(crate) fn of_core(&self) -> Self {
        Self {
            which: Which::Core,
            quick: true,
            ..self.clone()
        }
    }

    /// The same for the benchmark, which runs in another folder than `here`.
    pub(crate) fn passed_on(&self, here: &Path) -> Vec<OsString> {
        let Self {
            which: _,
            groups,
            quick,
            check,
            markdown,
            json,
            profile,
        } = self;
        let mut flags: Vec<OsString> = groups.iter().map(OsString::from).collect();
        let switches = [
            (quick, "--quick"),
            (check, "--check"),
            (markdown, "--markdown"),
        ];
        flags.extend(
            switches
                .iter()
                .filter(|(on, _)| **on)
                .map(|(_, f)| f.into()),
        );
        if let Some(file) = json {
            flags.push("--json".into());
            flags.push(match file.as_str() {
                "-" => file.into(),
                file => here.join(file).into(),
            });
        }
        if let Some(row) = profile {
            flags.extend(["--profile".into(), row.into()]);
        }
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Args::parse(&args)
    }

    fn passed_on(line: &str) -> Vec<OsString> {
        parse(line)
            .expect("the line is right")
            .passed_on(Path::new("/here"))
    }

    #[test]
    fn flags_are_read_in_any_order_and_passed_on() {
        assert_eq!(
            passed_on("core --check waiting --quick acquire"),
            ["waiting", "acquire", "--quick", "--check"]
        );
        assert_eq!(passed_on("core --markdown"), ["--markdown"]);
        assert!(passed_on("core").is_empty());
        assert_eq!(
            passed_on("http --profile h2/small/c1/ours"),
            ["--profile", "h2/small/c1/ours"]
        );
    }

    #[test]
    fn without_a_name_it_is_http_and_a_check_is_of_both() {
        let args = parse("").expect("the line is right");
        assert_eq!(args.which, Which::Unnamed);
        let args = parse("--check").expect("the line is right");
        assert!(args.check && args.which == Which::Unnamed);
        assert_eq!(
            args.of_core(),
            parse("core --quick --check").expect("right")
        );
    }

    #[test]
    fn a_file_is_where_the_caller_is_and_a_dash_is_no_file() {
        assert_eq!(passed_on("core --json a.json"), ["--json", "/here/a.json"]);
        assert_eq!(passed_on("http --json /a.json"), ["--json", "/a.json"]);
        assert_eq!(passed_on("--json -"), ["--json", "-"]);
    }

    #[test]
    fn wrong_flags_say_what_is_wrong() {
        for (line, said) in [
            ("tls", "no benchmark named `tls`"),
            ("core --json", "takes a file"),
            ("core --json --quick", "takes a file"),
            ("http --profile", "takes a row"),
            ("core --profile x", "is for HTTP"),
            ("--check --json x", "name a benchmark"),
            ("core --fast", "no flag named `--fast`"),
            ("core --json - --markdown", "nothing else"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
