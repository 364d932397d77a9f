//! Where words go: data to stdout or a file, everything else to stderr.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pool_core::WarmProgress;
use serde::Serialize;
use tokio::time::Instant;

use crate::exit::Failure;

/// The version of the objects that `--json` and `--jsonl` print.
pub(crate) const VERSION: u8 = 1;

/// Adds `"v":1` in front.
#[derive(Debug, Serialize)]
pub(crate) struct Versioned<T> {
    v: u8,
    #[serde(flatten)]
    rest: T,
}

impl<T> Versioned<T> {
    pub(crate) fn new(rest: T) -> Self {
        Self { v: VERSION, rest }
    }
}

/// Microseconds, as records have them.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Stdout, or a file; `-` is stdout.
pub(crate) struct Output {
    to: Box<dyn Write + Send>,
    name: String,
}

impl Output {
    /// Stdout.
    pub(crate) fn stdout() -> Self {
        Self {
            to: Box::new(io::stdout()),
            name: "stdout".into(),
        }
    }

    /// Creates or empties the file; `-` is stdout.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if is_dash(path) {
            return Ok(Self::stdout());
        }
        let file = File::create(path).map_err(|error| {
            Failure::usage(
                format!("cannot write {}: {error}", path.display()),
                "give a file in a directory that exists and may be written to, or - for stdout",
            )
        })?;
        Ok(Self {
            to: Box::new(BufWriter::new(file)),
            name: path.display().to_string(),
        })
    }

    /// Writes these bytes, now.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.to.write_all(bytes).and_then(|()| self.to.flush());
        written.map_err(|error| self.failure(&error))
    }

    /// Writes one line.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.write(format!("{text}\n").as_bytes())
    }

    /// Writes one object on a line.
    pub(crate) fn json(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(object).map_err(|error| {
            let error = io::Error::from(error);
            self.failure(&error)
        })?;
        self.line(&text)
    }

    fn failure(&self, error: &io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::ClosedPipe;
        }
        Failure::environment(
            format!("cannot write to {}: {error}", self.name),
            "look at the disk and its permissions, then run it again",
        )
    }
}

/// Whether a path means stdin or stdout.
pub(crate) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Says something on stderr.
pub(crate) fn note(text: &str) {
    // Whoever closed stderr does not want to know.
    let _ = writeln!(io::stderr(), "{text}");
}

/// The text without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// One line on stderr that changes while work goes on; silent where stderr is no terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    drawn_at: Option<Instant>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            drawn_at: None,
        }
    }

    /// Shows this text in place of the last one, unless that was a moment ago.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        const MOMENT: Duration = Duration::from_millis(100);
        if !self.terminal || self.drawn_at.is_some_and(|at| at.elapsed() < MOMENT) {
            return;
        }
        self.drawn_at = Some(Instant::now());
        self.draw(&text());
    }

    /// Leaves the line empty for what is printed next.
    pub(crate) fn clear(&mut self) {
        if self.drawn_at.take().is_some() {
            self.draw("");
        }
    }

    fn draw(&self, text: &str) {
        // Back to the left edge, and what was longer is wiped off.
        let mut stderr = io::stderr();
        let _ = write!(stderr, "\r{text}\x1b[K").and_then(|()| stderr.flush());
    }
}

/// Shows how far a warm-up is, after `what`; the line is gone when it is done.
pub(crate) fn warm_progress(what: impl Into<String>) -> Arc<dyn Fn(&WarmProgress) + Send + Sync> {
    let what = what.into();
    let line = Mutex::new(Progress::new());
    Arc::new(move |now| {
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        if now.done == now.total {
            line.clear();
        } else {
            line.show(|| format!("{what}: {}", bar(now.done, now.total, now.failed)));
        }
    })
}

/// How far connections are, drawn and in numbers.
pub(crate) fn bar(done: usize, total: usize, failed: usize) -> String {
    const WIDTH: usize = 24;
    // Never full before it is done, and never fuller than full.
    let full = done.min(total) as u128 * WIDTH as u128 / total.max(1) as u128;
    let full = full as usize;
    let failed = match failed {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    let (drawn, open) = ("#".repeat(full), ".".repeat(WIDTH - full));
    format!("[{drawn}{open}] {done} of {total} connections{failed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_the_work_is_done() {
        let drawn = |done, total| {
            let text = bar(done, total, 0);
            text.chars().filter(|c| *c == '#').count()
        };
        assert_eq!([drawn(0, 5), drawn(4, 5), drawn(5, 5)], [0, 19, 24]);
        assert_eq!(drawn(999_999, 1_000_000), 23);
        assert_eq!(
            [drawn(0, 0), drawn(7, 5), drawn(usize::MAX, usize::MAX)],
            [0, 24, 24]
        );
        let text = bar(3, 4, 2);
        assert_eq!(
            text,
            "[##################......] 3 of 4 connections, 2 failed"
        );
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_told_apart_from_a_full_disk() {
        let mut output = Output {
            to: Box::new(Closed),
            name: "stdout".into(),
        };
        assert_eq!(output.line("x"), Err(Failure::ClosedPipe));
        let full = output.failure(&io::ErrorKind::StorageFull.into());
        assert!(matches!(full, Failure::Told { .. }), "{full:?}");
    }

    #[test]
    fn every_object_begins_with_its_version() {
        #[derive(Serialize)]
        struct Thing {
            name: &'static str,
        }
        let text = serde_json::to_string(&Versioned::new(Thing { name: "x" })).unwrap();
        assert_eq!(text, r#"{"v":1,"name":"x"}"#);
    }

    #[test]
    fn a_terminal_is_told_nothing_to_obey() {
        assert_eq!(printable("a\x1b[31mb\nc"), "a\u{fffd}[31mb\u{fffd}c");
    }
}
