//! The flags of `cargo xtask bench`.

use std::ffi::OsString;
use std::path::Path;

/// What to measure, and how to say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    /// Tables; all if empty. The benchmark itself knows which there are.
    groups: Vec<String>,
    quick: bool,
    /// Whether a broken budget is a failure.
    pub(crate) check: bool,
    markdown: bool,
    /// A file, or `-`.
    json: Option<String>,
}

impl Args {
    /// Reads the flags; the error says what is wrong with them.
    pub(crate) fn parse(args: &[String]) -> Result<Self, String> {
        let mut args = args.iter();
        match args.next().map(String::as_str) {
            Some("core") => {}
            Some(other) => return Err(format!("no benchmark named `{other}`")),
            None => return Err("name a benchmark".to_owned()),
        }
        let mut parsed = Self::default();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => parsed.quick = true,
                "--check" => parsed.check = true,
                "--markdown" => parsed.markdown = true,
                "--json" => {
                    let file = args.next().filter(|file| !file.starts_with("--"));
                    let file = file.ok_or("`--json` takes a file, or `-`")?;
                    parsed.json = Some(file.clone());
                }
                flag if flag.starts_with('-') => return Err(format!("no flag named `{flag}`")),
                group => parsed.groups.push(group.to_owned()),
            }
        }
        if parsed.markdown && parsed.json.as_deref() == Some("-") {
            return Err("`--json -` prints nothing else, not `--markdown` either".to_owned());
        }
        Ok(parsed)
    }

    /// The same for the benchmark, which runs in another folder than `here`.
    pub(crate) fn passed_on(&self, here: &Path) -> Vec<OsString> {
        let Self {
            groups,
            quick,
            check,
            markdown,
            json,
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
    }

    #[test]
    fn a_file_is_where_the_caller_is_and_a_dash_is_no_file() {
        assert_eq!(passed_on("core --json a.json"), ["--json", "/here/a.json"]);
        assert_eq!(passed_on("core --json /a.json"), ["--json", "/a.json"]);
        assert_eq!(passed_on("core --json -"), ["--json", "-"]);
    }

    #[test]
    fn wrong_flags_say_what_is_wrong() {
        for (line, said) in [
            ("", "name a benchmark"),
            ("tls", "no benchmark named `tls`"),
            ("core --json", "takes a file"),
            ("core --json --quick", "takes a file"),
            ("core --fast", "no flag named `--fast`"),
            ("core --json - --markdown", "nothing else"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
