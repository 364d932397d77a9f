//! A few addresses of a large allocator, used at a time.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::gate::{Ask, Asks};
use crate::refusal::{Check, Refusal, Refusals};
use crate::{
    AllocContext, Exhausted, ExhaustedReason, Lease, Listeners, LocalAddrAllocator, MAX_SOURCES,
    Retired, SourceListener,
};

/// Uses at most so many addresses of any allocator at a time, per family; how many can change at any time.
///
/// The members take turns, whatever the strategy inside: it only chooses who joins.
///
/// An address joins when it is first leased and there is room, so that the allocator inside chooses the members: those of
/// a `/64` with [`Strategy::Random`](crate::Strategy::Random) are scattered over it. A member stays, leased or not, until the set
/// shrinks. Then the members with the fewest leases drain: they get no new lease, and are gone when their last one is dropped. If
/// the set grows meanwhile they are the first to come back.
///
/// The limits of the allocator inside, and of wrappers around, hold for each member. A wanted address that is no member
/// and finds no room is [`NotAllocated`](ExhaustedReason::NotAllocated). What the operating system chooses is not known,
/// and passes through uncounted.
///
/// Memory grows with the members.
#[derive(Debug)]
#[doc(alias = "SetTargetIPCount")]
pub struct WorkingSet {
    inner: Arc<dyn LocalAddrAllocator>,
    handle: WorkingSetHandle,
    asks: Asks,
}

/// Changes and shows a [`WorkingSet`] while it is in use. A clone is another handle of the same set.
#[derive(Clone, Debug)]
pub struct WorkingSetHandle {
    state: Arc<Mutex<State>>,
    listeners: Arc<Listeners>,
}

#[derive(Debug)]
struct State {
    size: usize,
    v4: Members,
    v6: Members,
}

/// The addresses of one family.
#[derive(Debug, Default)]
struct Members {
    /// In the order they joined.
    active: Vec<IpAddr>,
    /// Where the rotation goes on.
    next: usize,
    uses: HashMap<IpAddr, Use>,
}

#[derive(Debug)]
struct Use {
    leases: usize,
    role: Role,
}

/// `Active` becomes `Draining` when the set shrinks, and again `Active` when it grows. A draining address without leases is
/// forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Active,
    Draining,
}

impl WorkingSet {
    /// At most `size` addresses of `inner` per family.
    ///
    /// # Panics
    ///
    /// If `size` is zero.
    pub fn new(inner: impl LocalAddrAllocator + 'static, size: usize) -> Self {
        assert!(size > 0, "{NOT_ZERO}");
        let state = State {
            size,
            v4: Members::default(),
            v6: Members::default(),
        };
        Self {
            inner: Arc::new(inner),
            handle: WorkingSetHandle {
                state: Arc::new(Mutex::new(state)),
                listeners: Arc::default(),
            },
            asks: Asks::default(),
        }
    }

    /// A handle that changes the size.
    pub fn handle(&self) -> WorkingSetHandle {
        self.handle.clone()
    }

    /// Leases an address that is no member yet, if there is room.
    fn lease_new(
        &self,
        cx: &AllocContext<'_>,
        ask: &mut Ask<'_>,
    ) -> Option<Result<Lease, Exhausted>> {
        if !self.handle.lock().has_room(cx.target.is_ipv4()) {
            return None;
        }
        match self.inner.allocate(&cx.inside(&self.handle)) {
            Ok(lease) => match self.handle.admit(lease) {
                Ok(lease) => Some(Ok(lease)),
                // Another one joined meanwhile.
                Err(lease) => {
                    ask.refused.push(lease);
                    None
                }
            },
            Err(exhausted) => Some(Err(exhausted)),
        }
    }

    /// Leases a member of the target's family, the next in rotation that can be had.
    fn lease_member(
        &self,
        cx: &AllocContext<'_>,
        ask: &mut Ask<'_>,
        refusals: &mut Refusals,
    ) -> Result<Option<Lease>, Exhausted> {
        let v4 = cx.target.is_ipv4();
        let Some(first) = self.handle.lock().of_family(v4).turn() else {
            return Ok(None);
        };
        if let Some(lease) = self.lease_this(first, cx, ask, refusals)? {
            return Ok(Some(lease));
        }
        // A copy, for turns that others take meanwhile must not make this ask miss a member.
        let others = self.handle.lock().of_family(v4).in_rotation();
        for member in others.into_iter().filter(|&member| member != first) {
            if let Some(lease) = self.lease_this(member, cx, ask, refusals)? {
                return Ok(Some(lease));
            }
        }
        Ok(None)
    }

    /// Leases this member, or notes why not.
    ///
    /// # Errors
    ///
    /// What another member would not change.
    fn lease_this(
        &self,
        member: IpAddr,
        cx: &AllocContext<'_>,
        ask: &mut Ask<'_>,
        refusals: &mut Refusals,
    ) -> Result<Option<Lease>, Exhausted> {
        match cx.refusal(Some(member)) {
            Some(refusal @ (Refusal::Member | Refusal::Avoided)) => {
                refusals.note(refusal);
                return Ok(None);
            }
            Some(Refusal::Never) => {
                self.replace(member, cx, refusals);
                return Ok(None);
            }
            // The allocator inside is asked all the same, for it may want to know the time.
            Some(Refusal::Until(_) | Refusal::Busy) | None => {}
        }
        match self.inner.allocate(&cx.with_want(member)) {
            Ok(lease) => match self.handle.admit(lease) {
                Ok(lease) => return Ok(Some(lease)),
                // The set shrank meanwhile.
                Err(lease) => ask.refused.push(lease),
            },
            Err(exhausted) => {
                if let Some(last) = refusals.note_all(exhausted) {
                    if last.reason != ExhaustedReason::NotAllocated(member) {
                        return Err(last);
                    }
                    self.replace(member, cx, refusals);
                }
            }
        }
        Ok(None)
    }

    /// Lets a member that is excluded, or that the allocator no longer has, make room for another one.
    fn replace(&self, member: IpAddr, cx: &AllocContext<'_>, refusals: &mut Refusals) {
        let drained = self.handle.lock().of_family(member.is_ipv4()).drain(member);
        if drained {
            let listeners = &self.handle.listeners;
            listeners.retired(&[member], Retired::Unwanted);
        }
        refusals.look_again_soon(cx.now);
    }
}

impl LocalAddrAllocator for WorkingSet {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        let mut ask = self.asks.begin();
        let mut refusals = Refusals::default();
        if let Some(want) = cx.want {
            cx.check_family(want)?;
            let not_ours = Exhausted::new(ExhaustedReason::NotAllocated(want));
            if !self.handle.lock().may_use(want) {
                return Err(not_ours);
            }
            return match self.inner.allocate(cx) {
                Ok(lease) => self.handle.admit(lease).map_err(|lease| {
                    ask.refused.push(lease);
                    not_ours
                }),
                Err(exhausted) => Err(ask.answer(exhausted, refusals, cx)),
            };
        }
        let mut last = None;
        match self.lease_new(cx, &mut ask) {
            Some(Ok(lease)) => return Ok(lease),
            // That all others are members is no answer yet.
            Some(Err(refused)) if refused.reason == ExhaustedReason::Excluded => {
                last = Some(refused);
            }
            Some(Err(refused)) => last = refusals.note_all(refused),
            None => {}
        }
        if let Some(lease) = self.lease_member(cx, &mut ask, &mut refusals)? {
            return Ok(lease);
        }
        Err(match last {
            Some(last) if refusals.is_empty() => last,
            _ if ask.was_disturbed() || !ask.refused.is_empty() => {
                refusals.look_again_soon(cx.now);
                refusals.answer(cx)
            }
            _ => refusals.answer(cx),
        })
    }

    /// The members, and those of the allocator inside that would fit in.
    fn sources(&self) -> Vec<IpAddr> {
        let mut state = self.handle.lock();
        let size = state.size;
        let mut listed: Vec<IpAddr> = Vec::new();
        let mut room = [true, false].map(|v4| {
            let active = &state.of_family(v4).active;
            listed.extend(active);
            size.saturating_sub(active.len())
        });
        drop(state);
        let members: HashSet<IpAddr> = listed.iter().copied().collect();
        for addr in self.inner.sources() {
            let room = &mut room[usize::from(addr.is_ipv6())];
            if *room > 0 && !members.contains(&addr) {
                *room -= 1;
                listed.push(addr);
            }
        }
        listed.truncate(MAX_SOURCES);
        listed
    }

    fn listen(&self, listener: Weak<dyn SourceListener>) {
        self.handle.listeners.add(listener.clone());
        self.inner.listen(listener);
    }
}

impl WorkingSetHandle {
    /// Changes how many addresses are used at a time, per family.
    ///
    /// What is beyond the new size drains: a pool that uses the set closes its idle connections from there at once, and those in use when
    /// their requests have ended. Dials that wait for an address ask again.
    ///
    /// # Panics
    ///
    /// If `size` is zero.
    #[doc(alias = "SetTargetIPCount")]
    pub fn resize(&self, size: usize) {
        assert!(size > 0, "{NOT_ZERO}");
        let mut drained = Vec::new();
        {
            let mut state = self.lock();
            state.size = size;
            for v4 in [true, false] {
                state.of_family(v4).fit(size, &mut drained);
            }
        }
        self.listeners.retired(&drained, Retired::Unwanted);
        self.listeners.available();
    }

    /// How many addresses may be used at a time, per family.
    pub fn size(&self) -> usize {
        self.lock().size
    }

    /// The members, IPv4 first, in the order they joined.
    pub fn members(&self) -> Vec<IpAddr> {
        let state = self.lock();
        [&state.v4, &state.v6]
            .into_iter()
            .flat_map(|members| members.active.iter().copied())
            .collect()
    }

    /// The addresses that were members and still have leases, ascending.
    pub fn draining(&self) -> Vec<IpAddr> {
        let state = self.lock();
        let uses = state.v4.uses.iter().chain(&state.v6.uses);
        let mut draining: Vec<IpAddr> = uses
            .filter(|(_, used)| used.role == Role::Draining)
            .map(|(&addr, _)| addr)
            .collect();
        draining.sort_unstable();
        draining
    }

    /// Counts a lease; gives it back if its address is no member and there is no room.
    fn admit(&self, lease: Lease) -> Result<Lease, Lease> {
        let Some(addr) = lease.addr() else {
            return Ok(lease);
        };
        let mut state = self.lock();
        if !state.may_use(addr) {
            return Err(lease);
        }
        state.of_family(addr.is_ipv4()).add(addr);
        let handle = self.clone();
        Ok(lease.and_then(move |_| handle.lock().of_family(addr.is_ipv4()).remove(addr)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the choice of a new member: those that there are do not do.
impl Check for WorkingSetHandle {
    fn look(&self, source: Option<IpAddr>, _: &AllocContext<'_>) -> Result<(), Refusal> {
        match source {
            Some(addr) if self.lock().of_family(addr.is_ipv4()).is_active(addr) => {
                Err(Refusal::Member)
            }
            _ => Ok(()),
        }
    }
}

impl State {
    fn of_family(&mut self, v4: bool) -> &mut Members {
        if v4 { &mut self.v4 } else { &mut self.v6 }
    }

    fn has_room(&mut self, v4: bool) -> bool {
        let size = self.size;
        self.of_family(v4).active.len() < size
    }

    fn may_use(&mut self, addr: IpAddr) -> bool {
        self.of_family(addr.is_ipv4()).is_active(addr) || self.has_room(addr.is_ipv4())
    }
}

impl Members {
    fn is_active(&self, addr: IpAddr) -> bool {
        let used = self.uses.get(&addr);
        used.is_some_and(|used| used.role == Role::Active)
    }

    /// The next member in rotation.
    fn turn(&mut self) -> Option<IpAddr> {
        let at = if self.next < self.active.len() {
            self.next
        } else {
            0
        };
        self.next = at + 1;
        self.active.get(at).copied()
    }

    /// All members, the next in rotation first.
    fn in_rotation(&self) -> Vec<IpAddr> {
        let (before, after) = self.active.split_at(self.next.min(self.active.len()));
        [after, before].concat()
    }

    /// Counts a lease of an address, which is or becomes a member.
    fn add(&mut self, addr: IpAddr) {
        let used = self.uses.entry(addr).or_insert(Use {
            leases: 0,
            role: Role::Draining,
        });
        used.leases += 1;
        if used.role == Role::Draining {
            used.role = Role::Active;
            self.active.push(addr);
        }
    }

    fn remove(&mut self, addr: IpAddr) {
        let used = self.uses.get_mut(&addr).expect("what is leased is in use");
        used.leases -= 1;
        if used.leases == 0 && used.role == Role::Draining {
            self.uses.remove(&addr);
        }
    }

    /// Adds to `drained` those that are beyond the size.
    fn fit(&mut self, size: usize, drained: &mut Vec<IpAddr>) {
        while self.active.len() > size {
            // Of several with the fewest leases the one that joined last.
            let leases = |addr: &IpAddr| self.uses[addr].leases;
            let fewest = self.active.iter().copied().rev().min_by_key(leases);
            let fewest = fewest.expect("a set above a size is not empty");
            self.drain(fewest);
            drained.push(fewest);
        }
        let mut back: Vec<(usize, IpAddr)> = self
            .uses
            .iter()
            .filter(|(_, used)| used.role == Role::Draining)
            .map(|(&addr, used)| (used.leases, addr))
            .collect();
        back.sort_unstable();
        while self.active.len() < size
            && let Some((_, addr)) = back.pop()
        {
            self.uses.get_mut(&addr).expect("listed above").role = Role::Active;
            self.active.push(addr);
        }
    }

    /// Makes a member drain; `false` if it is none.
    fn drain(&mut self, addr: IpAddr) -> bool {
        let Some(at) = self.active.iter().position(|&member| member == addr) else {
            return false;
        };
        self.active.remove(at);
        if at < self.next {
            self.next -= 1;
        }
        let used = self.uses.get_mut(&addr).expect("a member is in use");
        used.role = Role::Draining;
        if used.leases == 0 {
            self.uses.remove(&addr);
        }
        true
    }
}

const NOT_ZERO: &str = "a working set has at least 1 address";
