//! The trait that chooses the local address of a connection, and what it is told about the dial.

use std::fmt;
use std::iter;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::refusal::{Check, Layer, Refusal};
use crate::{Exhausted, Lease, SourceListener};

/// Chooses the local address that a connection is opened from.
///
/// An allocator owns every limit that belongs to a source address: a pool does not count connections per source itself.
/// It is shared by all dials of a pool, so its methods may run on many threads at once.
///
/// An implementation can be checked with [`conformance::allocator`](crate::conformance::allocator).
#[doc(alias("IPPool", "LocalIPPool"))]
pub trait LocalAddrAllocator: fmt::Debug + Send + Sync {
    /// Leases a local address for one connection to `cx.target`.
    ///
    /// **Who calls, when, how often.** The pool, once per dial attempt, right before the socket is bound; never for a
    /// request that reuses a connection. A warm-up asks once per cell of its plan, with [`AllocContext::want`] set.
    ///
    /// **Thread.** Any thread of the runtime that dials, with no lock of the pool held.
    ///
    /// **Blocking.** Do not: no lookup, no system call that may wait, no wait for an address to become free. While this
    /// method blocks, so does every task of the calling thread. Return [`Exhausted`] instead.
    ///
    /// **Panics** are contained and fail that one dial. A lock of your own that the panic poisons is yours to mend.
    ///
    /// **Lies.** The address is bound as it is, and nothing else is tried in its place. One that this machine does not
    /// have, or of the other family than `cx.target`, fails the dial. An address other than `cx.want` would mix the
    /// traffic of two identities; the pool compares and refuses it. One of `cx.avoid` ends the dial: it has failed there. A lease that never ends its accounting when dropped
    /// makes the allocator run dry.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] when no address can be leased now. The dial waits for the next lease of this allocator to be
    /// dropped, or for [`Exhausted::retry_at`] if that is earlier; reasons that waiting cannot mend fail it at once (see
    /// [`Exhausted::is_temporary`]). A target whose family has no source is
    /// [`FamilyMismatch`](crate::ExhaustedReason::FamilyMismatch), never a lease of another address.
    #[doc(alias = "GetIP")]
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted>;

    /// The addresses that a warm-up may plan with, distinct, in order of preference, of both families.
    ///
    /// **Who calls, when, how often.** A warm-up, once per plan unless the plan names its sources; never a request. It is
    /// called on any thread without a lock of the pool held, and must not block. A panic is contained and means that the set
    /// is unknown.
    ///
    /// Empty where the set is unknown or unbounded: the plan then has one column, "whatever comes". At most
    /// [`MAX_SOURCES`]; a larger set names its first ones.
    ///
    /// **Lies.** Each address named here is asked for through [`AllocContext::want`]; one that is then refused as not
    /// belonging to the set makes the plan fail in that column for good.
    fn sources(&self) -> Vec<IpAddr>;

    /// Adds one who is to hear of addresses that join or are given up while connections from them are open.
    ///
    /// **Who calls, when, how often.** The pool, once, when it is built, on the thread that builds it; an allocator shared by
    /// several pools hears of each. It must not block, nor keep the listener alive. A panic is contained. An allocator whose addresses never change has
    /// nothing to tell and leaves this as it is. One that changes keeps [`Listeners`](crate::Listeners), and calls them
    /// from whatever thread changes it, with no lock of its own held, from inside `allocate` too. One that wraps others
    /// passes the call on.
    ///
    /// **Lies.** What is not told is not noticed: idle connections from an address that is gone stay until they fail, and
    /// a dial that waits is not woken before its `retry_at`.
    fn listen(&self, listener: Weak<dyn SourceListener>) {
        let _nothing_to_tell = listener;
    }
}

/// The most addresses that [`LocalAddrAllocator::sources`] may name.
///
/// A matrix of this many columns is beyond the ports and files of one process; the bound keeps a `/8` from being
/// enumerated.
pub const MAX_SOURCES: usize = 4096;

/// What an allocator is told about the dial it chooses for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AllocContext<'a> {
    /// The remote address to be dialled. The lease must be of its family; an IPv4-mapped IPv6 address counts as IPv6.
    pub target: SocketAddr,
    /// The host name of the request, without port; empty where none is known.
    pub host: &'a str,
    /// The named set of sources to choose from; `None` for any.
    pub class: Option<&'a str>,
    /// Exactly this address, or an error.
    pub want: Option<IpAddr>,
    /// How many times this dial has been tried before: 0 on the first try.
    pub attempt: u32,
    /// Addresses from which this dial has failed for a reason of their own, such as no free port: another one, or an error.
    ///
    /// An allocator asks [`permits`](Self::permits), which knows them, rather than look here.
    pub avoid: &'a [IpAddr],
    /// The time of the call. It may lie before the `now` of another thread's call.
    pub now: Instant,
    /// What wrappers around the allocator would refuse.
    layer: Option<Layer<'a>>,
}

impl<'a> AllocContext<'a> {
    /// The first try of a dial to `target`, from any source, for no host in particular.
    pub fn new(target: SocketAddr, now: Instant) -> Self {
        Self {
            target,
            host: "",
            class: None,
            want: None,
            attempt: 0,
            avoid: &[],
            now,
            layer: None,
        }
    }

    /// Sets the host name.
    #[must_use]
    pub fn with_host(mut self, host: &'a str) -> Self {
        self.host = host;
        self
    }

    /// Sets the named set; `None` asks for any source.
    #[must_use]
    pub fn with_class(mut self, class: impl Into<Option<&'a str>>) -> Self {
        self.class = class.into();
        self
    }

    /// Asks for exactly this address; `None` leaves the choice to the allocator.
    #[must_use]
    pub fn with_want(mut self, want: impl Into<Option<IpAddr>>) -> Self {
        self.want = want.into();
        self
    }

    /// Sets how many tries came before.
    #[must_use]
    pub fn with_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Sets which addresses have failed this dial.
    #[must_use]
    pub fn with_avoid(mut self, failed: &'a [IpAddr]) -> Self {
        self.avoid = failed;
        self
    }

    /// Whether this dial may still use `addr`, and the wrappers around this allocator, such as [`Caps`](crate::Caps), would let it through now.
    ///
    /// An allocator that chooses among several addresses passes over those for which this is false. One that does not ask is
    /// asked for another address until the wrappers agree, a limited number of times.
    ///
    /// It takes short locks of the wrappers, and calls nobody else.
    pub fn permits(&self, addr: IpAddr) -> bool {
        self.refusal(Some(addr)).is_none()
    }

    /// What the dial and the wrappers around this allocator have against a source.
    pub(crate) fn refusal(&self, source: Option<IpAddr>) -> Option<Refusal> {
        if source.is_some_and(|source| self.avoid.contains(&source)) {
            return Some(Refusal::Avoided);
        }
        let layers = iter::successors(self.layer, |layer| layer.outer.layer);
        let refusals = layers.filter_map(|Layer { check, outer }| check.look(source, outer).err());
        refusals.max()
    }

    /// The context for an allocator inside a wrapper that refuses what `check` refuses.
    pub(crate) fn inside<'b>(&'b self, check: &'b dyn Check) -> AllocContext<'b> {
        AllocContext {
            layer: Some(Layer { check, outer: self }),
            ..*self
        }
    }

    /// Refuses an address that is not of the target's family.
    pub(crate) fn check_family(&self, addr: IpAddr) -> Result<(), Exhausted> {
        if addr.is_ipv4() == self.target.is_ipv4() {
            Ok(())
        } else {
            Err(Exhausted::family_mismatch(self.target))
        }
    }
}

/// Several owners of one allocator, such as a pool and who reads its counters.
impl<A: LocalAddrAllocator + ?Sized> LocalAddrAllocator for Arc<A> {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        (**self).allocate(cx)
    }

    fn sources(&self) -> Vec<IpAddr> {
        (**self).sources()
    }

    fn listen(&self, listener: Weak<dyn SourceListener>) {
        (**self).listen(listener);
    }
}

impl<A: LocalAddrAllocator + ?Sized> LocalAddrAllocator for Box<A> {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        (**self).allocate(cx)
    }

    fn sources(&self) -> Vec<IpAddr> {
        (**self).sources()
    }

    fn listen(&self, listener: Weak<dyn SourceListener>) {
        (**self).listen(listener);
    }
}

fn _assert_dyn_compatible(_: &dyn LocalAddrAllocator) {}
