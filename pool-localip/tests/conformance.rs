//! The conformance checks pass what is sound and name what each kind of liar does wrong.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicIsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};

use pool_localip::{
    AddrList, AddrSet, AllocContext, Exhausted, ExhaustedReason, Lease, LocalAddrAllocator,
    MAX_SOURCES, OsAssigned, Prefix, SourceListener, conformance,
};

fn v4_target() -> SocketAddr {
    "192.0.2.1:443".parse().expect("an address")
}

fn v6_target() -> SocketAddr {
    "[2001:db8::1]:443".parse().expect("an address")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn every_built_in_conforms_for_both_families() {
    let set: AddrSet = "127.0.2.0/27,127.0.3.1,::1".parse().unwrap();
    let list: AddrList = "127.0.2.1,127.0.2.2,::1".parse().unwrap();
    let prefix: Prefix = "127.0.2.9/29".parse().unwrap();
    let wide: Prefix = "0.0.0.0/0".parse().unwrap();
    let built_ins: [Box<dyn LocalAddrAllocator>; 5] = [
        Box::new(OsAssigned),
        Box::new(set),
        Box::new(list.max_per_addr(3)),
        Box::new(prefix.max_per_addr(2)),
        Box::new(wide),
    ];
    for built_in in built_ins {
        conformance::allocator(&*built_in, v4_target());
        conformance::allocator(&*built_in, v6_target());
    }
}

/// An allocator made of a closure and a list.
struct Liar<F> {
    allocate: F,
    sources: Vec<IpAddr>,
}

impl<F> fmt::Debug for Liar<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Liar")
    }
}

impl<F> LocalAddrAllocator for Liar<F>
where
    F: Fn(&AllocContext<'_>) -> Result<Lease, Exhausted> + Send + Sync,
{
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        (self.allocate)(cx)
    }

    fn sources(&self) -> Vec<IpAddr> {
        self.sources.clone()
    }
}

/// Asserts that the checks refuse this allocator for the reason that contains `expected`.
fn caught(
    expected: &str,
    sources: Vec<IpAddr>,
    allocate: impl Fn(&AllocContext<'_>) -> Result<Lease, Exhausted> + Send + Sync,
) {
    let liar = Liar { allocate, sources };
    let check = || conformance::allocator(&liar, v4_target());
    let panic = catch_unwind(AssertUnwindSafe(check)).expect_err("the liar passed");
    let message = panic.downcast_ref::<String>().expect("a message");
    assert!(message.contains(expected), "{message}");
}

/// Up to three leases; `after(drop)` says how many each drop gives back.
fn three_at_a_time(
    gives_back: isize,
    when_full: ExhaustedReason,
) -> impl Fn(&AllocContext<'_>) -> Result<Lease, Exhausted> {
    let held = Arc::new(AtomicIsize::new(0));
    move |cx| {
        if cx.want.is_some() || cx.target.is_ipv6() {
            return Err(Exhausted::family_mismatch(cx.target));
        }
        if !cx.avoid.is_empty() {
            return Err(Exhausted::new(ExhaustedReason::Excluded));
        }
        if held.load(SeqCst) >= 3 {
            return Err(Exhausted::new(when_full.clone()));
        }
        held.fetch_add(1, SeqCst);
        let held = Arc::clone(&held);
        Ok(Lease::new(ip("127.0.2.1"), move |_| {
            held.fetch_sub(gives_back, SeqCst);
        }))
    }
}

#[test]
fn an_honest_closure_passes() {
    let honest = Liar {
        allocate: three_at_a_time(1, ExhaustedReason::AllBusy),
        sources: vec![],
    };
    conformance::allocator(&honest, v4_target());
}

#[test]
fn a_lease_of_the_wrong_family_is_caught() {
    caught("not of the target's family", vec![], |cx| match cx.want {
        Some(want) => Err(Exhausted::new(ExhaustedReason::NotAllocated(want))),
        None => Ok(Lease::new(ip("127.0.2.1"), |_| {})),
    });
}

#[test]
fn replacing_the_wanted_address_is_caught() {
    caught("replaced the wanted address", vec![], |_| {
        Ok(Lease::os_assigned())
    });
}

#[test]
fn leasing_the_unspecified_address_is_caught() {
    caught("leased the unspecified address", vec![], |cx| {
        let any = if cx.target.is_ipv4() {
            ip("0.0.0.0")
        } else {
            ip("::")
        };
        Ok(Lease::new(cx.want.unwrap_or(any), |_| {}))
    });
}

#[test]
fn sources_that_are_refused_when_wanted_are_caught() {
    caught("but wanting it", vec![ip("127.0.2.1")], |cx| {
        match cx.want {
            Some(want) => Err(Exhausted::new(ExhaustedReason::NotAllocated(want))),
            None => Ok(Lease::os_assigned()),
        }
    });
}

#[test]
fn sources_named_twice_or_beyond_the_bound_are_caught() {
    let honest = |cx: &AllocContext<'_>| OsAssigned.allocate(cx);
    caught("twice", vec![ip("127.0.2.1"); 2], honest);
    caught("at most", vec![ip("127.0.2.1"); MAX_SOURCES + 1], honest);
}

#[test]
fn a_release_that_gives_nothing_back_is_caught() {
    caught("refuses a lease", vec![], {
        // Leaks slowly enough to outlive every round but the long one.
        let left = AtomicIsize::new(15_000);
        move |cx| match cx.want {
            None if left.fetch_sub(1, SeqCst) <= 0 => Err(Exhausted::all_busy()),
            _ => OsAssigned.allocate(cx),
        }
    });
    caught(
        "one was dropped and the next is refused",
        vec![],
        three_at_a_time(0, ExhaustedReason::AllBusy),
    );
}

#[test]
fn a_wanted_lease_that_gives_nothing_back_is_caught() {
    let set: AddrSet = "127.0.2.1,127.0.2.2".parse().unwrap();
    let set = set.max_per_addr(2);
    let leaked = Mutex::new(Vec::new());
    caught("but wanting it", set.sources(), move |cx| {
        let lease = set.allocate(cx)?;
        if cx.want.is_none() {
            return Ok(lease);
        }
        let addr = lease.addr();
        leaked.lock().unwrap().push(lease);
        Ok(Lease::new(addr, |_| {}))
    });
}

#[test]
fn a_leak_on_odd_contexts_only_is_caught() {
    let list: AddrList = "127.0.2.1,127.0.2.2".parse().unwrap();
    let list = list.max_per_addr(2);
    let leaked = Mutex::new(Vec::new());
    caught("after wanted leases and odd contexts", vec![], move |cx| {
        let lease = list.allocate(cx)?;
        if cx.attempt == 0 {
            return Ok(lease);
        }
        let addr = lease.addr();
        leaked.lock().unwrap().push(lease);
        Ok(Lease::new(addr, |_| {}))
    });
}

#[test]
fn a_release_that_gives_back_twice_is_caught() {
    caught(
        "exactly what its lease took",
        vec![],
        three_at_a_time(2, ExhaustedReason::AllBusy),
    );
}

#[test]
fn a_panic_on_an_extreme_context_is_caught() {
    caught("panicked", vec![], |cx| {
        assert!(cx.attempt.checked_add(1).is_some(), "expected by this test");
        OsAssigned.allocate(cx)
    });
    caught("panicked", vec![], |cx| {
        assert!(cx.host.len() < 256, "expected by this test");
        OsAssigned.allocate(cx)
    });
}

#[test]
fn a_final_refusal_while_leases_are_held_is_caught() {
    caught(
        "would help",
        vec![],
        three_at_a_time(1, ExhaustedReason::Empty),
    );
}

#[test]
fn a_retry_time_that_is_not_in_the_future_is_caught() {
    caught("would spin", vec![], |cx| {
        Err(Exhausted::all_busy().with_retry_at(cx.now))
    });
}

#[test]
fn an_address_that_has_failed_the_dial_is_caught() {
    let forgets = three_at_a_time(1, ExhaustedReason::AllBusy);
    caught(
        "leased 127.0.2.1, which has failed this dial",
        vec![],
        move |cx| forgets(&cx.with_avoid(&[])),
    );
}

#[test]
fn a_listener_that_is_kept_alive_is_caught() {
    #[derive(Debug, Default)]
    struct Clings(Mutex<Vec<Arc<dyn SourceListener>>>);

    impl LocalAddrAllocator for Clings {
        fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
            OsAssigned.allocate(cx)
        }

        fn sources(&self) -> Vec<IpAddr> {
            vec![]
        }

        fn listen(&self, listener: Weak<dyn SourceListener>) {
            self.0
                .lock()
                .expect("nothing panics")
                .extend(listener.upgrade());
        }
    }
    let check = || conformance::allocator(&Clings::default(), v4_target());
    let panic = catch_unwind(AssertUnwindSafe(check)).expect_err("the liar passed");
    let message = panic.downcast_ref::<String>().expect("a message");
    assert!(message.contains("keeps its listener alive"), "{message}");
}
