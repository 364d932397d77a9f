//! Where records go, and what they add up to.

use std::path::Path;
use std::time::Duration;

use super::record::Record;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Progress, Versioned, note, printable};

/// Takes the record of every item, in the order in which they end.
pub(super) struct Sink {
    shape: Shape,
    progress: Progress,
    tally: Tally,
    /// What is told instead of a summary, where there is one item.
    failure: Option<Failure>,
}

/// What becomes of records.
enum Shape {
    /// One object per line.
    Objects(Output),
    /// One line for people each.
    Lines(Output),
    /// The body went to stdout, so only an error is told.
    Body,
}

/// What has been counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) ok: u64,
    pub(super) failed: u64,
    /// Of the ok ones, on a connection that was open before the request asked.
    pub(super) hot: u64,
}

impl Sink {
    /// Objects, to this file or stdout.
    pub(super) fn objects(path: &Path) -> Result<Self, Failure> {
        Ok(Self::new(Shape::Objects(Output::open(path)?)))
    }

    /// Lines on stdout.
    pub(super) fn lines() -> Self {
        Self::new(Shape::Lines(Output::stdout()))
    }

    /// Only an error.
    pub(super) fn body() -> Self {
        Self::new(Shape::Body)
    }

    fn new(shape: Shape) -> Self {
        Self {
            shape,
            progress: Progress::new(),
            tally: Tally::default(),
            failure: None,
        }
    }

    /// Writes one record.
    pub(super) fn take(&mut self, record: Record) -> Result<(), Failure> {
        match &record {
            Record::Done(done) => {
                self.tally.ok += 1;
                let was_open = done.conn.as_ref().is_some_and(|conn| conn.was_open);
                self.tally.hot += u64::from(was_open);
            }
            Record::Failed(_) => self.tally.failed += 1,
        }
        match &mut self.shape {
            Shape::Objects(output) => output.json(&Versioned::new(&record))?,
            Shape::Lines(output) => {
                self.progress.clear();
                output.line(&record.text())?;
            }
            Shape::Body => {
                if let Record::Failed(failed) = record {
                    let url = failed.url.unwrap_or_default();
                    let error = failed.error;
                    let message = format!("{url}: {} ({})", error.message, error.kind);
                    self.failure = Some(Failure::item(printable(&message), error.hint));
                }
                return Ok(());
            }
        }
        let Tally { ok, failed, .. } = self.tally;
        self.progress.show(|| format!("{ok} ok · {failed} failed"));
        Ok(())
    }

    /// What was counted so far.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Says what it all added up to.
    ///
    /// # Errors
    ///
    /// The one item's, where its body was to go to stdout.
    pub(super) fn finish(mut self, took: Duration) -> Result<Exit, Failure> {
        self.progress.clear();
        let Tally { ok, failed, hot } = self.tally;
        if !matches!(self.shape, Shape::Body) {
            let seconds = took.as_secs_f64();
            note(&format!(
                "{ok} ok · {failed} failed · {hot} on a connection that was open · {seconds:.2} s"
            ));
        }
        match self.failure {
            Some(failure) => Err(failure),
            None if failed > 0 => Ok(Exit::SomeFailed),
            None => Ok(Exit::AllGood),
        }
    }
}
