//! A rule around an allocator: what every wrapper that counts or remembers is made of.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::refusal::{Check, Refusal, Refusals};
use crate::{AllocContext, Exhausted, Lease, LocalAddrAllocator, Released, SourceListener};

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

    pub(crate) fn listen(&self, listener: Weak<dyn SourceListener>) {
        self.inner.listen(listener);
    }

    pub(crate) fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        let mut refusals = Refusals::default();
        let mut ask = self.asks.begin();
        self.rule.asked(cx.now);
        let inside = cx.inside(&*self.rule);
        while ask.refused.len() < MAX_REFUSED {
            let lease = match self.inner.allocate(&inside) {
                Ok(lease) => lease,
                Err(exhausted) => return Err(ask.answer(exhausted, refusals, cx)),
            };
            // An allocator inside that does not ask may choose what has failed this dial.
            let has_failed = lease.addr().is_some_and(|addr| cx.avoid.contains(&addr));
            let entered = if has_failed {
                Err(Refusal::Avoided)
            } else {
                self.rule.enter(lease.addr(), cx)
            };
            let refusal = match entered {
                Ok(entry) => {
                    let rule = Arc::clone(&self.rule);
                    return Ok(lease.and_then(move |released| rule.leave(entry, released)));
                }
                Err(refusal) => refusal,
            };
            refusals.note(refusal);
            let is_only_one = cx.want.is_some() || lease.addr().is_none();
            ask.refused.push(lease);
            if is_only_one {
                return Err(refusals.answer(cx));
            }
        }
        refusals.look_again_soon(cx.now);
        Err(refusals.answer(cx))
    }
}

/// The asks that run now, and how many of them gave back leases without anybody being told.
///
/// Who is refused because of such a lease would wait for a drop that nobody sees; so it is told to ask again soon.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    running: AtomicUsize,
    gave_back: AtomicUsize,
}

pub(crate) struct Ask<'a> {
    asks: &'a Asks,
    gave_back: usize,
    /// Leases that nobody will use, held so that others are given, and given back when the ask ends.
    pub(crate) refused: Vec<Lease>,
}

impl Asks {
    pub(crate) fn begin(&self) -> Ask<'_> {
        let gave_back = self.gave_back.load(SeqCst);
        self.running.fetch_add(1, SeqCst);
        Ask {
            asks: self,
            gave_back,
            refused: Vec::new(),
        }
    }
}

impl Ask<'_> {
    /// What to tell the dial when the allocator inside has nothing more than what was noted already.
    pub(crate) fn answer(
        &self,
        exhausted: Exhausted,
        mut refusals: Refusals,
        cx: &AllocContext<'_>,
    ) -> Exhausted {
        match refusals.note_all(exhausted) {
            Some(last) if refusals.is_empty() => return last,
            Some(_) => {}
            None if self.was_disturbed() => refusals.look_again_soon(cx.now),
            None => {}
        }
        refusals.answer(cx)
    }

    /// Whether another ask may have held, since this one began, a lease that it gives back unused.
    ///
    /// One that held it at some time since then either still runs, or has added to `gave_back` before it ended.
    pub(crate) fn was_disturbed(&self) -> bool {
        self.asks.running.load(SeqCst) > 1 || self.asks.gave_back.load(SeqCst) != self.gave_back
    }
}

impl Drop for Ask<'_> {
    fn drop(&mut self) {
        if !self.refused.is_empty() {
            self.refused.clear();
            self.asks.gave_back.fetch_add(1, SeqCst);
        }
        self.asks.running.fetch_sub(1, SeqCst);
    }
}

/// Leases held back in one ask of an allocator that does not look at [`AllocContext::permits`].
const MAX_REFUSED: usize = 64;
