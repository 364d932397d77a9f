//! A rule around an allocator: what every wrapper that counts or remembers is made of.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use crate::refusal::{Check, Refusal, Refusals};
use crate::{AllocContext, Exhausted, Lease, LocalAddrAllocator, Released};

/// A rule that lets connections through and learns of their end.
pub(crate) trait Rule: Check + Send + Sync + 'static {
    /// What one connection from a source to a target takes; handed back at its end.
    type Entry: Send + Sync + 'static;

    /// Learns the time of an ask, whatever becomes of it.
    fn asked(&self, now: Instant);

    /// Lets a connection through, or refuses as [`Check::look`] does: in one step, for another thread may have come between.
    fn enter(&self, source: Option<IpAddr>, cx: &AllocContext<'_>) -> Result<Self::Entry, Refusal>;

    /// Takes back what `enter` gave.
    fn leave(&self, entry: Self::Entry, released: Released);
}

/// An allocator whose leases a rule lets through.
///
/// The rule goes with the context into the allocator, which passes over what it refuses. An allocator that does not is asked
/// again, with its refused leases held so that it gives others.
#[derive(Debug)]
pub(crate) struct Gate<R> {
    inner: Arc<dyn LocalAddrAllocator>,
    rule: Arc<R>,
    asks: Asks,
}

impl<R: Rule> Gate<R> {
    pub(crate) fn new(inner: impl LocalAddrAllocator + 'static, rule: R) -> Self {
        Self {
            inner: Arc::new(inner),
            rule: Arc::new(rule),
            asks: Asks::default(),
        }
    }

    pub(crate) fn rule(&self) -> &R {
        &self.rule
    }

    pub(crate) fn sources(&self) -> Vec<IpAddr> {
        self.inner.sources()
    }

    pub(crate) fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        let mut refusals = Refusals::default();
        let ask = self.asks.begin();
        self.rule.asked(cx.now);
        let inside = cx.inside(&*self.rule);
        let mut refused = Vec::new();
        while refused.len() < MAX_REFUSED {
            let lease = match self.inner.allocate(&inside) {
                Ok(lease) => lease,
                Err(exhausted) => {
                    let last = refusals.note_all(exhausted);
                    if ask.was_disturbed() && last.is_none() {
                        refusals.look_again_soon(cx.now);
                    }
                    ask.end(refused);
                    return Err(match last {
                        Some(last) if refusals.is_empty() => last,
                        _ => refusals.answer(cx),
                    });
                }
            };
            match self.rule.enter(lease.addr(), cx) {
                Ok(entry) => {
                    ask.end(refused);
                    let rule = Arc::clone(&self.rule);
                    return Ok(lease.and_then(move |released| rule.leave(entry, released)));
                }
                Err(refusal) => {
                    refusals.note(refusal);
                    let is_only_one = cx.want.is_some() || lease.addr().is_none();
                    refused.push(lease);
                    if is_only_one {
                        ask.end(refused);
                        return Err(refusals.answer(cx));
                    }
                }
            }
        }
        ask.end(refused);
        refusals.look_again_soon(cx.now);
        Err(refusals.answer(cx))
    }
}

/// The asks that run now, and leases that were taken and given back by them without anybody being told.
///
/// Who is refused because of such a lease would wait for a drop that nobody sees; so it is told to ask again soon.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    running: AtomicUsize,
    given_back: AtomicUsize,
}

pub(crate) struct Ask<'a> {
    asks: &'a Asks,
    given_back: usize,
}

impl Asks {
    pub(crate) fn begin(&self) -> Ask<'_> {
        let given_back = self.given_back.load(SeqCst);
        self.running.fetch_add(1, SeqCst);
        Ask {
            asks: self,
            given_back,
        }
    }
}

impl Ask<'_> {
    /// Whether another ask may have held, since this one began, a lease that it gives or gave back at once.
    ///
    /// One that held it at some time since then either still runs, or has added to `given_back` before it ended.
    pub(crate) fn was_disturbed(&self) -> bool {
        self.asks.running.load(SeqCst) > 1 || self.asks.given_back.load(SeqCst) != self.given_back
    }

    /// Gives back what nobody will use.
    pub(crate) fn end(self, refused: Vec<Lease>) {
        if !refused.is_empty() {
            drop(refused);
            self.asks.given_back.fetch_add(1, SeqCst);
        }
    }
}

impl Drop for Ask<'_> {
    fn drop(&mut self) {
        self.asks.running.fetch_sub(1, SeqCst);
    }
}

/// Leases held back in one ask of an allocator that does not look at [`AllocContext::permits`].
const MAX_REFUSED: usize = 64;
