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
/// | After | rests | first for | and at most for |
/// |---|---|---|---|
/// | [`Outcome::AddrInUse`] | the address, for that target | 1 s | 8 s |
/// | [`Outcome::Unbindable`] | the address, for all targets | 10 s | 80 s |
/// | [`Outcome::TargetFailed`], [`Outcome::Connected`] | nothing | | |
///
/// [`rest`](Self::rest) changes a line, [`grow_to`](Self::grow_to) the growth. The times are a guess at how soon a port or a right
/// comes back: short, for an address that rests in vain is capacity lost, and asking again costs one system call. Who knows the number
/// of ports counts them with a [`PortBudget`](crate::PortBudget) instead of running into their end.
///
/// A dial that is begun after a rest and fails doubles the next one, up to eight times the first. Dials that were under way when the
/// rest began fail for its reason and double nothing. The first time holds again after a dial that was begun after the rest and
/// was established, once its connection has closed; or when the address has been back without a failure for as long as it had rested.
///
/// While all addresses rest, the answer is [`Resting`](crate::ExhaustedReason::Resting) with the time at which the first one
/// is back. A wanted address is refused too while it rests.
///
/// A lease says how it ended, not when; so a rest begins with the first [`allocate`](LocalAddrAllocator::allocate) after the
/// failed lease was dropped, which the next try of the same dial is. What the operating system chooses rests as one address.
///
/// Memory grows with what rests or did so lately, and shrinks when it is over.
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
    /// How many times its first length a rest grows to by repetition.
    growth: u32,
    /// What ended since the last ask, which has the time.
    ended: Vec<Ended>,
    records: HashMap<Resting, Record>,
    /// The same, ascending by the time at which they are forgotten.
    due: BTreeSet<(Instant, Resting)>,
}

/// A lease whose end makes something rest.
#[derive(Debug)]
struct Ended {
    resting: Resting,
    outcome: Outcome,
    /// How long the first rest takes.
    first: Duration,
    /// When the lease was asked for.
    begun: Instant,
}

/// A rest, now or lately.
#[derive(Clone, Copy, Debug)]
struct Record {
    until: Instant,
    /// From then on it is as if there had been no rest.
    forget: Instant,
    doublings: u32,
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

    /// How many times its first length a rest grows to, unless [`grow_to`](Self::grow_to) says otherwise: three doublings, after
    /// which a source that stays full costs an eighth of the tries, and one that has recovered is missed for seconds, not minutes.
    pub const GROWTH: u32 = 8;

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
            growth: Self::GROWTH,
            ended: Vec::new(),
            records: HashMap::new(),
            due: BTreeSet::new(),
        });
        Self {
            gate: Gate::new(inner, Rests { state }),
        }
    }

    /// Lets `scope` rest for `time` after this outcome, and for longer after repetitions; zero for no rest, above [`MAX`](Self::MAX)
    /// counts as that.
    ///
    /// After [`Outcome::Connected`] it paces: an address is used once per `time`, which does not grow.
    #[must_use]
    pub fn rest(self, after: Outcome, scope: RestScope, time: Duration) -> Self {
        let time = time.min(Self::MAX);
        self.gate.rule().lock().rests.insert(after, (scope, time));
        self
    }

    /// Lets repetitions double a rest up to so many times its first length, and to [`MAX`](Self::MAX) at most; 1 for rests that do
    /// not grow.
    ///
    /// # Panics
    ///
    /// If `times` is zero.
    #[must_use]
    pub fn grow_to(self, times: u32) -> Self {
        assert!(times > 0, "grow_to must be at least 1");
        self.gate.rule().lock().growth = times;
        self
    }

    /// How many addresses, and pairs of address and target, rest at `now`.
    pub fn resting(&self, now: Instant) -> usize {
        let mut state = self.gate.rule().lock();
        state.settle(now);
        let resting = state.records.values().filter(|record| now < record.until);
        resting.count()
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
    /// Starts the rests of what ended, and forgets those that are long over.
    fn settle(&mut self, now: Instant) {
        for ended in std::mem::take(&mut self.ended) {
            let before = self.records.get(&ended.resting).copied();
            // Past the end of the clock there is no dial either.
            if let Some(record) = ended.record(before, self.growth, now) {
                self.remember(ended.resting, record);
            }
        }
        while let Some(&(forget, resting)) = self.due.first()
            && forget <= now
        {
            self.forget(resting);
        }
    }

    fn remember(&mut self, resting: Resting, record: Record) {
        self.forget(resting);
        self.due.insert((record.forget, resting));
        self.records.insert(resting, record);
    }

    fn forget(&mut self, resting: Resting) {
        if let Some(before) = self.records.remove(&resting) {
            self.due.remove(&(before.forget, resting));
        }
    }

    /// A dial begun then was established: what rested before it is well again.
    fn recovered(&mut self, resting: Resting, begun: Instant) {
        if self.records.get(&resting).is_some_and(|r| r.until <= begun) {
            self.forget(resting);
        }
    }
}

impl Ended {
    /// What is to be remembered from `now` on; `None` past the end of the clock.
    fn record(&self, before: Option<Record>, growth: u32, now: Instant) -> Option<Record> {
        let grows = self.outcome != Outcome::Connected;
        let doublings = match before {
            Some(before) if grows && before.until <= self.begun => {
                before.doublings.saturating_add(1)
            }
            Some(before) => before.doublings,
            None => 0,
        };
        let times = if grows {
            2u32.saturating_pow(doublings).min(growth)
        } else {
            1
        };
        let rest = self.first.saturating_mul(times).min(Cooldown::MAX);
        let until = now.checked_add(rest)?;
        let forget = if grows {
            until.checked_add(rest)?
        } else {
            until
        };
        Some(Record {
            until: before.map_or(until, |before| before.until.max(until)),
            forget: before.map_or(forget, |before| before.forget.max(forget)),
            doublings,
        })
    }
}

impl Check for Rests {
    fn look(&self, source: Option<IpAddr>, cx: &AllocContext<'_>) -> Result<(), Refusal> {
        let mut state = self.lock();
        state.settle(cx.now);
        let of_target = [None, Some(cx.target)];
        let records = of_target.map(|target| state.records.get(&Resting { source, target }));
        let until = records.into_iter().flatten().map(|record| record.until);
        match until.max() {
            Some(until) if cx.now < until => Err(Refusal::Until(until)),
            _ => Ok(()),
        }
    }
}

impl Rule for Rests {
    /// The target, and when the lease was asked for.
    type Entry = (SocketAddr, Instant);

    fn asked(&self, now: Instant) {
        self.lock().settle(now);
    }

    fn enter(&self, source: Option<IpAddr>, cx: &AllocContext<'_>) -> Result<Self::Entry, Refusal> {
        self.look(source, cx).map(|()| (cx.target, cx.now))
    }

    fn leave(&self, (target, begun): Self::Entry, released: Released) {
        let (Some(outcome), source) = (released.outcome, released.addr) else {
            return;
        };
        let mut state = self.lock();
        if outcome == Outcome::Connected {
            for target in [None, Some(target)] {
                state.recovered(Resting { source, target }, begun);
            }
        }
        let Some(&(scope, first)) = state.rests.get(&outcome) else {
            return;
        };
        let target = match scope {
            RestScope::Addr => None,
            RestScope::AddrAndTarget => Some(target),
        };
        if !first.is_zero() {
            state.ended.push(Ended {
                resting: Resting { source, target },
                outcome,
                first,
                begun,
            });
        }
    }
}
