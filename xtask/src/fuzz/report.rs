//! What libFuzzer says while it runs.

use std::fmt;
use std::time::{Duration, Instant};

/// One line of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Status(Status),
    /// How many executions there were in all.
    Executions(u64),
    /// How many there were in a second, on average.
    Rate(u64),
    /// Where the input is that something is wrong with.
    Found(String),
    /// For people who look at nothing else.
    Noise,
    Said(&'a str),
}

/// How far it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    executions: u64,
    /// Edges of the program that were taken.
    coverage: u64,
    /// Inputs, and how large they are together.
    corpus: String,
    /// Executions a second.
    rate: u64,
}

impl<'a> Line<'a> {
    pub(super) fn read(line: &'a str) -> Self {
        if let Some(status) = Status::read(line) {
            return Self::Status(status);
        }
        let number = |name: &str| line.strip_prefix(name)?.trim().parse().ok();
        if let Some(count) = number("stat::number_of_executed_units:") {
            return Self::Executions(count);
        }
        if let Some(rate) = number("stat::average_exec_per_sec:") {
            return Self::Rate(rate);
        }
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            return Self::Found(path.to_owned());
        }
        let beginnings = [
            "INFO:",
            "WARNING:",
            "NOTE:",
            "SUMMARY:",
            "MS:",
            "Base64:",
            "Dictionary:",
            "stat::",
            "Done ",
            "######",
            "\"",
            "0x",
            "\t",
            "      ",
            "note:",
        ];
        if line.is_empty() || beginnings.iter().any(|noise| line.starts_with(noise)) {
            return Self::Noise;
        }
        Self::Said(line)
    }
}

impl Status {
    /// Reads `#1024 NEW cov: 7 ft: 9 corp: 3/40b … exec/s: 512 …`.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix('#')?.split_whitespace();
        let mut status = Self {
            executions: words.next()?.parse().ok()?,
            ..Self::default()
        };
        while let Some(word) = words.next() {
            match word {
                "cov:" => status.coverage = words.next()?.parse().ok()?,
                "corp:" => status.corpus = words.next()?.to_owned(),
                "exec/s:" => status.rate = words.next()?.parse().ok()?,
                _ => {}
            }
        }
        Some(status)
    }
}

/// What is known of a run so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) executions: u64,
    pub(super) rate: u64,
    coverage: u64,
    corpus: String,
    shown: Option<Instant>,
}

impl Progress {
    /// Takes note; returns it for people, if they have not heard for a while.
    pub(super) fn take(&mut self, status: Status) -> Option<String> {
        (self.executions, self.rate) = (status.executions, status.rate);
        // The first lines are from before there is any.
        if status.coverage > 0 {
            (self.coverage, self.corpus) = (status.coverage, status.corpus);
        }
        let now = now();
        let shown = *self.shown.get_or_insert(now);
        if now.saturating_duration_since(shown) < A_WHILE {
            return None;
        }
        self.shown = Some(now);
        Some(self.to_string())
    }
}

const A_WHILE: Duration = Duration::from_secs(10);

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            executions,
            rate,
            coverage,
            corpus,
            ..
        } = self;
        write!(
            f,
            "{executions} executions, {rate}/s, coverage {coverage} edges, corpus {corpus}"
        )
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how often people are told is no part of a result"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_known_for_what_they_are() {
        let line =
            "#131072\tpulse  cov: 2310 ft: 7721 corp: 512/34Kb lim: 1024 exec/s: 5000 rss: 40Mb";
        let status = Status {
            executions: 131_072,
            coverage: 2310,
            corpus: "512/34Kb".to_owned(),
            rate: 5000,
        };
        assert_eq!(Line::read(line), Line::Status(status));
        let count = "stat::number_of_executed_units: 106383";
        assert_eq!(Line::read(count), Line::Executions(106_383));
        let rate = "stat::average_exec_per_sec:     5065";
        assert_eq!(Line::read(rate), Line::Rate(5065));
        let found = "artifact_prefix='f/'; Test unit written to f/crash-1";
        assert_eq!(Line::read(found), Line::Found("f/crash-1".to_owned()));
        for noise in [
            "",
            "INFO: Seed: 7",
            "stat::peak_rss_mb: 34",
            "\"OK\" # Uses: 194",
        ] {
            assert_eq!(Line::read(noise), Line::Noise, "{noise}");
        }
        let said = "thread 'main' panicked at a.rs:1:1:";
        assert_eq!(Line::read(said), Line::Said(said));
    }

    #[test]
    fn a_run_ends_with_its_numbers() {
        let mut progress = Progress::default();
        let lines = [
            "#2\tINITED cov: 40 ft: 50 corp: 1/1b exec/s: 0 rss: 30Mb",
            "#9\tDONE   cov: 44 ft: 59 corp: 3/9b lim: 4 exec/s: 9 rss: 30Mb",
        ];
        for line in lines {
            let status = Status::read(line).expect("it is one");
            assert_eq!(progress.take(status), None, "too soon to say");
        }
        let said = "9 executions, 9/s, coverage 44 edges, corpus 3/9b";
        assert_eq!(progress.to_string(), said);
    }
}
