//! What allocators tell those who listen.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pool_localip::{
    AddrList, AllocContext, Caps, Cooldown, Exclude, LocalAddrAllocator, PortBudget, Retired,
    SourceListener, SourceSpec, Weighted, WorkingSet,
};

/// Remembers what it was told.
#[derive(Debug, Default)]
struct Ears {
    heard: Mutex<Vec<Heard>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Available,
    Retired(Vec<IpAddr>, Retired),
}

impl Ears {
    fn on(allocator: &dyn LocalAddrAllocator) -> Arc<Self> {
        let ears: Arc<Self> = Arc::default();
        let listener: Arc<dyn SourceListener> = ears.clone();
        allocator.listen(Arc::downgrade(&listener));
        ears
    }

    fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, what: Heard) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(what);
    }
}

impl SourceListener for Ears {
    fn available(&self) {
        self.note(Heard::Available);
    }

    fn retired(&self, addrs: &[IpAddr], why: Retired) {
        self.note(Heard::Retired(addrs.to_vec(), why));
    }
}

fn list() -> AddrList {
    "127.0.2.1,127.0.2.2,127.0.2.3".parse().expect("a list")
}

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made from nothing, and its value does not matter here"
)]
fn cx() -> AllocContext<'static> {
    AllocContext::new(([127, 0, 1, 1], 80).into(), Instant::now())
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn a_working_set_that_shrinks_tells_which_members_drain_and_one_that_grows_that_there_is_more() {
    let set = WorkingSet::new(list(), 3);
    let ears = Ears::on(&set);
    let leases: Vec<_> = (0..4).map(|_| set.allocate(&cx()).unwrap()).collect();
    set.handle().resize(1);
    let unwanted = vec![ip("127.0.2.3"), ip("127.0.2.2")];
    let retired = Heard::Retired(unwanted, Retired::Unwanted);
    assert_eq!(ears.heard(), [retired, Heard::Available]);
    set.handle().resize(2);
    assert_eq!(ears.heard(), [Heard::Available]);
    drop(leases);
}

#[test]
fn a_member_that_is_excluded_outside_is_retired_when_another_takes_its_place() {
    let set = WorkingSet::new(list(), 1);
    let exclude = Exclude::new(set, [] as [SourceSpec; 0]);
    let ears = Ears::on(&exclude);
    let held = exclude.allocate(&cx()).unwrap();
    let member = held.addr().unwrap();
    exclude.set([member]);
    assert_eq!(ears.heard(), [Heard::Available]);
    // The first ask finds out, the next one has room.
    assert!(exclude.allocate(&cx()).unwrap_err().is_temporary());
    let retired = Heard::Retired(vec![member], Retired::Unwanted);
    assert_eq!(ears.heard(), [retired]);
    assert_ne!(exclude.allocate(&cx()).unwrap().addr(), Some(member));
}

#[test]
fn every_wrapper_passes_listeners_on() {
    let set = WorkingSet::new(list(), 2);
    let handle = set.handle();
    let wrapped = Weighted::new().with(1, Caps::new(PortBudget::new(Cooldown::new(set), 9)));
    let ears = Ears::on(&Box::new(Arc::new(wrapped)));
    handle.resize(3);
    assert_eq!(ears.heard(), [Heard::Available]);
}

#[derive(Debug)]
struct Deaf;

impl SourceListener for Deaf {
    fn available(&self) {
        panic!("expected by this test");
    }

    fn retired(&self, _: &[IpAddr], _: Retired) {
        panic!("expected by this test");
    }
}

#[test]
fn a_listener_that_panics_keeps_nobody_from_hearing() {
    let set = WorkingSet::new(list(), 2);
    let deaf: Arc<dyn SourceListener> = Arc::new(Deaf);
    set.listen(Arc::downgrade(&deaf));
    let ears = Ears::on(&set);
    set.handle().resize(3);
    assert_eq!(ears.heard(), [Heard::Available]);
}
