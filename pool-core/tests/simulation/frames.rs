//! Reads the HTTP/2 frames that pass the pool's end of a wire: how many streams are open, and what the peer allows.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cutter::{Cutter, DATA, GOAWAY, HEADERS, RESET, SETTINGS};
use crate::history::History;

/// Both directions of one connection.
#[derive(Debug)]
pub(crate) struct Frames {
    history: Arc<History>,
    wire: u64,
    /// The pool's own limit.
    most: usize,
    out: Cutter,
    inward: Cutter,
    /// Streams by id: whether the request and the response have ended.
    open: BTreeMap<u32, (bool, bool)>,
    /// What the peer's SETTINGS allow, oldest first, until the pool has acknowledged them.
    told: VecDeque<Option<u32>>,
    /// What it has acknowledged, and when.
    cap: Option<(Duration, u32)>,
    /// When a GOAWAY was read.
    away: Option<Duration>,
    /// When frames passed last.
    moment: Duration,
    /// When the wire was last full: what is written after that may have been queued before it.
    full: Option<Duration>,
    is_full: bool,
}

impl Frames {
    pub(crate) fn new(history: Arc<History>, wire: u64, most: usize) -> Self {
        Self {
            history,
            wire,
            most,
            out: Cutter::after_preface(),
            inward: Cutter::default(),
            open: BTreeMap::new(),
            told: VecDeque::new(),
            cap: None,
            away: None,
            moment: Duration::ZERO,
            full: None,
            is_full: false,
        }
    }

    /// The pool has written this.
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        self.look_back();
        if std::mem::take(&mut self.is_full) {
            self.full = Some(self.history.now());
        }
        for frame in self.out.cut(bytes) {
            match frame.kind {
                HEADERS if !self.open.contains_key(&frame.stream) => {
                    self.open.insert(frame.stream, (frame.ends(), false));
                    self.note(format_args!("opens stream {}", frame.stream));
                    self.check(frame.stream);
                }
                HEADERS | DATA if frame.ends() => self.half_close(frame.stream, true),
                RESET => {
                    self.note(format_args!("resets stream {}", frame.stream));
                    self.open.remove(&frame.stream);
                }
                SETTINGS if frame.is_ack() => {
                    if let Some(Some(cap)) = self.told.pop_front() {
                        self.cap = Some((self.history.now(), cap));
                    }
                }
                _ => {}
            }
        }
    }

    /// The wire takes nothing for the moment.
    pub(crate) fn hold(&mut self) {
        self.is_full = true;
    }

    /// The pool has read this.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        self.look_back();
        for frame in self.inward.cut(bytes) {
            match frame.kind {
                HEADERS | DATA if frame.ends() => {
                    self.note(format_args!("reads the end of stream {}", frame.stream));
                    self.half_close(frame.stream, false);
                }
                RESET => {
                    self.note(format_args!("reads a reset of stream {}", frame.stream));
                    self.open.remove(&frame.stream);
                }
                SETTINGS if !frame.is_ack() => {
                    let cap = frame.max_streams();
                    self.note(format_args!("may have {cap:?} streams"));
                    self.told.push_back(cap);
                }
                GOAWAY => {
                    self.note("reads a GOAWAY");
                    let now = self.history.now();
                    self.away.get_or_insert(now);
                }
                _ => {}
            }
        }
    }

    fn note(&self, what: impl fmt::Display) {
        let wire = self.wire;
        self.history
            .note(format_args!("the pool on wire {wire} {what}"));
    }

    fn half_close(&mut self, stream: u32, ours: bool) {
        let Some((request, response)) = self.open.get_mut(&stream) else {
            return;
        };
        *(if ours { &mut *request } else { &mut *response }) = true;
        if *request && *response {
            self.open.remove(&stream);
        }
    }

    /// I1: no more streams than the configuration allows. Not within one moment, nor while the wire is full: the h2 crate
    /// writes the heads of new streams before the reset of an old one that waits beside them.
    fn look_back(&mut self) {
        let now = self.history.now();
        if now > self.moment {
            let flows = !self.is_full && self.full.is_none_or(|full| full < self.moment);
            let (open, most) = (self.open.len(), self.most);
            if flows && open > most {
                let what = format!("I1: {open} streams of {most} on wire {}", self.wire);
                self.history.broken(what);
            }
            self.moment = now;
        }
    }

    fn check(&self, stream: u32) {
        let now = self.history.now();
        let (wire, open) = (self.wire, self.open.len());
        // I1: nor than the peer allows, as soon as that is agreed. A head that was queued before the SETTINGS came may be
        // written in the same moment.
        let is_new = |since| since < now && self.full.is_none_or(|full| full < since);
        if let Some((since, cap)) = self.cap
            && is_new(since)
            && open > cap as usize
        {
            let what = format!("I1: stream {stream} is number {open} of {cap} on wire {wire}");
            self.history.broken(what);
        }
        // I6: nothing new on a connection whose peer has said GOAWAY.
        if self.away.is_some_and(is_new) {
            let what = format!("I6: stream {stream} on wire {wire} after its GOAWAY");
            self.history.broken(what);
        }
    }
}
