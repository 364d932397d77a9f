//! The words after `cargo xtask fuzz`.

use std::path::PathBuf;
use std::time::Duration;

use super::USUAL;
use crate::test::args::{number, seed_from_clock};

/// What is fed with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Response,
    Request,
    Body,
    ClientHello,
}

impl Target {
    pub(super) const ALL: [Self; 4] =
        [Self::Response, Self::Request, Self::Body, Self::ClientHello];

    /// Its binary in xtask/fuzz.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Response => "h1_response",
            Self::Request => "h1_request",
            Self::Body => "h1_body",
            Self::ClientHello => "client_hello",
        }
    }

    /// The list of inputs that it begins with.
    pub(super) fn seeds(self) -> &'static str {
        match self {
            Self::Response => include_str!("../../fuzz/seeds/h1_response.txt"),
            Self::Request => include_str!("../../fuzz/seeds/h1_request.txt"),
            Self::Body => include_str!("../../fuzz/seeds/h1_body.txt"),
            Self::ClientHello => include_str!("../../fuzz/seeds/client_hello.txt"),
        }
    }

    /// Folders whose files it begins with too, from the root of the repository: `.bin` and `.toml`.
    pub(super) fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Response | Self::Request | Self::Body => &[],
            Self::ClientHello => &[
                "pool-tls/profiles",
                "pool-tls/tests/captures/chromium-156.0.8078.79",
                "pool-tls/tests/captures/curl-7.88.1-debian",
                "pool-tls/tests/captures/firefox-esr-153.7.0",
                "pool-tls/tests/captures/rustls-0.23-default-ring",
            ],
        }
    }

    /// Words that its inputs are made of, a file in xtask/fuzz.
    pub(super) fn dictionary(self) -> &'static str {
        match self {
            Self::Response | Self::Request | Self::Body => "h1.dict",
            Self::ClientHello => "client_hello.dict",
        }
    }
}

/// What to run, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Args {
    /// At least one.
    pub(super) targets: Vec<Target>,
    /// For each of them; whole seconds, not zero.
    pub(super) time: Duration,
    /// Not zero, which libFuzzer takes for none.
    pub(super) seed: u32,
    /// Run this file instead of looking for one.
    pub(super) input: Option<PathBuf>,
}

impl Args {
    /// Reads the words; the error says what is wrong with them.
    pub(super) fn parse(args: &[String]) -> Result<Self, String> {
        let mut parsed = Self {
            targets: Vec::new(),
            time: USUAL,
            // As many bits as libFuzzer has.
            seed: (seed_from_clock() as u32).max(1),
            input: None,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--for" => parsed.time = time(args.next())?,
                "--seed" => {
                    let seed = number(arg, args.next())?;
                    parsed.seed = u32::try_from(seed)
                        .ok()
                        .filter(|&seed| seed > 0)
                        .ok_or("`--seed` is from 1 to 4294967295")?;
                }
                "--input" => {
                    let file = args.next().ok_or("`--input` takes a file")?;
                    parsed.input = Some(file.into());
                }
                flag if flag.starts_with('-') => return Err(format!("no flag named `{flag}`")),
                name => {
                    let known = Target::ALL.iter().find(|target| target.name() == name);
                    let known = *known.ok_or_else(|| format!("no target named `{name}`"))?;
                    if !parsed.targets.is_empty() {
                        return Err("one target, or none for all".to_owned());
                    }
                    parsed.targets.push(known);
                }
            }
        }
        if parsed.input.is_some() && parsed.targets.is_empty() {
            return Err("`--input` needs the target that it is for".to_owned());
        }
        if parsed.targets.is_empty() {
            parsed.targets = Target::ALL.to_vec();
        }
        Ok(parsed)
    }
}

/// A number of seconds, minutes or hours.
fn time(value: Option<&String>) -> Result<Duration, String> {
    let wrong = || "`--for` takes a time such as 60s, 10m or 1h".to_owned();
    let value = value.ok_or_else(wrong)?;
    let unit = match value.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 60 * 60,
        _ => return Err(wrong()),
    };
    let count: u64 = value[..value.len() - 1].parse().map_err(|_wrong| wrong())?;
    let seconds = count.checked_mul(unit).filter(|&seconds| seconds > 0);
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Args::parse(&args)
    }

    #[test]
    fn without_a_word_every_target_runs_for_a_minute() {
        let args = parse("").unwrap();
        assert_eq!(args.targets, Target::ALL);
        assert_eq!((args.time, args.input), (Duration::from_secs(60), None));
        assert_ne!(args.seed, 0);
    }

    #[test]
    fn a_target_runs_for_as_long_as_is_said() {
        let args = parse("h1_request --for 10m --seed 7").unwrap();
        let expected = Args {
            targets: vec![Target::Request],
            time: Duration::from_secs(600),
            seed: 7,
            input: None,
        };
        assert_eq!(args, expected);
        assert_eq!(parse("--for 2h").unwrap().time, Duration::from_secs(7200));
        let again = parse("--input a/b h1_body").unwrap();
        assert_eq!(again.input, Some("a/b".into()));
        assert_eq!(again.targets, [Target::Body]);
    }

    #[test]
    fn what_makes_no_sense_says_why() {
        for (line, said) in [
            ("h1", "no target named `h1`"),
            ("h1_body h1_request", "one target"),
            ("--fast", "no flag named `--fast`"),
            ("--for", "a time such as"),
            ("--for 60", "a time such as"),
            ("--for s", "a time such as"),
            ("--for -1s", "a time such as"),
            ("--for 0s", "a time such as"),
            ("--for 9é", "a time such as"),
            ("--for 9999999999999999999h", "a time such as"),
            ("--seed", "takes a number"),
            ("--seed 0", "from 1 to"),
            ("--seed 4294967296", "from 1 to"),
            ("--input", "takes a file"),
            ("--input a", "needs the target"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
