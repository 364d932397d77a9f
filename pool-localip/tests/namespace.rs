//! The allocator of interfaces follows the kernel: in a network namespace of its own, which needs no right where users may make one.

#![cfg(target_os = "linux")]

use std::io::Write;
use std::net::IpAddr;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use pool_localip::interfaces::{Filter, Interfaces, Network, Proxy, WhyNot};
use pool_localip::{
    AllocContext, ExhaustedReason, LocalAddrAllocator, Retired, SourceListener, Strategy,
};

/// Set in the process that is inside.
const INSIDE: &str = "POOL_LOCALIP_TEST_INSIDE";

/// Runs the test of this name again, inside; true if this is inside.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        ip("link set lo up");
        return true;
    }
    let may = Command::new("unshare")
        .args(["-Urn", "ip", "link"])
        .output();
    let reason = match may {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(reason) = reason {
        // Not by a macro, whose output the test runner keeps to itself.
        let line = format!("SKIP {test}: no network namespace: {reason}\n");
        std::io::stderr()
            .write_all(line.as_bytes())
            .expect("stderr");
        return false;
    }
    let this = std::env::current_exe().expect("this file");
    let status = Command::new("unshare")
        .arg("-Urn")
        .arg(this)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare runs");
    assert!(status.success(), "{test} failed inside the namespace");
    false
}

fn ip(args: &str) {
    let output = Command::new("ip").args(args.split_whitespace()).output();
    let output = output.expect("ip runs");
    assert!(output.status.success(), "ip {args}: {output:?}");
}

fn addr(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made from nothing, and its value does not matter here"
)]
fn cx() -> AllocContext<'static> {
    AllocContext::new(([198, 51, 100, 1], 80).into(), Instant::now())
}

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Available,
    Gone(Vec<IpAddr>),
}

#[derive(Debug)]
struct Ears(mpsc::Sender<Heard>);

impl SourceListener for Ears {
    fn available(&self) {
        self.0.send(Heard::Available).expect("the test listens");
    }

    fn retired(&self, addrs: &[IpAddr], why: Retired) {
        assert_eq!(why, Retired::Gone);
        self.0
            .send(Heard::Gone(addrs.to_vec()))
            .expect("the test listens");
    }
}

fn listen(interfaces: &Interfaces) -> (Arc<dyn SourceListener>, mpsc::Receiver<Heard>) {
    let (tell, heard) = mpsc::channel();
    let ears: Arc<dyn SourceListener> = Arc::new(Ears(tell));
    interfaces.listen(Arc::downgrade(&ears));
    (ears, heard)
}

fn next(heard: &mpsc::Receiver<Heard>) -> Heard {
    heard
        .recv_timeout(Duration::from_secs(20))
        .expect("the kernel tells")
}

#[test]
fn what_is_added_joins_and_what_is_removed_leaves() {
    if !inside("what_is_added_joins_and_what_is_removed_leaves") {
        return;
    }
    ip("address add 192.0.2.1/24 dev lo");
    let interfaces = Interfaces::new(Filter::default())
        .watch()
        .expect("it watches");
    let (_ears, heard) = listen(&interfaces);
    assert_eq!(interfaces.sources(), [addr("192.0.2.1")]);

    ip("address add 192.0.2.2/24 dev lo");
    assert_eq!(next(&heard), Heard::Available);
    assert_eq!(interfaces.sources(), [addr("192.0.2.1"), addr("192.0.2.2")]);
    // A second address of the subnet carries the flag that means "temporary" on IPv6.
    let strict = Filter::default().temporary(false);
    assert_eq!(
        strict
            .sources(&Network::read().expect("netlink answers"))
            .len(),
        2
    );

    let held = interfaces
        .allocate(&cx().with_want(addr("192.0.2.2")))
        .expect("it is there");
    ip("address del 192.0.2.2/24 dev lo");
    assert_eq!(next(&heard), Heard::Gone(vec![addr("192.0.2.2")]));
    let refused = interfaces.allocate(&cx().with_want(addr("192.0.2.2")));
    assert_eq!(
        refused.unwrap_err().reason,
        ExhaustedReason::NotAllocated(addr("192.0.2.2"))
    );
    assert_eq!(interfaces.departed(), [addr("192.0.2.2")]);
    drop(held);
    assert_eq!(interfaces.in_use(), 0);

    // An interface that goes down takes its addresses with it.
    ip("link set lo down");
    assert_eq!(next(&heard), Heard::Gone(vec![addr("192.0.2.1")]));
    assert_eq!(
        interfaces.allocate(&cx()).unwrap_err().reason,
        ExhaustedReason::Empty
    );
    ip("link set lo up");
    assert_eq!(next(&heard), Heard::Available);
    assert!(interfaces.failure().is_none());
}

#[test]
fn thousands_of_addresses_that_come_at_once_all_join() {
    if !inside("thousands_of_addresses_that_come_at_once_all_join") {
        return;
    }
    let interfaces = Interfaces::new(Filter::default())
        .strategy(Strategy::LeastUsed)
        .watch()
        .expect("it watches");
    let (_ears, heard) = listen(&interfaces);
    let batch: String = (0..3000)
        .map(|i| format!("address add 10.0.{}.{}/32 dev lo\n", i / 250, i % 250 + 1))
        .collect();
    let file = std::env::temp_dir().join(format!("pool-localip-{}", std::process::id()));
    std::fs::write(&file, batch).expect("written");
    ip(&format!("-batch {}", file.display()));
    std::fs::remove_file(&file).expect("removed");
    while interfaces.sources().len() < 3000 {
        assert_eq!(next(&heard), Heard::Available);
    }
    ip("address flush dev lo");
    let mut gone = 0;
    while gone < 3000 {
        match next(&heard) {
            Heard::Gone(addrs) => gone += addrs.len(),
            Heard::Available => {}
        }
    }
    assert_eq!(interfaces.sources(), [] as [IpAddr; 0]);
}

#[test]
fn local_routes_and_proxies_are_found_and_a_tentative_address_is_not_leased() {
    if !inside("local_routes_and_proxies_are_found_and_a_tentative_address_is_not_leased") {
        return;
    }
    ip("route add local 2001:db8:1::/64 dev lo");
    let network = Network::read().expect("netlink answers");
    let found = network
        .local_prefixes()
        .find(|route| !route.prefix.is_ipv4());
    let found = found.expect("the route is there");
    assert_eq!(found.prefix.to_string(), "2001:db8:1::/64");
    assert_eq!((found.interface.as_deref(), found.table), (Some("lo"), 255));
    assert!(network.is_local(addr("2001:db8:1::77")));

    ip("neigh add proxy 2001:db8:1::7 dev lo");
    let network = Network::read().expect("netlink answers");
    assert_eq!(network.proxies, [Proxy::new(addr("2001:db8:1::7"), "lo")]);

    // Without a peer that is up there is no carrier, and detection does not begin.
    ip("link add a0 type veth peer name b0");
    ip("link set a0 up");
    ip("address add 2001:db8:2::1/64 dev a0");
    let network = Network::read().expect("netlink answers");
    let tentative = network
        .addrs
        .iter()
        .find(|it| it.addr == addr("2001:db8:2::1"));
    let tentative = tentative.expect("it is there");
    assert_eq!(Filter::default().check(tentative), Err(WhyNot::Tentative));
    assert_eq!(tentative.interface, "a0");
}
