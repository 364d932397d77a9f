//! One dial in flight: the obligation to say how it ended.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::budget::{ConnPermit, DialPermit, Permits};
use super::host::{Granted, Host};
use super::lease::Lease;
use super::reason::CloseReason;
use super::state::{Arrival, Claim, ConnRef, DialFailure, DialRef};
use super::sync::{Arc, now};
use super::{Closing, Entry, HostHandle};
use crate::error::{Error, ErrorKind};
use crate::info::ConnId;

/// A dial that the manager wants and whose capacity is reserved.
///
/// Whoever holds it says how the dial ended. Dropped unsaid, the dial counts as lost with its runtime: those who wait
/// for it are told so. One from [`HostHandle::dial`], which nobody waits for, counts as abandoned.
pub struct Ticket<C: Send + Sync + 'static> {
    host: Arc<Host<C>>,
    dial: Option<DialRef>,
    id: ConnId,
    target: SocketAddr,
    source: Option<IpAddr>,
    /// What it means that it is dropped unsaid.
    unsaid: DialFailure,
    /// Whether it is for throughput alone.
    spreads: bool,
    conn_permit: Option<ConnPermit<C>>,
    /// Returned last: until the host has heard of the end, the dial is in flight.
    _dial_permit: DialPermit<C>,
}

/// A connection that the manager has taken in.
#[derive(Debug)]
pub struct Registered<C: Send + Sync + 'static> {
    pub(crate) entry: Arc<Entry<C>>,
    pub(crate) conn: ConnRef,
    pub(crate) host: HostHandle<C>,
}

impl<C: Send + Sync + 'static> Ticket<C> {
    pub(crate) fn new(
        host: Arc<Host<C>>,
        dial: DialRef,
        target: SocketAddr,
        source: Option<IpAddr>,
        permits: Permits<C>,
    ) -> Self {
        let id = host.shared.next_id();
        Self {
            host,
            dial: Some(dial),
            id,
            target,
            source,
            unsaid: DialFailure::RuntimeGone,
            spreads: false,
            conn_permit: Some(permits.conn),
            _dial_permit: permits.dial,
        }
    }

    /// For a dial that nobody waits for: given up with the task that wanted it, it says nothing about the runtime.
    pub(crate) fn unattended(mut self) -> Self {
        self.unsaid = DialFailure::Abandoned;
        self
    }

    /// For a dial that nobody waits for and that is not worth waiting either.
    pub(crate) fn spreading(mut self) -> Self {
        self.spreads = true;
        self
    }

    /// Whether the dial is to spread a load that open connections carry already: it takes what is there, and is
    /// [abandoned](Self::abandon) rather than wait for a local address.
    pub(crate) fn spreads(&self) -> bool {
        self.spreads
    }

    /// The host to dial for.
    pub fn host(&self) -> HostHandle<C> {
        HostHandle(self.host.clone())
    }

    /// The id the connection will have.
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// The remote address to dial.
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    /// The local address it must come from, if it must be a certain one.
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// Takes the permit that the socket must carry until it has closed. `None` the second time.
    pub fn take_permit(&mut self) -> Option<ConnPermit<C>> {
        self.conn_permit.take()
    }

    /// The remote address has taken the connection, and what is left to do is between the two of them. Until then, others may
    /// be dialled beside it once [`attempt_delay`](crate::config::Dial::attempt_delay) is over.
    pub fn connected(&self) {
        let Some(dial) = self.dial else { return };
        Host::step(&self.host, |core| {
            let (state, actions) = core.actions();
            state.connected(dial, now(), actions);
        });
    }

    /// The dial succeeded: `value` joins the pool and serves `limit` leases at a time, if `multiplexed`, else one.
    ///
    /// `None`: the host does not want it any more; `value` has been closed.
    pub fn succeed(self, value: C, limit: usize, multiplexed: bool) -> Option<Registered<C>> {
        let new = self.arrival(Some(limit), multiplexed, false);
        self.register(value, new).map(|(registered, _)| registered)
    }

    /// As [`succeed`](Self::succeed), for a multiplexed connection whose peer has not said its limit yet: it serves one
    /// lease, and counts as expected capacity, until [`Registered::set_stream_limit`] is called.
    pub fn succeed_untold(self, value: C) -> Option<Registered<C>> {
        let new = self.arrival(None, true, false);
        self.register(value, new).map(|(registered, _)| registered)
    }

    /// As [`succeed`](Self::succeed), but nobody else gets the connection until the lease has ended well.
    pub fn succeed_claimed(
        self,
        value: C,
        limit: usize,
        multiplexed: bool,
    ) -> Option<(Registered<C>, Lease<C>)> {
        let new = self.arrival(Some(limit), multiplexed, true);
        let (registered, claim) = self.register(value, new)?;
        let granted = Granted {
            claim,
            entry: registered.entry.clone(),
        };
        let lease = Lease::new(granted);
        Some((registered, lease))
    }

    fn arrival(&self, limit: Option<usize>, multiplexed: bool, checked: bool) -> Arrival {
        Arrival {
            id: self.id,
            limit,
            multiplexed,
            checked,
        }
    }

    fn register(mut self, value: C, new: Arrival) -> Option<(Registered<C>, Claim)> {
        let dial = self.dial.take()?;
        let at = now();
        let permit = self.conn_permit.take();
        let entry = Arc::new(Entry::new(
            self.host.clone(),
            self.id,
            self.target,
            at,
            value,
            permit,
        ));
        let conn = Host::step(&self.host, |core| {
            let (state, actions) = core.actions();
            let conn = state.dialled(dial, new, at, actions)?;
            core.put_entry(conn.slot, entry.clone());
            Some(conn)
        });
        let Some(conn) = conn else {
            let _: Closing = self.host.shared.driver.close(&entry, CloseReason::Surplus);
            return None;
        };
        let host = HostHandle(self.host.clone());
        let claim = Claim {
            conn,
            uses: 0,
            in_flight: 0,
            last_used: at,
            errors: 0,
            consecutive_errors: 0,
            multiplexed: new.multiplexed,
            since: at,
            idle_limit: None,
        };
        Some((Registered { entry, conn, host }, claim))
    }

    /// The dial failed at the remote address: the host backs off from it and tries another.
    pub fn fail(self, error: Error) {
        self.end(DialFailure::Endpoint, Some(error));
    }

    /// The address must not be connected to: the host loses it, and who waits tries another, or what the next lookup brings.
    pub(crate) fn deny(self, error: Error) {
        self.end(DialFailure::Denied, Some(error));
    }

    /// The dial failed on this machine: trying another remote address would not help.
    pub fn fail_locally(self, error: Error) {
        self.end(DialFailure::Local, Some(error));
    }

    /// The dial is not needed any more.
    pub fn abandon(self) {
        self.end(DialFailure::Abandoned, None);
    }

    fn end(mut self, failure: DialFailure, error: Option<Error>) {
        self.tell(failure, error);
    }

    fn tell(&mut self, failure: DialFailure, error: Option<Error>) {
        // Back in the books before the host plans its next dial.
        let Some(dial) = self.dial.take() else { return };
        drop(self.conn_permit.take());
        // The last error is somebody else's code too: it goes after the lock.
        let _last = Host::step(&self.host, |core| {
            let last = error.and_then(|error| core.failure.replace(error));
            let (state, actions) = core.actions();
            state.dial_failed(dial, failure, now(), actions);
            last
        });
    }
}

impl<C: Send + Sync + 'static> Drop for Ticket<C> {
    fn drop(&mut self) {
        if self.dial.is_some() {
            let gone = self.unsaid == DialFailure::RuntimeGone;
            let error = gone.then(|| Error::new(ErrorKind::RuntimeGone));
            let error = error.map(|error| error.with_host(self.host.key.to_string()));
            self.tell(self.unsaid, error);
        }
    }
}

impl<C: Send + Sync + 'static> fmt::Debug for Ticket<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("key", &self.host.key)
            .field("target", &self.target)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
