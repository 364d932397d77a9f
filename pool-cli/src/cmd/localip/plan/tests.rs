//! Plans for machines that are made up.

use std::collections::BTreeMap;

use pool_localip::Cidr;
use pool_localip::interfaces::{Interface, InterfaceAddr, Network, Proxy, Route, RouteKind};

use super::script;
use super::steps::{Arrives, Machine, Plan, State};
use crate::exit::Failure;

/// A machine with an IPv4 and an IPv6 link and default routes over `eth0`.
struct Made {
    network: Network,
    settings: BTreeMap<String, String>,
}

impl Made {
    fn new() -> Self {
        let mut network = Network::default();
        let mut lo = Interface::new(1, "lo");
        lo.loopback = true;
        network.interfaces = vec![lo, Interface::new(2, "eth0"), Interface::new(3, "wg0")];
        let addr = |text: &str, len| {
            let addr: std::net::IpAddr = text.parse().unwrap();
            InterfaceAddr::new(addr, len, "eth0")
        };
        network.addrs = vec![addr("192.0.2.7", 24), addr("2001:db8::7", 64)];
        let mut made = Self {
            network,
            settings: BTreeMap::new(),
        };
        made.route("127.0.0.0/8", RouteKind::Local, "lo", None);
        made.route("192.0.2.7/32", RouteKind::Local, "eth0", None);
        made.route("2001:db8::7/128", RouteKind::Local, "eth0", None);
        made.route("192.0.2.0/24", RouteKind::Unicast, "eth0", None);
        made.route("2001:db8::/64", RouteKind::Unicast, "eth0", None);
        made.route("0.0.0.0/0", RouteKind::Unicast, "eth0", Some("192.0.2.1"));
        made.route("::/0", RouteKind::Unicast, "eth0", Some("fe80::1"));
        for (name, value) in [
            ("net/ipv6/conf/all/disable_ipv6", "0"),
            ("net/ipv6/conf/lo/disable_ipv6", "0"),
            ("net/ipv6/conf/eth0/disable_ipv6", "0"),
            ("net/ipv6/conf/eth0/accept_ra", "0"),
            ("net/ipv6/conf/eth0/forwarding", "0"),
            ("net/ipv6/conf/eth0/proxy_ndp", "0"),
            ("net/ipv6/ip_nonlocal_bind", "0"),
            ("net/ipv4/conf/all/arp_ignore", "0"),
            ("net/ipv4/conf/eth0/arp_ignore", "0"),
        ] {
            made.set(name, value);
        }
        made
    }

    fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(name.to_owned(), value.to_owned());
    }

    fn route(&mut self, prefix: &str, kind: RouteKind, interface: &str, gateway: Option<&str>) {
        let mut route = Route::new(prefix.parse().unwrap(), kind, interface);
        route.gateway = gateway.map(|text| text.parse().unwrap());
        self.network.routes.push(route);
    }

    fn try_plan(&self, prefix: &str, interface: Option<&str>) -> Result<Plan, Failure> {
        let machine = Machine {
            network: &self.network,
            sysctl: &|parts| self.settings.get(&parts.join("/")).cloned(),
        };
        machine.plan(prefix.parse::<Cidr>().unwrap(), interface)
    }

    fn plan(&self, prefix: &str) -> Plan {
        self.try_plan(prefix, None).unwrap()
    }
}

/// The commands that are to be run, a line each.
fn commands(plan: &Plan) -> Vec<String> {
    let needed = plan.steps.iter().filter(|step| step.state == State::Needed);
    let actions = needed.filter_map(|step| step.action.as_ref());
    let texts: Vec<String> = actions.map(ToString::to_string).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.map(str::to_owned).collect()
}

#[test]
fn a_routed_prefix_needs_a_local_route_and_a_router_that_knows() {
    let plan = Made::new().plan("2001:db8:77::/48");
    assert_eq!(plan.arrives, Arrives::Routed);
    assert_eq!(
        commands(&plan),
        ["ip -6 route add local 2001:db8:77::/48 dev lo"]
    );
    let router = plan.steps.iter().find(|step| step.action.is_none());
    let why = &router.expect("the router is named").why;
    assert!(
        why.contains("2001:db8:77::/48 to 2001:db8::7 (eth0)"),
        "{why}"
    );
    assert!(plan.warnings.is_empty(), "{plan:?}");

    let plan = Made::new().plan("198.51.100.0/24");
    assert_eq!(
        commands(&plan),
        ["ip -4 route add local 198.51.100.0/24 dev lo"]
    );
}

#[test]
fn what_is_there_is_not_done_again() {
    let mut made = Made::new();
    made.route("2001:db8:77::/32", RouteKind::Local, "lo", None);
    made.set("net/ipv6/ip_nonlocal_bind", "1");
    let plan = made.plan("2001:db8:77::/48");
    assert_eq!(commands(&plan), [] as [&str; 0]);
    assert!(!plan.steps.iter().any(|step| step.state == State::Optional));
    let text = script("2001:db8:77::/48", &plan);
    assert!(text.contains("# Nothing is to be done here.\n"), "{text}");
    assert!(
        text.lines()
            .all(|line| line.is_empty() || line.starts_with('#')),
        "{text}"
    );
}

#[test]
fn loopback_needs_nothing() {
    let plan = Made::new().plan("127.0.2.0/29");
    assert_eq!(
        (plan.arrives, commands(&plan).len()),
        (Arrives::Loopback, 0)
    );
    assert!(plan.warnings.is_empty(), "{plan:?}");
}

#[test]
fn neighbours_on_a_link_ask_and_a_few_ipv6_addresses_are_answered_for_by_the_kernel() {
    let mut made = Made::new();
    made.set("net/ipv6/conf/eth0/accept_ra", "1");
    let plan = made.plan("2001:db8::4/126");
    assert_eq!(plan.arrives, Arrives::Link);
    assert_eq!(
        commands(&plan),
        [
            "ip -6 route add local 2001:db8::4/126 dev lo",
            "sysctl -w net.ipv6.conf.eth0.accept_ra=2",
            "sysctl -w net.ipv6.conf.eth0.forwarding=1",
            "sysctl -w net.ipv6.conf.eth0.proxy_ndp=1",
            // 2001:db8::7 is an address of the interface, for which the kernel answers anyway.
            "ip -6 neigh add proxy 2001:db8::4 dev eth0",
            "ip -6 neigh add proxy 2001:db8::5 dev eth0",
            "ip -6 neigh add proxy 2001:db8::6 dev eth0",
        ]
    );
    assert!(plan.warnings[0].contains("part of a link"), "{plan:?}");

    made.set("net/ipv6/conf/eth0/forwarding", "1");
    made.set("net/ipv6/conf/eth0/proxy_ndp", "1");
    let answered: std::net::IpAddr = "2001:db8::5".parse().unwrap();
    made.network.proxies = vec![Proxy::new(answered, "eth0"), Proxy::new(answered, "wg0")];
    let plan = made.plan("2001:db8::4/126");
    let neigh = commands(&plan)
        .into_iter()
        .filter(|line| line.contains("neigh"));
    assert_eq!(neigh.count(), 2, "{plan:?}");
    assert!(
        !commands(&plan)
            .iter()
            .any(|line| line.starts_with("sysctl")),
        "{plan:?}"
    );
}

#[test]
fn for_many_ipv6_addresses_a_daemon_answers() {
    let plan = Made::new().plan("2001:db8::/80");
    let commands = commands(&plan).join("\n");
    assert!(
        commands.contains("rule 2001:db8::/80 {\n    static"),
        "{commands}"
    );
    assert!(commands.contains("proxy eth0 {"), "{commands}");
    assert!(!commands.contains("forwarding"), "{commands}");
}

#[test]
fn arp_is_answered_for_what_is_local_unless_the_interface_is_picky() {
    let mut made = Made::new();
    let plan = made.plan("192.0.2.64/28");
    assert_eq!(
        commands(&plan),
        ["ip -4 route add local 192.0.2.64/28 dev lo"]
    );
    made.set("net/ipv4/conf/all/arp_ignore", "1");
    made.set("net/ipv4/conf/eth0/arp_ignore", "2");
    assert_eq!(
        commands(&made.plan("192.0.2.64/28"))[1..],
        [
            "sysctl -w net.ipv4.conf.all.arp_ignore=0",
            "sysctl -w net.ipv4.conf.eth0.arp_ignore=0"
        ]
    );
}

#[test]
fn a_single_address_is_given_to_the_interface() {
    let made = Made::new();
    for (prefix, command) in [
        ("2001:db8::9/128", "ip address add 2001:db8::9/128 dev eth0"),
        ("192.0.2.9/32", "ip address add 192.0.2.9/32 dev eth0"),
    ] {
        assert_eq!(commands(&made.plan(prefix)), [command]);
    }
    assert_eq!(commands(&made.plan("192.0.2.7/32")), [] as [&str; 0]);
}

#[test]
fn ipv6_that_is_off_is_switched_on_and_one_that_is_not_there_is_an_environment() {
    let mut made = Made::new();
    made.set("net/ipv6/conf/lo/disable_ipv6", "1");
    made.set("net/ipv6/conf/eth0/disable_ipv6", "1");
    assert_eq!(
        commands(&made.plan("2001:db8:77::/48"))[..2],
        [
            "sysctl -w net.ipv6.conf.lo.disable_ipv6=0",
            "sysctl -w net.ipv6.conf.eth0.disable_ipv6=0"
        ]
    );
    made.set("net/ipv6/conf/all/disable_ipv6", "1");
    let plan = made.plan("2001:db8:77::/48");
    assert_eq!(
        commands(&plan)[0],
        "sysctl -w net.ipv6.conf.all.disable_ipv6=0"
    );
    assert!(
        !commands(&made.plan("198.51.100.0/24"))
            .iter()
            .any(|line| line.contains("ipv6"))
    );
    made.settings.clear();
    let failure = made.try_plan("2001:db8:77::/48", None).unwrap_err();
    assert_eq!(failure.exit().code(), 3);
}

#[test]
fn an_interface_can_be_chosen_and_must_be_there() {
    let made = Made::new();
    let plan = made.try_plan("2001:db8::8/126", Some("wg0")).unwrap();
    assert_eq!(
        (plan.interface.as_deref(), plan.arrives),
        (Some("wg0"), Arrives::Routed)
    );
    let failure = made.try_plan("2001:db8::8/126", Some("eth7")).unwrap_err();
    assert_eq!(failure.exit().code(), 2);
    let Failure::Told { hint, .. } = failure else {
        panic!("it is told");
    };
    assert!(hint.contains("lo, eth0, wg0"), "{hint}");
}

#[test]
fn a_prefix_that_would_cut_the_machine_off_is_refused() {
    let made = Made::new();
    for prefix in [
        "0.0.0.0/0",
        "::/0",
        "192.0.2.0/24",
        "192.0.0.0/16",
        "192.0.2.1/32",
        "fe80::/64",
    ] {
        let failure = made.try_plan(prefix, None).unwrap_err();
        assert_eq!(failure.exit().code(), 2, "{prefix}");
    }
    let plan = made.plan("2001:db8::/32");
    assert!(
        plan.warnings[0].contains("covers the link 2001:db8::/64"),
        "{plan:?}"
    );
}

#[test]
fn a_name_of_an_interface_is_one_word_for_the_shell() {
    let mut made = Made::new();
    made.network.interfaces.push(Interface::new(9, "vlan.7"));
    made.network.interfaces.push(Interface::new(8, "a;reboot"));
    made.route("198.51.100.0/24", RouteKind::Unicast, "vlan.7", None);
    made.route("203.0.113.0/24", RouteKind::Unicast, "a;reboot", None);
    let plan = made.plan("198.51.100.9/32");
    assert_eq!(
        commands(&plan),
        ["ip address add 198.51.100.9/32 dev vlan.7"]
    );
    made.set("net/ipv4/conf/vlan.7/arp_ignore", "1");
    let plan = made.plan("198.51.100.8/29");
    assert!(
        commands(&plan).contains(&"sysctl -w net/ipv4/conf/vlan.7/arp_ignore=0".to_owned()),
        "{plan:?}"
    );
    let plan = made.plan("203.0.113.9/32");
    assert_eq!(
        commands(&plan),
        ["ip address add 203.0.113.9/32 dev 'a;reboot'"]
    );
}

#[test]
fn only_commands_that_are_needed_are_no_comments() {
    let plan = Made::new().plan("2001:db8::4/126");
    let text = script("2001:db8::4/126", &plan);
    let plain: Vec<&str> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    assert_eq!(plain, commands(&plan));
    assert!(
        text.contains("#   sysctl -w net.ipv6.ip_nonlocal_bind=1\n"),
        "{text}"
    );
}
