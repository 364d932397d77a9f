//! The limits that span hosts, and the ring of hosts that starve for them.
//!
//! One mutex owns them all. It is never held together with a shard's or a host's lock: a host says what it needs
//! after it has unlocked, and the answer comes back to it as an event.

use std::collections::VecDeque;
use std::fmt;

use super::Shared;
use super::host::Host;
use super::site::Site;
use super::sync::{Arc, AtomicUsize, Mutex, Ordering, StdArc, lock};
use super::waiters::Place;

/// The limits over all hosts together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TotalLimits {
    pub(crate) conns: usize,
    /// Connections to one site, over all hosts of it.
    pub(crate) site: usize,
    pub(crate) dials: usize,
    pub(crate) waiters: usize,
    pub(crate) idle: usize,
}

pub(crate) struct Budget<C: Send + Sync + 'static> {
    books: Mutex<Books<C>>,
    /// Hosts in the ring, for the fast path.
    enrolled: AtomicUsize,
    /// Hosts that wait for a connection permit while there is none.
    starving: AtomicUsize,
    max_per_site: AtomicUsize,
    waiters: AtomicUsize,
    max_waiters: AtomicUsize,
    idle: AtomicUsize,
    max_idle: AtomicUsize,
}

struct Books<C: Send + Sync + 'static> {
    limits: TotalLimits,
    conns: usize,
    dials: usize,
    /// Hosts that wait for a permit, longest first; each at most once.
    ring: VecDeque<Arc<Host<C>>>,
}

impl<C: Send + Sync + 'static> Books<C> {
    fn has_room(&self) -> bool {
        self.conns < self.limits.conns && self.dials < self.limits.dials
    }

    /// Whether one more connection to this site is within its limit.
    fn site_has_room(&self, site: &Site) -> bool {
        site.conns.load(Ordering::SeqCst) < self.limits.site
    }

    /// Whether some host in the ring could be served, were there permits.
    fn somebody_waits(&self) -> bool {
        self.ring.iter().any(|host| self.site_has_room(&host.site))
    }

    fn take(&mut self, site: &Site) {
        self.conns += 1;
        self.dials += 1;
        site.conns.fetch_add(1, Ordering::SeqCst);
    }

    fn give_back(&mut self, site: &Site) {
        self.conns -= 1;
        site.conns.fetch_sub(1, Ordering::SeqCst);
    }

    /// The host at this place of the ring leaves it.
    fn leave_ring(&mut self, at: usize) -> Option<Arc<Host<C>>> {
        let host = self.ring.remove(at)?;
        host.enrolled.store(false, Ordering::SeqCst);
        host.site.enrolled.fetch_sub(1, Ordering::SeqCst);
        Some(host)
    }
}

impl<C: Send + Sync + 'static> Budget<C> {
    pub(crate) fn new(limits: TotalLimits) -> Self {
        Self {
            books: Mutex::new(Books {
                limits,
                conns: 0,
                dials: 0,
                ring: VecDeque::new(),
            }),
            enrolled: AtomicUsize::new(0),
            starving: AtomicUsize::new(0),
            max_per_site: AtomicUsize::new(limits.site),
            waiters: AtomicUsize::new(0),
            max_waiters: AtomicUsize::new(limits.waiters),
            idle: AtomicUsize::new(0),
            max_idle: AtomicUsize::new(limits.idle),
        }
    }

    /// Whether some host but this one waits for a connection of this one to close: any host if there are as many as
    /// allowed in all, one of the same site if there are as many to that. Those who wait for dials alone do not count: a closed
    /// connection would not help them.
    #[inline]
    pub(crate) fn is_starved(&self, host: &Host<C>) -> bool {
        self.enrolled.load(Ordering::SeqCst) > 0 && self.is_starved_by_another(host)
    }

    fn is_starved_by_another(&self, host: &Host<C>) -> bool {
        let itself = usize::from(host.enrolled.load(Ordering::SeqCst));
        self.starving.load(Ordering::SeqCst) > itself
            || self.is_full(&host.site) && host.site.enrolled.load(Ordering::SeqCst) > itself
    }

    /// Whether the site has as many connections as it may.
    pub(crate) fn is_full(&self, site: &Site) -> bool {
        site.conns.load(Ordering::SeqCst) >= self.max_per_site.load(Ordering::SeqCst)
    }

    /// How many connection permits of this site are out beyond its limit.
    pub(crate) fn surplus_at(&self, site: &Site) -> usize {
        let conns = site.conns.load(Ordering::SeqCst);
        conns.saturating_sub(self.max_per_site.load(Ordering::SeqCst))
    }

    /// A host has `now` idle connections and had `before`.
    pub(crate) fn count_idle(&self, before: usize, now: usize) {
        if now > before {
            self.idle.fetch_add(now - before, Ordering::Relaxed);
        } else {
            self.idle.fetch_sub(before - now, Ordering::Relaxed);
        }
    }

    /// Whether there is a limit on idle connections over all hosts.
    #[inline]
    pub(crate) fn limits_idle(&self) -> bool {
        self.max_idle.load(Ordering::Relaxed) != usize::MAX
    }

    pub(crate) fn has_too_many_idle(&self) -> bool {
        self.idle.load(Ordering::Relaxed) > self.max_idle.load(Ordering::Relaxed)
    }

    /// How many idle connections there are beyond the limit.
    pub(crate) fn surplus_idle(&self) -> usize {
        let idle = self.idle.load(Ordering::Relaxed);
        idle.saturating_sub(self.max_idle.load(Ordering::Relaxed))
    }

    /// How many connection permits are out beyond the limit.
    pub(crate) fn surplus_conns(&self) -> usize {
        let books = lock(&self.books);
        books.conns.saturating_sub(books.limits.conns)
    }

    /// After each change of the books, under their lock.
    fn publish(&self, books: &Books<C>) {
        let short = books.conns >= books.limits.conns;
        let starving = if short { books.ring.len() } else { 0 };
        self.starving.store(starving, Ordering::SeqCst);
        self.enrolled.store(books.ring.len(), Ordering::SeqCst);
    }

    /// Connections and dials that hold a permit.
    pub(crate) fn in_use(&self) -> (usize, usize) {
        let books = lock(&self.books);
        (books.conns, books.dials)
    }

    /// New limits, as far as they are lower; hosts do not count against what is raised yet.
    pub(crate) fn lower_limits(shared: &Arc<Shared<C>>, limits: TotalLimits) {
        let mut books = lock(&shared.budget.books);
        books.limits.conns = books.limits.conns.min(limits.conns);
        books.limits.dials = books.limits.dials.min(limits.dials);
        books.limits.site = books.limits.site.min(limits.site);
        let site = books.limits.site;
        let max_per_site = &shared.budget.max_per_site;
        max_per_site.store(site, Ordering::SeqCst);
        shared.budget.publish(&books);
        drop(books);
        shared
            .budget
            .max_waiters
            .store(limits.waiters, Ordering::Relaxed);
        shared.budget.max_idle.store(limits.idle, Ordering::Relaxed);
    }

    /// The new limits, all of them; those who starve are served from what is raised.
    pub(crate) fn set_limits(shared: &Arc<Shared<C>>, limits: TotalLimits) {
        {
            let mut books = lock(&shared.budget.books);
            books.limits = limits;
            let max_per_site = &shared.budget.max_per_site;
            max_per_site.store(limits.site, Ordering::SeqCst);
            shared.budget.publish(&books);
        }
        Self::serve_ring(shared);
    }

    /// Nobody is served any more.
    pub(crate) fn close(&self) {
        let mut emptied = Vec::new();
        {
            let mut books = lock(&self.books);
            while let Some(host) = books.leave_ring(0) {
                emptied.push(host);
            }
            self.publish(&books);
        }
        drop(emptied);
    }

    /// Counts one waiter; `false` if there are as many as allowed. One that was at the head already is never refused.
    /// Whoever was let in is counted until [`leave_queue`](Self::leave_queue).
    pub(crate) fn enter_queue(&self, place: Place) -> bool {
        let limit = self.max_waiters.load(Ordering::Relaxed);
        let before = self.waiters.fetch_add(1, Ordering::Relaxed);
        let enters = before < limit || place == Place::Front;
        if !enters {
            self.leave_queue();
        }
        enters
    }

    pub(crate) fn leave_queue(&self) {
        self.waiters.fetch_sub(1, Ordering::Relaxed);
    }

    #[cfg(test)]
    #[cfg(not(pool_loom))]
    pub(crate) fn waiting(&self) -> usize {
        self.waiters.load(Ordering::Relaxed)
    }

    /// Takes permits at once or not at all; never joins the ring.
    pub(crate) fn try_take(shared: &Arc<Shared<C>>, host: &Host<C>) -> Option<Permits<C>> {
        let mut books = lock(&shared.budget.books);
        let has_room = books.has_room() && books.site_has_room(&host.site);
        if !has_room || books.somebody_waits() {
            return None;
        }
        books.take(&host.site);
        shared.budget.publish(&books);
        drop(books);
        Some(Permits::new(shared, host))
    }

    /// Connections that need no dial: takes as many connection permits as there is room for, at most `wanted`.
    pub(crate) fn try_take_conns(
        shared: &Arc<Shared<C>>,
        host: &Host<C>,
        wanted: usize,
    ) -> Vec<ConnPermit<C>> {
        let site = &host.site;
        let mut books = lock(&shared.budget.books);
        let room = books.limits.conns.saturating_sub(books.conns);
        let at_site = site.conns.load(Ordering::SeqCst);
        let room = room.min(books.limits.site.saturating_sub(at_site));
        let taken = wanted.min(room);
        books.conns += taken;
        site.conns.fetch_add(taken, Ordering::SeqCst);
        shared.budget.publish(&books);
        drop(books);
        let permit = || ConnPermit::new(shared, host);
        std::iter::repeat_with(permit).take(taken).collect()
    }

    /// How many connections there may be in all, and to one site.
    pub(crate) fn max_conns(&self) -> (usize, usize) {
        let books = lock(&self.books);
        (books.limits.conns, books.limits.site)
    }

    /// The host wants to dial once: it gets its permits now, or a place at the end of the ring.
    pub(crate) fn request(shared: &Arc<Shared<C>>, host: &Arc<Host<C>>) {
        let out_of_conns = {
            let mut books = lock(&shared.budget.books);
            let has_room = books.has_room() && books.site_has_room(&host.site);
            if has_room && !books.somebody_waits() {
                books.take(&host.site);
                shared.budget.publish(&books);
                drop(books);
                if let Err(permits) = Host::accept(host, Permits::new(shared, host)) {
                    permits.put_back();
                    // Somebody may have enrolled while they were out.
                    Self::serve_ring(shared);
                }
                return;
            }
            Self::enrol(shared, &mut books, host);
            books.conns >= books.limits.conns || !books.site_has_room(&host.site)
        };
        // Enrol, then scan; a host that gets a connection back looks at the ring under the lock under which the scan
        // looks at it. Whichever of the two comes second sees the other.
        if out_of_conns {
            shared.reclaim_for(host);
        }
        Self::serve_ring(shared);
    }

    /// The host needs nothing any more.
    pub(crate) fn withdraw(shared: &Shared<C>, host: &Arc<Host<C>>) {
        let mut books = lock(&shared.budget.books);
        let at = books.ring.iter().position(|other| Arc::ptr_eq(other, host));
        if let Some(at) = at {
            let _host = books.leave_ring(at);
            shared.budget.publish(&books);
        }
    }

    fn enrol(shared: &Shared<C>, books: &mut Books<C>, host: &Arc<Host<C>>) {
        if !books
            .ring
            .iter()
            .any(|enrolled| Arc::ptr_eq(enrolled, host))
        {
            books.ring.push_back(host.clone());
            host.enrolled.store(true, Ordering::SeqCst);
            host.site.enrolled.fetch_add(1, Ordering::SeqCst);
            shared.budget.publish(books);
        }
    }

    /// Gives free permits to the ring, head first; a host whose site is full is passed over and keeps its place.
    fn serve_ring(shared: &Arc<Shared<C>>) {
        loop {
            let (host, served) = {
                let mut books = lock(&shared.budget.books);
                if books.has_room() {
                    let may = |host: &Arc<Host<C>>| books.site_has_room(&host.site);
                    let next = books.ring.iter().position(may);
                    let Some(host) = next.and_then(|at| books.leave_ring(at)) else {
                        return;
                    };
                    books.take(&host.site);
                    shared.budget.publish(&books);
                    (host, true)
                } else if books.conns >= books.limits.conns
                    && let Some(head) = books.ring.front()
                {
                    (head.clone(), false)
                } else {
                    return;
                }
            };
            if !served {
                // It may have enrolled for want of a dial, when there were connections.
                return shared.scan_later(&host);
            }
            match Host::accept(&host, Permits::new(shared, &host)) {
                Ok(wants_more) => {
                    if wants_more {
                        let mut books = lock(&shared.budget.books);
                        Self::enrol(shared, &mut books, &host);
                    }
                }
                Err(permits) => permits.put_back(),
            }
        }
    }

    fn conn_freed(shared: &Arc<Shared<C>>, site: &Site) {
        {
            let mut books = lock(&shared.budget.books);
            books.give_back(site);
            shared.budget.publish(&books);
        }
        Self::serve_ring(shared);
        shared.driver.permit_returned();
    }

    fn dial_freed(shared: &Arc<Shared<C>>) {
        lock(&shared.budget.books).dials -= 1;
        Self::serve_ring(shared);
        shared.driver.permit_returned();
    }
}

/// The right to dial once: one dial and one connection.
pub(crate) struct Permits<C: Send + Sync + 'static> {
    pub(crate) dial: DialPermit<C>,
    pub(crate) conn: ConnPermit<C>,
}

impl<C: Send + Sync + 'static> Permits<C> {
    /// For permits that have been counted already.
    fn new(shared: &Arc<Shared<C>>, host: &Host<C>) -> Self {
        Self {
            dial: DialPermit {
                shared: Some(shared.clone()),
            },
            conn: ConnPermit::new(shared, host),
        }
    }

    /// Returns the permits without serving the ring: the caller does that.
    fn put_back(mut self) {
        if let (Some(shared), Some((_, site))) = (self.dial.shared.take(), self.conn.held.take()) {
            let mut books = lock(&shared.budget.books);
            books.dials -= 1;
            books.give_back(&site);
            shared.budget.publish(&books);
            drop(books);
            shared.driver.permit_returned();
        }
    }
}

/// The right to have one connection open. It rides with the socket and is returned on drop, after the socket closed.
pub struct ConnPermit<C: Send + Sync + 'static> {
    held: Option<(Arc<Shared<C>>, StdArc<Site>)>,
}

impl<C: Send + Sync + 'static> ConnPermit<C> {
    /// For one that has been counted already.
    fn new(shared: &Arc<Shared<C>>, host: &Host<C>) -> Self {
        Self {
            held: Some((shared.clone(), host.site.site())),
        }
    }
}

impl<C: Send + Sync + 'static> Drop for ConnPermit<C> {
    fn drop(&mut self) {
        if let Some((shared, site)) = self.held.take() {
            Budget::conn_freed(&shared, &site);
        }
    }
}

impl<C: Send + Sync + 'static> fmt::Debug for ConnPermit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnPermit")
    }
}

/// The right to have one dial in flight.
pub(crate) struct DialPermit<C: Send + Sync + 'static> {
    shared: Option<Arc<Shared<C>>>,
}

impl<C: Send + Sync + 'static> Drop for DialPermit<C> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            Budget::dial_freed(&shared);
        }
    }
}
