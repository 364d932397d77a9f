//! One host under its lock: the pure state, what it holds, and the wakers of those who wait.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::task::Waker;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::budget::{Budget, Permits};
use super::lease::Lease;
use super::lessons::Lessons;
use super::mailbox::{Mailbox, Outcome};
use super::reason::CloseReason;
use super::site::Member;
use super::state::{
    Action, Actions, Claim, ConnRef, DialRef, HostState, Leased, Refusal, Returned, Turned,
};
use super::sync::{Arc, AtomicBool, Mutex, MutexGuard, Ordering, StdArc, lock_timed, now};
use super::ticket::Ticket;
use super::waiters::{Place, WaiterRef};
use super::{Closing, Endpoints, Entry, HostHandle, Shared};
use crate::error::{Error, ErrorKind, Phase};
use crate::info::ConnId;
use crate::key::Key;
use crate::observe::Histogram;

/// The order is that of use, so that a claim touches few cache lines.
#[repr(C)]
pub(crate) struct Host<C: Send + Sync + 'static> {
    pub(crate) shared: Arc<Shared<C>>,
    /// Whether it is in the budget's ring; written under the budget's lock only.
    pub(crate) enrolled: AtomicBool,
    /// Set when the state is retired, under its lock, for those who look without it.
    retired: AtomicBool,
    /// Whether a scan for another host's idle connection is due at a time already asked for.
    scan_due: AtomicBool,
    /// Whether there is a lesson to look up, as far as is known without the lock; written under it.
    pub(crate) taught: AtomicBool,
    pub(crate) key: Key,
    pub(crate) site: Member,
    core: OwnLine<Mutex<Core<C>>>,
}

/// Begins a cache line, so that whoever counts references to the host, or reads what does not change, does not take the
/// line away from whoever has the lock.
#[repr(align(64))]
struct OwnLine<T>(T);

/// What the lock protects. What most steps change comes first; see [`HostState`].
#[repr(C)]
pub(crate) struct Core<C: Send + Sync + 'static> {
    /// Steps so far.
    steps: u32,
    /// How often somebody had to wait for the lock.
    waits: u32,
    pub(crate) state: HostState,
    /// What each connection holds, by its slot in the state.
    entries: Vec<Option<Arc<Entry<C>>>>,
    actions: Actions,
    /// Idle connections as the budget knows them; `None` while they are not counted.
    counted_idle: Option<usize>,
    /// The mailboxes of those who wait, by their slot in the state.
    mailboxes: Vec<Option<Arc<Mailbox<C>>>>,
    /// Mailboxes to be used again, longest unused first.
    spare: VecDeque<Arc<Mailbox<C>>>,
    /// The error of the last failed dial or lookup, for those it was to serve.
    pub(crate) failure: Option<Error>,
    /// The addresses as a selector sees them, if there is one that looks.
    endpoints: StdArc<Endpoints>,
    /// The changes of endpoints that `endpoints` knows of.
    endpoints_as_of: u64,
    pub(crate) lessons: Lessons,
}

/// A claim with what it is a claim on.
pub(crate) struct Granted<C: Send + Sync + 'static> {
    pub(crate) claim: Claim,
    pub(crate) entry: Arc<Entry<C>>,
}

/// One step of so many has its hold of the lock timed: two readings of the clock in every step would cost more than most
/// steps do.
const HOLD_SAMPLE: u32 = 64;

/// Of those who had to wait for the lock one in so many has its wait timed, and counts for as many: everybody else waits
/// while whoever has the lock reads the clock and writes to counters that all threads share.
const WAIT_SAMPLE: u32 = 8;

/// A host keeps so many mailboxes to use again: enough for those who have an outcome to collect at a time, if few
/// connections serve many.
const SPARE: usize = 256;

/// What is left to do after unlocking.
enum Chore<C: Send + Sync + 'static> {
    Deliver(Arc<Mailbox<C>>, Outcome<C>),
    Reserve,
    Spread,
    Resolve,
    Dial(DialRef, SocketAddr),
    Close(ConnRef, Arc<Entry<C>>, CloseReason),
    WakeAt(Instant),
    TellOfQuarantine(ConnId, Duration),
}

type Chores<C> = SmallVec<[Chore<C>; 2]>;

/// What a step leaves to do after unlocking.
struct Left<C: Send + Sync + 'static> {
    chores: Chores<C>,
    /// Whether there is one more idle connection for the limit over all hosts.
    parked: bool,
}

impl<C: Send + Sync + 'static> Default for Left<C> {
    fn default() -> Self {
        Self {
            chores: Chores::new(),
            parked: false,
        }
    }
}

impl<C: Send + Sync + 'static> Left<C> {
    fn is_empty(&self) -> bool {
        self.chores.is_empty() && !self.parked
    }
}

impl<C: Send + Sync + 'static> Host<C> {
    pub(crate) fn new(shared: Arc<Shared<C>>, key: Key, site: Member, state: HostState) -> Self {
        let counted_idle = shared.budget.limits_idle().then_some(0);
        Self {
            shared,
            key,
            site,
            core: OwnLine(Mutex::new(Core {
                state,
                entries: Vec::new(),
                steps: 0,
                waits: 0,
                mailboxes: Vec::new(),
                spare: VecDeque::new(),
                failure: None,
                actions: Actions::with_capacity(1),
                endpoints: StdArc::default(),
                endpoints_as_of: 0,
                lessons: Lessons::default(),
                counted_idle,
            })),
            scan_due: AtomicBool::new(false),
            taught: AtomicBool::new(false),
            enrolled: AtomicBool::new(false),
            retired: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    pub(crate) fn mark_retired(&self) {
        self.retired.store(true, Ordering::SeqCst);
    }

    /// One step: `f` under the lock, then what it asks for, unlocked.
    pub(crate) fn step<R>(host: &Arc<Self>, f: impl FnOnce(&mut Core<C>) -> R) -> R {
        let mut left = Left::default();
        let result = host.locked(f, &mut left);
        if !left.is_empty() {
            Self::finish(host, left);
        }
        result
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, Core<C>> {
        let (mut core, waits_since) = lock_timed(&self.core.0);
        if let Some(since) = waits_since {
            core.waited(since, &self.shared.lock_waits);
        }
        core
    }

    /// The first part of a step: `f` under the lock. Most steps leave nothing to do.
    #[inline]
    fn locked<R>(&self, f: impl FnOnce(&mut Core<C>) -> R, left: &mut Left<C>) -> R {
        let mut core = self.lock();
        let since = core.samples_hold().then(now);
        let result = f(&mut core);
        core.settle(&self.key, &mut left.chores);
        left.parked = core.count_idle(&self.shared.budget);
        if let Some(since) = since {
            let held = now().saturating_duration_since(since);
            self.shared.lock_holds.record(held);
        }
        result
    }

    /// The second part of a step.
    #[cold]
    fn finish(host: &Arc<Self>, left: Left<C>) {
        Self::run(host, left.chores, None);
        if left.parked {
            Self::shed_idle(host);
        }
    }

    /// Closes what has been idle longest here while there are more idle connections over all hosts than allowed: the
    /// host that parked one too many pays for it.
    fn shed_idle(host: &Arc<Self>) {
        while host.shared.budget.has_too_many_idle() {
            let mut chores = Chores::new();
            let shed = {
                let mut core = host.lock();
                let core = &mut *core;
                let shed = core.state.shed_idle(now(), &mut core.actions);
                core.settle(&host.key, &mut chores);
                core.count_idle(&host.shared.budget);
                shed
            };
            Self::run(host, chores, None);
            if !shed {
                return;
            }
        }
    }

    /// Looks, changes nothing.
    pub(crate) fn look<R>(&self, f: impl FnOnce(&Core<C>) -> R) -> R {
        f(&self.lock())
    }

    /// Claims at once or not at all, where the hint says if that address has room.
    pub(crate) fn try_claim(
        host: &Arc<Self>,
        hint: Option<&Hint>,
        at: Instant,
    ) -> Option<Granted<C>> {
        let starving = host.shared.budget.is_starved(host);
        Self::step(host, |core| {
            if let Some(addr) = hint.and_then(|hint| hint.prefer) {
                core.state.prefer(addr);
            }
            if let Some(addr) = hint.and_then(|hint| hint.avoid) {
                core.state.pass_over(addr);
            }
            let claim = core.state.claim(at, starving, &mut core.actions)?;
            Some(core.granted(claim))
        })
    }

    /// Claims, or joins the queue; a closed or forgotten host says so.
    pub(crate) fn claim_or_join(
        host: &Arc<Self>,
        place: Place,
        deadline: Option<Instant>,
    ) -> Result<Joined<C>, Turned> {
        let budget = &host.shared.budget;
        let starving = budget.is_starved(host);
        let at = now();
        Self::step(host, |core| {
            let claim = match place {
                Place::On(conn) => {
                    let conn = core.state.named(conn);
                    conn.and_then(|conn| core.state.claim_on(conn, at))
                }
                Place::Back(_) | Place::Front => core.state.claim(at, starving, &mut core.actions),
            };
            if let Some(claim) = claim {
                return Ok(Joined::Granted(core.granted(claim)));
            }
            // Only those who really queue are counted over all hosts.
            if !budget.enter_queue(place) {
                return Err(Turned::Full);
            }
            match core.state.join(place, deadline, at, &mut core.actions) {
                Ok(waiter) => Ok(Joined::Queued(waiter, core.seat(waiter))),
                Err(turned) => {
                    budget.leave_queue();
                    Err(turned)
                }
            }
        })
    }

    /// A waiter gives up. What it had been granted meanwhile goes the way of every returned lease: to the next.
    pub(crate) fn cancel(host: &Arc<Self>, waiter: WaiterRef, mailbox: &Mailbox<C>) {
        Self::step(host, |core| core.give_up(waiter));
        Self::withdraw_if_served(host);
        drop(mailbox.close().map(|outcome| outcome.map(Lease::new)));
    }

    /// A lease on this connection ends.
    #[inline]
    pub(crate) fn release(entry: Arc<Entry<C>>, lease: Leased, how: Returned, at: Instant) {
        let host = &entry.host;
        let mut left = Left::default();
        let end = |core: &mut Core<C>| {
            // Read under the lock: a host that starves enrols, then looks here under this lock too. Whichever of the two
            // comes second sees the other.
            let starving = host.shared.budget.is_starved(host);
            core.state
                .release(lease, how, at, starving, &mut core.actions);
            match how {
                Returned::Discard(reason) => {
                    let opened = entry.status.created();
                    host.suspect(core, lease.conn, opened, reason, at)
                }
                Returned::Clean | Returned::Failed => None,
            }
        };
        if let Some(length) = host.locked(end, &mut left) {
            let chore = Chore::TellOfQuarantine(lease.conn.id, length);
            left.chores.push(chore);
        }
        if left.is_empty() {
            Self::withdraw_if_served(host);
            return;
        }
        let host = host.clone();
        // If the connection closes, its permit is free before the host asks for the next dial's.
        drop(entry);
        Self::finish(&host, left);
        Self::withdraw_if_served(&host);
    }

    /// Leaves the budget's ring if no dial waits for permits any more: others need not give up anything for it.
    fn withdraw_if_served(host: &Arc<Self>) {
        let asks = || host.look(|core| core.state.asked() > 0);
        if host.enrolled.load(Ordering::SeqCst) && !asks() {
            Budget::withdraw(&host.shared, host);
            // Somebody who joined meanwhile may have found the host in the ring.
            if asks() {
                Budget::request(&host.shared, host);
            }
        }
    }

    /// The socket of this connection is gone.
    pub(crate) fn closed(
        host: &Arc<Self>,
        conn: ConnRef,
        reason: CloseReason,
    ) -> Option<CloseReason> {
        let mut chores = Chores::new();
        let (entry, reason) = {
            let mut core = host.lock();
            let core = &mut *core;
            let at = now();
            // While the books still say when it was opened.
            let opened = core.state.opened(conn);
            let suspect = |opened| host.suspect(core, conn, opened, reason, at);
            let quarantined = opened.and_then(suspect);
            let entry = core.take_entry(conn);
            let reason = core.state.closed(conn, reason, at, &mut core.actions);
            if let Some(entry) = &entry {
                entry.status.close();
            }
            core.settle(&host.key, &mut chores);
            core.count_idle(&host.shared.budget);
            let tell = |length| Chore::TellOfQuarantine(conn.id, length);
            chores.extend(quarantined.map(tell));
            (entry, reason)
        };
        // Before the chores: its permit may be what the next dial asks for.
        drop(entry);
        Self::run(host, chores, None);
        reason
    }

    /// An event that changes the state and may ask for something.
    pub(crate) fn event<R>(
        host: &Arc<Self>,
        f: impl FnOnce(&mut HostState, Instant, &mut Actions) -> R,
    ) -> R {
        Self::step(host, |core| f(&mut core.state, now(), &mut core.actions))
    }

    /// The budget's permits for one dial. `Ok(more)`: used, and whether another is wanted; `Err`: not needed.
    pub(crate) fn accept(host: &Arc<Self>, permits: Permits<C>) -> Result<bool, Permits<C>> {
        let mut chores = Chores::new();
        let (used, more) = {
            let mut core = host.lock();
            let core = &mut *core;
            let used = core.state.granted(now(), &mut core.actions);
            core.settle(&host.key, &mut chores);
            (used, core.state.asked() > 0)
        };
        let (permits, unused) = if used {
            (Some(permits), None)
        } else {
            (None, Some(permits))
        };
        Self::run(host, chores, permits);
        unused.map_or(Ok(more), Err)
    }

    /// A time asked for has come.
    pub(crate) fn tick(host: &Arc<Self>) {
        host.scan_due.store(false, Ordering::SeqCst);
        let asked = Self::step(host, |core| {
            core.state.tick(now(), &mut core.actions);
            core.state.asked()
        });
        if asked > 0 {
            Budget::request(&host.shared, host);
        }
    }

    /// Whether the caller is to ask for a tick by which another host's idle connection is old enough to reclaim.
    pub(crate) fn claim_scan(&self) -> bool {
        !self.scan_due.swap(true, Ordering::SeqCst)
    }

    fn run(host: &Arc<Self>, chores: Chores<C>, mut permits: Option<Permits<C>>) {
        for chore in chores {
            match chore {
                Chore::Deliver(mailbox, outcome) => match mailbox.deliver(outcome) {
                    Ok(waker) => waker.into_iter().for_each(Waker::wake),
                    // What was granted to one who has given up goes the way of every returned lease: to the next.
                    Err(outcome) => drop(outcome.map(Lease::new)),
                },
                Chore::Reserve => Budget::request(&host.shared, host),
                Chore::Spread => Self::spread(host),
                Chore::Resolve => host.shared.driver.resolve(HostHandle(host.clone())),
                Chore::Dial(dial, addr) => {
                    let permits = permits
                        .take()
                        .expect("a dial starts only in the step that brought its permits");
                    host.shared
                        .driver
                        .dial(Ticket::new(host.clone(), dial, addr, None, permits));
                }
                Chore::Close(conn, entry, reason) => {
                    let closing = host.shared.driver.close(&entry, reason);
                    let status = entry.status.clone();
                    drop(entry);
                    if closing == Closing::Done {
                        Self::closed(host, conn, reason);
                        // Out of the books since the step that said so: nobody else writes it.
                        status.close();
                    }
                }
                Chore::WakeAt(at) => host.shared.driver.wake_at(HostHandle(host.clone()), at),
                Chore::TellOfQuarantine(offender, length) => {
                    let driver = &host.shared.driver;
                    driver.quarantined(HostHandle(host.clone()), offender, length);
                }
            }
        }
    }
}

/// Which address a claim is to be at, if it has room; it is claimed elsewhere if not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hint {
    pub(crate) prefer: Option<SocketAddr>,
    pub(crate) avoid: Option<SocketAddr>,
}

/// How an acquire began.
pub(crate) enum Joined<C: Send + Sync + 'static> {
    Granted(Granted<C>),
    Queued(WaiterRef, Arc<Mailbox<C>>),
}

impl<C: Send + Sync + 'static> Core<C> {
    pub(crate) fn actions(&mut self) -> (&mut HostState, &mut Actions) {
        (&mut self.state, &mut self.actions)
    }

    /// Whether this step is one of those whose hold of the lock is timed.
    #[inline]
    fn samples_hold(&mut self) -> bool {
        self.steps = self.steps.wrapping_add(1);
        self.steps.is_multiple_of(HOLD_SAMPLE)
    }

    /// Whoever has the lock now has waited for it.
    #[cold]
    fn waited(&mut self, since: Instant, waits: &Histogram) {
        self.waits = self.waits.wrapping_add(1);
        if self.waits.is_multiple_of(WAIT_SAMPLE) {
            let waited = now().saturating_duration_since(since);
            waits.record_times(waited, WAIT_SAMPLE.into());
        }
    }

    /// Tells the budget how many connections are idle, if that has changed. Returns whether there are more.
    #[inline]
    fn count_idle(&mut self, budget: &Budget<C>) -> bool {
        // Without a limit nobody asks, and a counter that every host writes to would be what they contend for. When one is
        // set, each host is told, and counts from then on.
        let counted = budget.limits_idle().then(|| self.state.idle_len());
        let before = std::mem::replace(&mut self.counted_idle, counted);
        let (was, is) = (before.unwrap_or(0), counted.unwrap_or(0));
        if was != is {
            budget.count_idle(was, is);
        }
        // A host that only begins to count has parked nothing: the surplus is taken out of all hosts in turn then.
        before.is_some() && is > was
    }

    pub(crate) fn put_entry(&mut self, slot: usize, entry: Arc<Entry<C>>) {
        if self.entries.len() <= slot {
            self.entries.resize_with(slot + 1, || None);
        }
        self.entries[slot] = Some(entry);
    }

    pub(crate) fn entry(&self, conn: ConnRef) -> Option<&Arc<Entry<C>>> {
        let entry = self.entries.get(conn.slot)?.as_ref()?;
        (entry.id() == conn.id).then_some(entry)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Arc<Entry<C>>> {
        self.entries.iter().flatten()
    }

    fn take_entry(&mut self, conn: ConnRef) -> Option<Arc<Entry<C>>> {
        self.entry(conn)?;
        self.entries[conn.slot].take()
    }

    pub(crate) fn granted(&self, claim: Claim) -> Granted<C> {
        let entry = self.entries.get(claim.conn.slot).and_then(Option::as_ref);
        let entry = entry.expect("a connection that can be claimed is in the books");
        debug_assert_eq!(entry.id(), claim.conn.id);
        Granted {
            claim,
            entry: entry.clone(),
        }
    }

    /// Publishes what has changed, and turns actions into outcomes and chores.
    #[inline]
    fn settle(&mut self, key: &Key, chores: &mut Chores<C>) {
        let entries = &self.entries;
        self.state.publish(|slot, conn| {
            if let Some(Some(entry)) = entries.get(slot) {
                entry.status.publish(conn);
            }
        });
        if self.state.limits().selects {
            self.publish_endpoints();
        }
        if !self.actions.is_empty() {
            self.carry_out(key, chores);
        }
    }

    #[cold]
    fn carry_out(&mut self, key: &Key, chores: &mut Chores<C>) {
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                Action::Grant(waiter, claim) => {
                    let outcome = Ok(self.granted(claim));
                    self.tell(waiter, outcome, chores);
                }
                Action::Fail(waiter, refusal) => {
                    let outcome = Err(self.refuse(refusal, key));
                    self.tell(waiter, outcome, chores);
                }
                Action::Reserve => chores.push(Chore::Reserve),
                Action::Spread => chores.push(Chore::Spread),
                Action::Resolve => chores.push(Chore::Resolve),
                Action::Dial(dial, addr) => chores.push(Chore::Dial(dial, addr)),
                Action::Close(conn, reason) => {
                    if let Some(entry) = self.take_entry(conn) {
                        chores.push(Chore::Close(conn, entry, reason));
                    }
                }
                Action::WakeAt(at) => chores.push(Chore::WakeAt(at)),
            }
        }
        // Its room is used again.
        self.actions = actions;
    }

    fn publish_endpoints(&mut self) {
        let changes = self.state.endpoint_changes();
        let touched = self.state.take_touched_endpoints();
        if changes != self.endpoints_as_of {
            self.endpoints_as_of = changes;
            let addrs = self.state.endpoints().map(|endpoint| endpoint.addr);
            self.endpoints = StdArc::new(self.endpoints.renewed(addrs, now()));
        }
        for slot in touched {
            let Some(endpoint) = self.state.endpoint_in(slot) else {
                continue;
            };
            if let Some(gauge) = self.endpoints.gauge(endpoint.addr) {
                gauge.publish(endpoint);
            }
        }
    }

    /// The addresses as a selector sees them.
    pub(crate) fn endpoints(&self) -> StdArc<Endpoints> {
        self.endpoints.clone()
    }

    fn tell(&mut self, waiter: WaiterRef, outcome: Outcome<C>, chores: &mut Chores<C>) {
        let mailbox = self.mailboxes[waiter.slot].take();
        let mailbox = mailbox.expect("whoever waits has a mailbox");
        self.state.leave(waiter);
        self.keep(mailbox.clone());
        chores.push(Chore::Deliver(mailbox, outcome));
    }

    /// Gives a mailbox to one who has joined.
    fn seat(&mut self, waiter: WaiterRef) -> Arc<Mailbox<C>> {
        let mailbox = self.unused_mailbox().unwrap_or_default();
        if self.mailboxes.len() <= waiter.slot {
            self.mailboxes.resize_with(waiter.slot + 1, || None);
        }
        self.mailboxes[waiter.slot] = Some(mailbox.clone());
        mailbox
    }

    /// One that whoever had it last has let go of.
    fn unused_mailbox(&mut self) -> Option<Arc<Mailbox<C>>> {
        let mut mailbox = self.spare.pop_front()?;
        if Mailbox::renew(&mut mailbox) {
            return Some(mailbox);
        }
        // Its outcome is still to be collected. So may be the others, which were used after it.
        self.spare.push_back(mailbox);
        None
    }

    fn keep(&mut self, mailbox: Arc<Mailbox<C>>) {
        if self.spare.len() < SPARE {
            self.spare.push_back(mailbox);
        }
    }

    /// Takes one who does not want to wait any more out of the queue, if it is still there.
    fn give_up(&mut self, waiter: WaiterRef) {
        if self.state.leave(waiter)
            && let Some(mailbox) = self.mailboxes[waiter.slot].take()
        {
            self.keep(mailbox);
        }
    }

    fn refuse(&self, refusal: Refusal, key: &Key) -> Error {
        let kind = match refusal {
            Refusal::Dial | Refusal::Resolve => {
                if let Some(error) = &self.failure {
                    return error.clone();
                }
                ErrorKind::Connect
            }
            Refusal::Unavailable => ErrorKind::Unavailable,
            Refusal::Late => ErrorKind::Timeout(Phase::Acquire),
            Refusal::Gone => ErrorKind::ConnGone,
            Refusal::Closed => ErrorKind::Closed,
        };
        Error::new(kind).with_host(key.to_string())
    }
}

impl<C: Send + Sync + 'static> fmt::Debug for Host<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
