//! Addresses that rest after a failure.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::gate::{Gate, Rule};
use crate::refusal::{Check, Refusal};
use crate::{
    AllocContext, Exhausted, Lease, LocalAddrAllocator, Outcome, Released, SourceListener,
};

/// Lets an address rest after a failed dial, so that the next try takes another one; around any allocator.
///
/// | After | rests | for |
/// |---|---|---|
/// | [`Outcome::AddrInUse`] | the address, for that target | 1 s |
/// | [`Outcome::Unbindable`] | the address, for all targets | 10 s |
/// | [`Outcome::TargetFailed`], [`Outcome::Connected`] | nothing | |
///
/// [`rest`](Self::rest) changes a line. The times are a guess at how soon a port or a right comes back: short, for an address that rests in
/// vain is capacity lost, and asking again costs one system call.
///
/// While all addresses rest, the answer is [`Resting`](crate::ExhaustedReason::Resting) with the time at which the first one
/// is back. A wanted address is refused too while it rests.
///
/// A lease says how it ended, not when; so a rest begins with the first [`allocate`](LocalAddrAllocator::allocate) after the
/// failed lease was dropped, which the next try of the same dial is. What the operating system chooses rests as one address.
///
/// Memory grows with what rests, and shrinks when it is over.
#[derive(Debug)]
pub struct Cooldown {
    gate: Gate<Rests>,
}

/// What rests after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RestScope {
    /// The address, for every target.
    Addr,
    /// The address, for the target that was dialled.
    AddrAndTarget,
}

#[derive(Debug)]
struct Rests {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rests: HashMap<Outcome, (RestScope, Duration)>,
    /// What failed since the last ask, which has the time.
    failed: Vec<(Resting, Duration)>,
    until: HashMap<Resting, Instant>,
    /// The same, ascending by time.
    due: BTreeSet<(Instant, Resting)>,
}

/// An address; without a target, for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Resting {
    source: Option<IpAddr>,
    target: Option<SocketAddr>,
}

impl Cooldown {
    /// The longest rest.
    pub const MAX: Duration = Duration::from_secs(24 * 60 * 60);

    /// `inner` with the rests of the table above.
    pub fn new(inner: impl LocalAddrAllocator + 'static) -> Self {
        let rests = HashMap::from([
            (
                Outcome::AddrInUse,
                (RestScope::AddrAndTarget, Duration::from_secs(1)),
            ),
            (
                Outcome::Unbindable,
                (RestScope::Addr, Duration::from_secs(10)),
            ),
        ]);
        let state = Mutex::new(State {
            rests,
            failed: Vec::new(),
            until: HashMap::new(),
            due: BTreeSet::new(),
        });
        Self {
            gate: Gate::new(inner, Rests { state }),
        }
    }

    /// Lets `scope` rest for `time` after this outcome; zero for no rest, above [`MAX`](Self::MAX) counts as that.
    ///
    /// After [`Outcome::Connected`] it paces: an address is used once per `time`.
    #[must_use]
    pub fn rest(self, after: Outcome, scope: RestScope, time: Duration) -> Self {
        let time = time.min(Self::MAX);
        self.gate.rule().lock().rests.insert(after, (scope, time));
        self
    }

    /// How many addresses, and pairs of address and target, rest at `now`.
    pub fn resting(&self, now: Instant) -> usize {
        let mut state = self.gate.rule().lock();
        state.settle(now);
        state.until.len()
    }
}

impl LocalAddrAllocator for Cooldown {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        self.gate.allocate(cx)
    }

    fn sources(&self) -> Vec<IpAddr> {
        self.gate.sources()
    }

    fn listen(&self, listener: Weak<dyn SourceListener>) {
        self.gate.listen(listener);
    }
}

impl Rests {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Starts the rests of what failed, and ends those that are over.
    fn settle(&mut self, now: Instant) {
        for (resting, time) in std::mem::take(&mut self.failed) {
            // Past the end of the clock there is no dial either.
            let Some(until) = now.checked_add(time) else {
                continue;
            };
            let before = self.until.get(&resting).copied();
            if before.is_none_or(|before| before < until) {
                self.due.extend([(until, resting)]);
                if let Some(before) = self.until.insert(resting, until) {
                    self.due.remove(&(before, resting));
                }
            }
        }
        while let Some(&(until, resting)) = self.due.first()
            && until <= now
        {
            self.due.pop_first();
            self.until.remove(&resting);
        }
    }
}

impl Check for Rests {
    fn look(&self, source: Option<IpAddr>, cx: &AllocContext<'_>) -> Result<(), Refusal> {
        let mut state = self.lock();
        state.settle(cx.now);
        let of_target = [None, Some(cx.target)];
        let until = of_target.map(|target| state.until.get(&Resting { source, target }).copied());
        match until.into_iter().max() {
            Some(Some(until)) => Err(Refusal::Until(until)),
            _ => Ok(()),
        }
    }
}

impl Rule for Rests {
    type Entry = SocketAddr;

    fn asked(&self, now: Instant) {
        self.lock().settle(now);
    }

    fn enter(&self, source: Option<IpAddr>, cx: &AllocContext<'_>) -> Result<SocketAddr, Refusal> {
        self.look(source, cx).map(|()| cx.target)
    }

    fn leave(&self, target: SocketAddr, released: Released) {
        let Some(outcome) = released.outcome else {
            return;
        };
        let mut state = self.lock();
        let Some(&(scope, time)) = state.rests.get(&outcome) else {
            return;
        };
        let target = match scope {
            RestScope::Addr => None,
            RestScope::AddrAndTarget => Some(target),
        };
        let source = released.addr;
        if !time.is_zero() {
            state.failed.push((Resting { source, target }, time));
        }
    }
}
