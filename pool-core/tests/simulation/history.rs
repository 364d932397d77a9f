//! What has happened in one run: a trace for people, records for the checker.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use http::Method;
use pool_core::ErrorKind;
use tokio::time::Instant;

use crate::load::Errand;

/// One caller's request, from its first poll to its outcome.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) host: usize,
    pub(crate) method: Method,
    /// It may be tried only once.
    pub(crate) once: bool,
    pub(crate) began: Duration,
    pub(crate) ended: Option<Duration>,
    pub(crate) outcome: Option<Outcome>,
}

/// How a request ended for its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A response, read to its end and the right one.
    Answered(Answer),
    /// A response, and a body that the caller did not read to its end.
    Dropped(Answer),
    /// A response whose body failed.
    CutShort(Answer, ErrorKind),
    /// A response that is not this request's.
    Foreign(String),
    /// No response.
    Failed { kind: ErrorKind, attempts: u32 },
    /// A lease that was given back unused.
    Unused { wait: Duration },
    /// The caller went away.
    Cancelled,
    /// Nothing came within any deadline there is.
    Hung,
}

/// What a response says of its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) attempts: u32,
    pub(crate) wait: Duration,
    pub(crate) conn: u64,
}

/// A request that a server has received whole, and done.
#[derive(Clone, Debug)]
pub(crate) struct Executed {
    pub(crate) id: usize,
    pub(crate) method: Method,
    pub(crate) addr: SocketAddr,
    /// The body was the one sent with this id.
    pub(crate) intact: bool,
}

/// Everything that is written down.
#[derive(Debug)]
pub(crate) struct History {
    epoch: Instant,
    book: Mutex<Book>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    /// By request id.
    pub(crate) asked: Vec<Asked>,
    pub(crate) ledger: Vec<Executed>,
    /// When, for which key and after how many tries a request was sent again.
    pub(crate) retried: Vec<(Duration, String, u32)>,
    /// Connections that a policy wanted gone: when they were, and of which key.
    pub(crate) evicted: HashMap<u64, (Duration, String)>,
    /// Promises that were seen broken while the run went on.
    pub(crate) broken: Vec<String>,
    pub(crate) trace: Vec<(Duration, String)>,
    /// When the pool was told to close.
    pub(crate) closed: Option<Duration>,
    leaving: bool,
    hash: DefaultHasher,
}

impl History {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            book: Mutex::default(),
        }
    }

    /// The time since the run began.
    pub(crate) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Writes a line.
    pub(crate) fn note(&self, line: impl fmt::Display) {
        let now = self.now();
        self.lock().line(now, line.to_string());
    }

    /// Writes down that a promise does not hold.
    pub(crate) fn broken(&self, what: impl fmt::Display) {
        let now = self.now();
        let mut book = self.lock();
        book.line(now, format!("BROKEN {what}"));
        book.broken.push(what.to_string());
    }

    /// A request begins; its id comes back.
    pub(crate) fn ask(&self, errand: &Errand) -> usize {
        let Errand {
            host,
            method,
            no_retry,
            ..
        } = errand;
        let now = self.now();
        let mut book = self.lock();
        let id = book.asked.len();
        book.asked.push(Asked {
            host: *host,
            method: method.clone(),
            once: *no_retry,
            began: now,
            ended: None,
            outcome: None,
        });
        book.line(now, format!("#{id} {method} h{host} {errand}"));
        id
    }

    /// The one outcome of a request.
    pub(crate) fn end(&self, id: usize, outcome: Outcome) {
        let now = self.now();
        let mut book = self.lock();
        book.line(now, format!("#{id} {outcome:?}"));
        let asked = &mut book.asked[id];
        if asked.outcome.replace(outcome).is_some() {
            book.broken.push(format!("I9: #{id} has two outcomes"));
            return;
        }
        asked.ended = Some(now);
    }

    pub(crate) fn execute(&self, done: Executed, conn: u64) {
        let now = self.now();
        let mut book = self.lock();
        let Executed {
            id, method, addr, ..
        } = &done;
        let line = format!("#{id} {method} executed at {addr} on wire {conn}");
        book.line(now, line);
        book.ledger.push(done);
    }

    /// The pool sends a request again.
    pub(crate) fn retry(&self, key: &str, why: &str, attempts: u32) {
        let now = self.now();
        let mut book = self.lock();
        book.line(now, format!("{key}: again after {attempts}: {why}"));
        book.retried.push((now, key.to_owned(), attempts));
    }

    pub(crate) fn evict(&self, conn: u64, key: &str) {
        let now = self.now();
        self.lock().evicted.insert(conn, (now, key.to_owned()));
    }

    pub(crate) fn close(&self, how: impl fmt::Display) {
        let now = self.now();
        let mut book = self.lock();
        book.line(now, format!("pool closed: {how}"));
        book.closed.get_or_insert(now);
        book.leaving = true;
    }

    /// Whoever uses the pool shall let go of it.
    pub(crate) fn leave(&self) {
        let now = self.now();
        let mut book = self.lock();
        book.line(now, "everybody leaves".to_owned());
        book.leaving = true;
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.lock().leaving
    }

    /// The records, to be judged.
    pub(crate) fn take(&self) -> Book {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("nothing panics under this lock")
    }
}

impl Book {
    /// The same for two runs exactly if the same things happened at the same times in the same order.
    pub(crate) fn hash(&self) -> u64 {
        self.hash.finish()
    }

    fn line(&mut self, at: Duration, line: String) {
        (at.as_millis(), &line).hash(&mut self.hash);
        self.trace.push((at, line));
    }
}
