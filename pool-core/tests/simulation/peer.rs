//! A server's side of one connection: where it is, and whom it tells.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use h2::Reason;
use http::Method;

use crate::dice::Dice;
use crate::history::{Executed, History};

/// What a server knows of one of its connections.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) history: Arc<History>,
    pub(crate) id: u64,
    pub(crate) addr: SocketAddr,
    pub(crate) host: usize,
    pub(crate) dice: Dice,
    pub(crate) sick: Arc<AtomicUsize>,
}

impl Peer {
    pub(crate) fn note(&self, what: impl fmt::Display) {
        let (addr, id) = (self.addr, self.id);
        self.history
            .note(format_args!("{addr} on wire {id} {what}"));
    }

    /// Requests in a hundred to treat badly.
    pub(crate) fn sick(&self) -> usize {
        self.sick.load(Ordering::Relaxed)
    }

    /// Writes a whole request into the ledger.
    pub(crate) fn execute(&self, id: usize, method: &Method, intact: bool) {
        let done = Executed {
            id,
            method: method.clone(),
            addr: self.addr,
            intact,
        };
        self.history.execute(done, self.id);
    }
}

/// What a server is told from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Takes no new request, finishes those it has; HTTP/1.1 hangs up if idle.
    Retire,
    /// Says GOAWAY with this reason and ends everything; HTTP/1.1 hangs up.
    Away(Reason),
}
