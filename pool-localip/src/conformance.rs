//! Checks that any [`LocalAddrAllocator`] keeps the promises that a pool relies on.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::{
    AllocContext, Exhausted, ExhaustedReason, Lease, LocalAddrAllocator, MAX_SOURCES, Outcome,
    Retired, SourceListener,
};

/// Checks an allocator that nobody else uses meanwhile, and drops every lease it took.
///
/// Nothing is bound and nobody is dialled; `target` is what the leases are asked for, so call it once per family that
/// the allocator has. Time is made up: the checks move `now` a day ahead between rounds, so that what rests has rested.
/// An allocator may refuse everything for `target`'s family; then only its refusals are checked.
///
/// # Panics
///
/// With a message that names the broken promise and the context it was broken in:
///
/// - a lease is of another family than the target, or of the unspecified address;
/// - a lease is not of exactly the address that was wanted;
/// - a lease is of an address that has failed the dial, [`AllocContext::avoid`];
/// - [`sources`](LocalAddrAllocator::sources) repeats an address, names more than [`MAX_SOURCES`] or one that is refused
///   when it is wanted;
/// - dropping leases, on this thread or others, does not give back all they took, or gives back more;
/// - a refusal while leases are held does not say that waiting helps, or its `retry_at` is not in the future;
/// - a listener is kept alive, or changes what is leased;
/// - a method panics, for extreme contexts too.
pub fn allocator(a: &dyn LocalAddrAllocator, target: SocketAddr) {
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant cannot be made from nothing; the checks only shift this one"
    )]
    let now = Instant::now();
    let mut check = Check { a, target, now };
    let capacity = check.capacity();
    check.sources();
    check.wants();
    check.extremes();
    check.avoids();
    let after = check.fill().len();
    check.expect_capacity(after, capacity, "after wanted leases and odd contexts");
    check.listens();
    let after = check.fill().len();
    check.expect_capacity(after, capacity, "after others began to listen");
    // Last, because an allocator may rightly remember a time far ahead.
    check.far_times();
}

struct Check<'a> {
    a: &'a dyn LocalAddrAllocator,
    target: SocketAddr,
    now: Instant,
}

impl Check<'_> {
    /// Contexts that are legal and that nobody thought of.
    fn extremes(&self) {
        let long = "h".repeat(64 * 1024);
        let other = other_family(self.target);
        let plain = self.cx();
        let mut contexts = vec![
            plain,
            plain.with_host(&long),
            plain.with_host("\u{0}\u{1F980}"),
            plain.with_class("no such class"),
            plain.with_class(""),
            plain.with_class(long.as_str()),
            plain.with_attempt(u32::MAX),
        ];
        for target in [self.target, other] {
            for ip in [target.ip(), unspecified(target), highest(target)] {
                for port in [0, 443, u16::MAX] {
                    let cx = AllocContext::new(SocketAddr::new(ip, port), self.now);
                    contexts.push(cx);
                    contexts.extend(FOREIGN.map(|want| cx.with_want(want)));
                }
            }
        }
        for cx in contexts {
            drop(self.ask(&cx));
        }
    }

    /// Forwards and back again: threads read the clock in any order.
    fn far_times(&self) {
        let far = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        let (later, earlier) = (self.now.checked_add(far), self.now.checked_sub(far));
        for now in [later, earlier, Some(self.now)].into_iter().flatten() {
            let mut cx = self.cx();
            cx.now = now;
            drop(self.ask(&cx));
        }
    }

    fn sources(&self) {
        let sources = self.listed();
        assert!(
            sources.len() <= MAX_SOURCES,
            "sources() of {:?} names {} addresses; at most {MAX_SOURCES} are allowed",
            self.a,
            sources.len()
        );
        let mut seen = HashSet::new();
        for addr in sources {
            assert!(
                seen.insert(addr),
                "sources() of {:?} names {addr} twice",
                self.a
            );
        }
    }

    fn wants(&self) {
        for source in self.listed() {
            let cx = self.cx().with_want(source);
            if source.is_ipv4() != self.target.is_ipv4() {
                drop(self.ask(&cx));
                continue;
            }
            for round in 0..WANT_ROUNDS {
                if let Err(refusal) = self.ask(&cx) {
                    panic!(
                        "sources() of {:?} names {source}, but wanting it for {} is refused ({refusal}) after {round} \
                         leases of it were dropped",
                        self.a, self.target
                    );
                }
            }
        }
    }

    /// A dial that fails from one address after the other.
    fn avoids(&self) {
        let mut failed = Vec::new();
        while failed.len() < FAILED {
            let answer = self.ask(&self.cx().with_avoid(&failed));
            let Some(addr) = answer.ok().and_then(|lease| lease.addr()) else {
                return;
            };
            failed.push(addr);
        }
    }

    /// A pool that lives, one that is gone already, and one that goes.
    fn listens(&self) {
        let listen = |listener: Weak<dyn SourceListener>| {
            catch_unwind(AssertUnwindSafe(|| self.a.listen(listener)))
                .unwrap_or_else(|_| panic!("listen() of {:?} panicked", self.a));
        };
        let (stays, goes) = (Arc::new(Deaf), Arc::new(Deaf));
        listen(Weak::<Deaf>::new());
        for listener in [&stays, &goes] {
            let weak = Arc::downgrade(listener);
            listen(weak);
        }
        drop(self.ask(&self.cx()));
        assert_eq!(
            Arc::strong_count(&stays),
            1,
            "{:?} keeps its listener alive: a pool would never end",
            self.a
        );
        drop(goes);
        drop(self.ask(&self.cx()));
    }

    /// What is taken comes back, no more and no less.
    fn capacity(&mut self) -> usize {
        let mut leases = self.fill();
        let capacity = leases.len();
        if capacity == 0 {
            return 0;
        }
        if capacity < HOLD {
            drop(leases.swap_remove(capacity / 2));
            self.a_day_later();
            match self.ask(&self.cx()) {
                Ok(lease) => leases.push(lease),
                Err(refusal) => panic!(
                    "{:?} was full with {capacity} leases; one was dropped and the next is refused ({refusal})",
                    self.a
                ),
            }
        }
        // A transport may be dropped on any thread.
        thread::scope(|scope| {
            scope.spawn(move || drop(leases));
        });
        let again = self.fill();
        self.expect_capacity(again.len(), capacity, "after all leases were dropped");

        for (i, lease) in again.iter().enumerate() {
            lease.report(OUTCOMES[i % OUTCOMES.len()]);
        }
        drop(again);
        // Reports come without a time: what rests because of them may begin to with this ask.
        drop(self.ask(&self.cx()));
        self.a_day_later();
        let again = self.fill();
        self.expect_capacity(
            again.len(),
            capacity,
            "after leases with reports and a day of rest",
        );
        drop(again);

        self.a_day_later();
        for round in 0..CHURN {
            if let Err(refusal) = self.ask(&self.cx()) {
                panic!(
                    "{:?} refuses a lease ({refusal}) after {round} were taken and dropped one after another",
                    self.a
                );
            }
        }
        let this = &*self;
        thread::scope(|scope| {
            let churn = || (0..CHURN / 16).for_each(|_| drop(this.ask(&this.cx())));
            let threads = [(); 4].map(|()| scope.spawn(churn));
            for thread in threads {
                // The message of the first thread that found something.
                thread.join().unwrap_or_else(|found| resume_unwind(found));
            }
        });
        let again = self.fill();
        self.expect_capacity(again.len(), capacity, "after four threads used it at once");
        capacity
    }

    /// Leases until one is refused or [`HOLD`] are held.
    fn fill(&mut self) -> Vec<Lease> {
        self.a_day_later();
        let mut leases = Vec::new();
        while leases.len() < HOLD {
            match self.ask(&self.cx()) {
                Ok(lease) => leases.push(lease),
                Err(refusal) => {
                    assert!(
                        leases.is_empty() || refusal.is_temporary(),
                        "{:?} refuses with {:?} while {} leases are held: waiting for one to be dropped would help, so it \
                         must say AllBusy or a retry_at",
                        self.a,
                        refusal.reason,
                        leases.len()
                    );
                    break;
                }
            }
        }
        leases
    }

    fn expect_capacity(&self, now: usize, before: usize, when: &str) {
        assert_eq!(
            now, before,
            "{:?} gives {now} leases {when}, but gave {before} at first: a release must give back exactly what its lease took",
            self.a
        );
    }

    /// One allocation, with everything checked that holds for any.
    fn ask(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        let answer = catch_unwind(AssertUnwindSafe(|| self.a.allocate(cx)))
            .unwrap_or_else(|_| self.broken(cx, "panicked"));
        match &answer {
            Ok(lease) => self.check_lease(cx, lease),
            Err(refusal) => self.check_refusal(cx, refusal),
        }
        answer
    }

    fn check_lease(&self, cx: &AllocContext<'_>, lease: &Lease) {
        let addr = lease.addr();
        if cx.want.is_some() && addr != cx.want {
            self.broken(cx, &format!("replaced the wanted address by {addr:?}"));
        }
        let Some(addr) = addr else { return };
        if cx.want.is_none() && cx.avoid.contains(&addr) {
            self.broken(cx, &format!("leased {addr}, which has failed this dial,"));
        }
        if addr.is_ipv4() != cx.target.is_ipv4() {
            self.broken(cx, &format!("leased {addr}, not of the target's family,"));
        }
        if addr.is_unspecified() {
            self.broken(cx, "leased the unspecified address instead of none");
        }
    }

    fn check_refusal(&self, cx: &AllocContext<'_>, refusal: &Exhausted) {
        if refusal.retry_at.is_some_and(|at| at <= cx.now) {
            self.broken(
                cx,
                "gave a retry_at that is not after now, so that the dial would spin,",
            );
        }
        if let ExhaustedReason::NotAllocated(addr) = refusal.reason
            && cx.want != Some(addr)
        {
            self.broken(cx, &format!("refused {addr}, which was not wanted,"));
        }
    }

    fn broken(&self, cx: &AllocContext<'_>, how: &str) -> ! {
        let cut = |text: &str| text.chars().take(32).collect::<String>();
        panic!(
            "{:?} {how} on target {}, host {:?}, class {:?}, want {:?}, attempt {}",
            self.a,
            cx.target,
            cut(cx.host),
            cx.class.map(cut),
            cx.want,
            cx.attempt
        )
    }

    fn listed(&self) -> Vec<IpAddr> {
        catch_unwind(AssertUnwindSafe(|| self.a.sources()))
            .unwrap_or_else(|_| panic!("sources() of {:?} panicked", self.a))
    }

    fn cx(&self) -> AllocContext<'static> {
        AllocContext::new(self.target, self.now).with_host("conformance.example")
    }

    fn a_day_later(&mut self) {
        let day = Duration::from_secs(24 * 60 * 60);
        self.now = self.now.checked_add(day).expect("the clock has days left");
    }
}

/// A pool that does nothing about what it hears.
#[derive(Debug)]
struct Deaf;

impl SourceListener for Deaf {
    fn available(&self) {}

    fn retired(&self, _: &[IpAddr], _: Retired) {}
}

fn other_family(target: SocketAddr) -> SocketAddr {
    let ip: IpAddr = if target.is_ipv4() {
        Ipv6Addr::LOCALHOST.into()
    } else {
        Ipv4Addr::LOCALHOST.into()
    };
    SocketAddr::new(ip, target.port())
}

fn unspecified(target: SocketAddr) -> IpAddr {
    if target.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    }
}

fn highest(target: SocketAddr) -> IpAddr {
    if target.is_ipv4() {
        Ipv4Addr::BROADCAST.into()
    } else {
        Ipv6Addr::from_bits(u128::MAX).into()
    }
}

/// Addresses that an allocator hardly has: for documentation (RFC 5737, RFC 3849), unspecified, and the highest ones.
const FOREIGN: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 250)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xfffe)),
    IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    IpAddr::V4(Ipv4Addr::BROADCAST),
    IpAddr::V6(Ipv6Addr::new(
        0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
    )),
];

const OUTCOMES: [Outcome; 4] = [
    Outcome::Connected,
    Outcome::AddrInUse,
    Outcome::Unbindable,
    Outcome::TargetFailed,
];

/// The most leases held at once: enough to fill what has limits, little enough for what has none.
const HOLD: usize = 4096;

/// Leases taken and dropped one by one, so that one leaked each time is missed.
const CHURN: usize = 16 * 1024;

/// Addresses that one dial fails from.
const FAILED: usize = 16;

/// Leases of one wanted address, one after another.
const WANT_ROUNDS: usize = 3;
