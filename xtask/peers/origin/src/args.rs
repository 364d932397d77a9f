//! The flags.

use std::path::PathBuf;
use std::time::Duration;

/// Where to write, and how far away to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// Where the certificate of who signs goes.
    pub(crate) ca: PathBuf,
    /// What each answer is late by.
    pub(crate) rtt: Duration,
}

impl Args {
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut ca, mut rtt) = (None, Duration::ZERO);
        let mut args = args.into_iter();
        while let Some(flag) = args.next() {
            let value = args.next().ok_or(format!("`{flag}` takes a value"))?;
            match flag.as_str() {
                "--ca" => ca = Some(PathBuf::from(value)),
                "--rtt-ms" => {
                    let ms = value.parse().map_err(|_wrong| format!("{flag} {value}?"))?;
                    rtt = Duration::from_millis(ms);
                }
                _ => return Err(format!("no flag `{flag}`")),
            }
        }
        Ok(Self {
            ca: ca.ok_or("`--ca FILE` is missing")?,
            rtt,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_delay_is_in_milliseconds() {
        let args = parse("--rtt-ms 20 --ca x").expect("the line is right");
        assert_eq!(args.rtt, Duration::from_millis(20));
        assert!(parse("--rtt-ms 20").is_err());
        assert!(parse("--ca x --rtt-ms soon").is_err());
    }
}
