//! The allocator of interfaces: what joins, leaves and comes back, without a kernel; and what the kernel says.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pool_localip::interfaces::{Filter, InterfaceAddr, Interfaces, Network};
use pool_localip::{
    AllocContext, ExhaustedReason, Lease, LocalAddrAllocator, Retired, SourceListener, Strategy,
    WorkingSet, conformance,
};

#[derive(Debug, Default)]
struct Ears(Mutex<Vec<String>>);

impl Ears {
    fn on(allocator: &dyn LocalAddrAllocator) -> Arc<Self> {
        let ears: Arc<Self> = Arc::default();
        let listener: Arc<dyn SourceListener> = ears.clone();
        allocator.listen(Arc::downgrade(&listener));
        ears
    }

    fn note(&self, what: String) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(what);
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SourceListener for Ears {
    fn available(&self) {
        self.note("available".into());
    }

    fn retired(&self, addrs: &[IpAddr], why: Retired) {
        self.note(format!("{why:?} {addrs:?}"));
    }
}

fn network(addrs: &[&str]) -> Network {
    let mut network = Network::default();
    network.addrs = addrs
        .iter()
        .map(|addr| InterfaceAddr::new(ip(addr), 24, "eth0"))
        .collect();
    network
}

fn interfaces(addrs: &[&str]) -> Interfaces {
    let interfaces = Interfaces::new(Filter::default());
    interfaces.update(&network(addrs));
    interfaces
}

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made from nothing, and its value does not matter here"
)]
fn cx() -> AllocContext<'static> {
    AllocContext::new(([198, 51, 100, 1], 80).into(), Instant::now())
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn lease(allocator: &dyn LocalAddrAllocator) -> Lease {
    allocator.allocate(&cx()).expect("a lease")
}

fn taken(allocator: &dyn LocalAddrAllocator) -> String {
    lease(allocator).addr().expect("an address").to_string()
}

#[test]
fn it_keeps_what_the_trait_promises() {
    let both = ["192.0.2.1", "192.0.2.2", "2001:db8::1"];
    let target = |text: &str| text.parse().expect("a target");
    conformance::allocator(&interfaces(&both), target("198.51.100.1:443"));
    conformance::allocator(&interfaces(&both), target("[2001:db8:1::1]:443"));
    let limited = Interfaces::new(Filter::default())
        .strategy(Strategy::LeastUsed)
        .max_per_addr(2);
    limited.update(&network(&both));
    conformance::allocator(&limited, target("198.51.100.1:443"));
}

#[test]
fn an_address_that_is_gone_is_not_leased_again_and_its_connections_are_given_up() {
    let interfaces = interfaces(&["192.0.2.1", "192.0.2.2"]);
    let ears = Ears::on(&interfaces);
    let held = interfaces
        .allocate(&cx().with_want(ip("192.0.2.2")))
        .expect("there");
    interfaces.update(&network(&["192.0.2.1"]));
    assert_eq!(ears.heard(), ["Gone [192.0.2.2]"]);
    for _ in 0..3 {
        assert_eq!(taken(&interfaces), "192.0.2.1");
    }
    let refused = interfaces
        .allocate(&cx().with_want(ip("192.0.2.2")))
        .unwrap_err();
    assert_eq!(
        refused.reason,
        ExhaustedReason::NotAllocated(ip("192.0.2.2"))
    );
    assert_eq!(interfaces.sources(), [ip("192.0.2.1")]);
    assert_eq!(
        (interfaces.in_use(), interfaces.departed()),
        (1, vec![ip("192.0.2.2")])
    );
    drop(held);
    assert_eq!((interfaces.in_use(), interfaces.departed()), (0, vec![]));
}

#[test]
fn one_that_appears_takes_part_and_who_waits_is_told() {
    let interfaces = interfaces(&["192.0.2.1"]);
    let ears = Ears::on(&interfaces);
    interfaces.update(&network(&["192.0.2.1", "192.0.2.2"]));
    assert_eq!(ears.heard(), ["available"]);
    let turns: Vec<String> = (0..2).map(|_| taken(&interfaces)).collect();
    assert!(turns.contains(&"192.0.2.2".to_owned()), "{turns:?}");
    interfaces.update(&network(&["192.0.2.2", "192.0.2.1"]));
    assert_eq!(
        ears.heard(),
        [] as [&str; 0],
        "the same in another order is no change"
    );
    interfaces.update(&network(&["192.0.2.2", "192.0.2.3"]));
    assert_eq!(ears.heard(), ["Gone [192.0.2.1]", "available"]);
}

#[test]
fn leases_of_an_address_that_comes_back_count_against_its_limit_as_before() {
    let interfaces = Interfaces::new(Filter::default()).max_per_addr(1);
    interfaces.update(&network(&["192.0.2.1"]));
    let held = lease(&interfaces);
    interfaces.update(&network(&[]));
    interfaces.update(&network(&["192.0.2.1", "192.0.2.2"]));
    let other = lease(&interfaces);
    assert_eq!(other.addr(), Some(ip("192.0.2.2")));
    assert_eq!(
        interfaces.allocate(&cx()).unwrap_err().reason,
        ExhaustedReason::AllBusy
    );
    drop(held);
    assert_eq!(taken(&interfaces), "192.0.2.1");
    assert_eq!(interfaces.in_use(), 1);
}

#[test]
fn least_used_remembers_uses_over_a_change() {
    let interfaces = Interfaces::new(Filter::default()).strategy(Strategy::LeastUsed);
    interfaces.update(&network(&["192.0.2.1", "192.0.2.2"]));
    let _held: Vec<Lease> = (0..2).map(|_| lease(&interfaces)).collect();
    interfaces.update(&network(&["192.0.2.1", "192.0.2.2", "192.0.2.3"]));
    assert_eq!(taken(&interfaces), "192.0.2.3");
}

#[test]
fn the_rotation_goes_on_where_it_was() {
    let interfaces = interfaces(&["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]);
    assert_eq!(
        [taken(&interfaces), taken(&interfaces)],
        ["192.0.2.1", "192.0.2.2"]
    );
    interfaces.update(&network(&["192.0.2.1", "192.0.2.2", "192.0.2.4"]));
    assert_eq!(
        [taken(&interfaces), taken(&interfaces)],
        ["192.0.2.4", "192.0.2.1"]
    );
}

#[test]
fn without_any_address_a_dial_fails_rather_than_wait() {
    let interfaces = interfaces(&[]);
    let refused = interfaces.allocate(&cx()).unwrap_err();
    assert_eq!(refused.reason, ExhaustedReason::Empty);
    assert!(!refused.is_temporary());
    let six = cx().with_want(ip("2001:db8::1"));
    assert!(matches!(
        interfaces.allocate(&six).unwrap_err().reason,
        ExhaustedReason::FamilyMismatch { .. }
    ));
    interfaces.update(&network(&["2001:db8::1"]));
    assert!(matches!(
        interfaces.allocate(&cx()).unwrap_err().reason,
        ExhaustedReason::FamilyMismatch { .. }
    ));
}

#[test]
fn a_working_set_around_it_replaces_a_member_that_is_gone() {
    let inner = Arc::new(interfaces(&["192.0.2.1", "192.0.2.2"]));
    let set = WorkingSet::new(Arc::clone(&inner), 1);
    assert_eq!(taken(&set), "192.0.2.1");
    inner.update(&network(&["192.0.2.2"]));
    // The first ask finds out.
    assert!(set.allocate(&cx()).unwrap_err().is_temporary());
    assert_eq!(taken(&set), "192.0.2.2");
}

#[test]
fn leases_are_conserved_over_many_changes() {
    let interfaces = Interfaces::new(Filter::default()).max_per_addr(3);
    let all: Vec<String> = (1..9).map(|i| format!("192.0.2.{i}")).collect();
    let mut held = Vec::new();
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("31 bits") % below
    };
    for _ in 0..2000 {
        match random(4) {
            0 => {
                let here: Vec<&str> = all
                    .iter()
                    .filter(|_| random(2) == 0)
                    .map(String::as_str)
                    .collect();
                interfaces.update(&network(&here));
            }
            1 if !held.is_empty() => {
                held.swap_remove(random(held.len()));
            }
            _ => held.extend(interfaces.allocate(&cx())),
        }
        assert_eq!(interfaces.in_use(), held.len());
        for addr in &all {
            let leases = held
                .iter()
                .filter(|lease: &&Lease| lease.addr() == Some(ip(addr)));
            assert!(leases.count() <= 3, "{addr}");
        }
    }
    assert!(held.len() > 3, "it has leased something");
    held.clear();
    assert_eq!((interfaces.in_use(), interfaces.departed()), (0, vec![]));
}

#[cfg(not(target_os = "linux"))]
#[test]
fn where_nothing_can_be_read_the_error_says_so() {
    use pool_localip::interfaces::InterfacesError;

    let watched = Interfaces::new(Filter::default()).watch();
    assert!(matches!(watched, Err(InterfacesError::Unsupported)));
    assert!(matches!(Network::read(), Err(InterfacesError::Unsupported)));
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;

    use pool_localip::interfaces::Scope;

    use super::*;

    #[test]
    fn the_kernel_says_what_this_machine_has() {
        let network = Network::read().expect("netlink answers");
        let lo = network.interfaces.iter().find(|it| it.loopback);
        let lo = lo.expect("there is a loopback interface");
        assert_eq!(network.interface(&lo.name), Some(lo));
        let localhost = network.addrs.iter().find(|it| it.addr == ip("127.0.0.1"));
        let localhost = localhost.expect("and it has its address");
        assert_eq!(localhost.interface, lo.name);
        assert_eq!((localhost.scope, localhost.prefix_len), (Scope::Host, 8));
        assert!(localhost.permanent && !localhost.temporary);
        let whole: Vec<String> = network
            .local_prefixes()
            .map(|it| it.prefix.to_string())
            .collect();
        assert!(whole.contains(&"127.0.0.0/8".to_owned()), "{whole:?}");
        assert!(network.is_local(ip("127.9.9.9")) && !network.is_local(ip("198.51.100.1")));
    }

    #[test]
    fn what_is_configured_is_what_the_kernel_has_and_a_name_that_is_not_there_is_an_error() {
        let options = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let interfaces = Interfaces::from_options(&options("scope", "host")).expect("it reads");
        assert!(interfaces.sources().contains(&ip("127.0.0.1")));
        assert!(interfaces.working_set().is_none());
        let one = Interfaces::from_options(&options("working_set", "1")).expect("it reads");
        assert_eq!(one.working_set().map(|set| set.size()), Some(1));
        let plain = Interfaces::new(Filter::default()).watch();
        assert!(plain.expect("it watches").failure().is_none());
        let error = Interfaces::from_options(&options("interface", "nosuch0")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("nosuch0") && text.contains("lo"), "{text}");
    }

    #[test]
    fn the_watching_thread_ends_with_the_allocator() {
        let threads = || {
            let tasks = std::fs::read_dir("/proc/self/task").expect("proc");
            let names = tasks.filter_map(|task| {
                let name = task.ok()?.path().join("comm");
                std::fs::read_to_string(name).ok()
            });
            names
                .filter(|name| name.trim() == "pool-interfaces")
                .count()
        };
        // Other tests here may have one each for a moment.
        let watching: Vec<Interfaces> = (0..20)
            .map(|_| {
                Interfaces::new(Filter::default())
                    .watch()
                    .expect("it watches")
            })
            .collect();
        // A thread gives itself its name when it begins.
        until("twenty threads watch", || threads() >= 20);
        drop(watching);
        until("they have ended", || threads() < 10);
    }

    /// Waits for what another thread brings about.
    #[expect(
        clippy::disallowed_methods,
        reason = "a deadline, so that a failure is no hang"
    )]
    fn until(what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + std::time::Duration::from_secs(20);
        while !is_so() {
            assert!(Instant::now() < deadline, "it never came to that {what}");
            std::thread::yield_now();
        }
    }
}
