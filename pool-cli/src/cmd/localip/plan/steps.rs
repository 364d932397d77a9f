//! The steps for one prefix on one machine. Pure: the machine is a value.

use std::net::IpAddr;

use pool_localip::Cidr;
use pool_localip::interfaces::{Network, Proxy, Route, RouteKind, Scope};

use super::action::Action;
use crate::cmd::localip::kernel;
use crate::exit::Failure;

/// What a plan looks at.
pub(super) struct Machine<'a> {
    pub(super) network: &'a Network,
    /// A setting by the parts of its name.
    pub(super) sysctl: &'a dyn Fn(&[&str]) -> Option<String>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    /// The one that the prefix arrives by; `None` if there is none but loopback.
    pub(super) interface: Option<String>,
    pub(super) arrives: Arrives,
    pub(super) steps: Vec<Step>,
    pub(super) warnings: Vec<String>,
    /// Whether sockets have to ask for it.
    pub(super) freebind: bool,
}

/// How packets to the prefix come to this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrives {
    /// They never leave it.
    Loopback,
    /// Neighbours on a link ask who has each address.
    Link,
    /// A router sends them here, if it is told to.
    Routed,
}

/// One thing to do, or that is done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) state: State,
    /// `None` where nothing on this machine does it.
    pub(super) action: Option<Action>,
    pub(super) why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Needed,
    There,
    /// Others than pool may want it.
    Optional,
}

/// Up to so many addresses the kernel is told of one by one; a daemon answers for more.
const FEW: u8 = 4;

impl Machine<'_> {
    /// The plan for `prefix`, arriving by `interface` if that is given.
    ///
    /// # Errors
    ///
    /// Exit 2 for a prefix that would cut the machine off, and for an interface that there is none of; exit 3 without IPv6.
    pub(super) fn plan(&self, prefix: Cidr, interface: Option<&str>) -> Result<Plan, Failure> {
        self.check(prefix, interface)?;
        let link = self.link_of(prefix, interface);
        let arrives = if self.is_loopback(prefix) {
            Arrives::Loopback
        } else if link.is_some() {
            Arrives::Link
        } else {
            Arrives::Routed
        };
        let interface = interface
            .map(str::to_owned)
            .or_else(|| link.and_then(|route| route.interface.clone()))
            .or_else(|| self.way_out(prefix))
            .or_else(|| self.first_interface());
        let mut plan = Plan {
            interface: interface.filter(|_| arrives != Arrives::Loopback),
            arrives,
            steps: Vec::new(),
            warnings: self.warnings(prefix, arrives),
            freebind: false,
        };
        if !prefix.is_ipv4() {
            self.switch_on_ipv6(&mut plan)?;
        }
        if prefix.host_bits() == 0 {
            self.assign(prefix, &mut plan);
        } else {
            self.make_local(prefix, &mut plan);
            self.allow_bind(prefix, &mut plan);
        }
        match arrives {
            Arrives::Loopback => {}
            Arrives::Routed => self.tell_router(prefix, &mut plan),
            // An address of the interface is answered for as it is.
            Arrives::Link if prefix.host_bits() == 0 => {}
            Arrives::Link if prefix.is_ipv4() => self.answer_arp(&mut plan),
            Arrives::Link => self.answer_neighbours(prefix, &mut plan),
        }
        Ok(plan)
    }

    fn check(&self, prefix: Cidr, interface: Option<&str>) -> Result<(), Failure> {
        if prefix.prefix_len() == 0 {
            return Err(Failure::usage(
                format!("{prefix} is every address that there is"),
                "give the prefix that was assigned to you",
            ));
        }
        if let Some(name) = interface
            && self.network.interface(name).is_none()
        {
            let names: Vec<&str> = self.names().collect();
            return Err(Failure::usage(
                format!("there is no interface {name:?}"),
                format!("there are {}", names.join(", ")),
            ));
        }
        let inside = |route: &Route| route.gateway.filter(|&gateway| prefix.contains(gateway));
        if let Some(gateway) = self.network.routes.iter().find_map(inside) {
            return Err(Failure::usage(
                format!(
                    "the gateway {gateway} is in {prefix}: with all of it local, this machine would talk to itself instead"
                ),
                "give a part of it that is your own and has no gateway",
            ));
        }
        Ok(())
    }

    fn warnings(&self, prefix: Cidr, arrives: Arrives) -> Vec<String> {
        let mut warnings = Vec::new();
        if arrives == Arrives::Link && prefix.host_bits() > 0 {
            warnings.push(format!(
                "{prefix} is part of a link: other machines with addresses of it cannot be reached from here any more"
            ));
        }
        let covers = |route: &&Route| {
            let on_link = route.kind == RouteKind::Unicast && route.gateway.is_none();
            on_link
                && prefix.prefix_len() < route.prefix.prefix_len()
                && prefix.contains(route.prefix.first())
        };
        for route in self.network.routes.iter().filter(covers) {
            warnings.push(format!(
                "{prefix} covers the link {}: no other machine there can be reached from here any more",
                route.prefix
            ));
        }
        warnings
    }

    fn switch_on_ipv6(&self, plan: &mut Plan) -> Result<(), Failure> {
        let Some(all) = self.setting("ipv6", "all", "disable_ipv6") else {
            return Err(kernel::no_ipv6());
        };
        let off = |name: &str| self.setting("ipv6", name, "disable_ipv6").as_deref() == Some("1");
        if all == "1" {
            plan.need(
                write("ipv6", "all", "disable_ipv6", 0),
                "IPv6 is switched off; this switches it on everywhere",
            );
            return Ok(());
        }
        let loopback = self.loopback().to_owned();
        for name in [Some(loopback), plan.interface.clone()]
            .into_iter()
            .flatten()
        {
            if off(&name) {
                plan.need(
                    write("ipv6", &name, "disable_ipv6", 0),
                    format!("IPv6 is switched off on {name}"),
                );
            }
        }
        Ok(())
    }

    /// A single address is simply given to the interface.
    fn assign(&self, prefix: Cidr, plan: &mut Plan) {
        let addr = prefix.first();
        let loopback = self.loopback();
        let name = plan.interface.as_deref().unwrap_or(loopback);
        let give = Action::ip(&format!("address add {prefix} dev"), name);
        if self.network.is_local(addr) {
            plan.there(give, format!("{addr} is this machine's"));
        } else {
            plan.need(
                give,
                "one address is given to the interface, and the kernel answers for it",
            );
        }
    }

    fn make_local(&self, prefix: Cidr, plan: &mut Plan) {
        let family = if prefix.is_ipv4() { "-4" } else { "-6" };
        let add = Action::ip(
            &format!("{family} route add local {prefix} dev"),
            self.loopback(),
        );
        let covered = self.network.local_prefixes().find(|route| {
            route.prefix.prefix_len() <= prefix.prefix_len()
                && route.prefix.contains(prefix.first())
        });
        match covered {
            Some(route) => {
                let whole = route.prefix;
                plan.there(add, format!("the kernel takes all of {whole} as this machine's own"));
            }
            None => plan.need(
                add,
                "the kernel takes every address of it as this machine's own, without having them one by one",
            ),
        }
    }

    /// Whether sockets may have an address that no interface has.
    fn allow_bind(&self, prefix: Cidr, plan: &mut Plan) {
        // With a local route IPv4 has nothing against it; IPv6 looks at the addresses of the interfaces alone.
        if prefix.is_ipv4() {
            return;
        }
        let name = ["net", "ipv6", "ip_nonlocal_bind"];
        let allow = Action::set(&name, 1);
        if (self.sysctl)(&name).as_deref() == Some("1") {
            plan.there(
                allow,
                "every program may bind addresses that no interface has",
            );
        } else {
            plan.freebind = true;
            plan.steps.push(Step {
                state: State::Optional,
                action: Some(allow),
                why: "it asks per socket, with --freebind or freebind = true under [dial]; for programs that do not".to_owned(),
            });
        }
    }

    fn tell_router(&self, prefix: Cidr, plan: &mut Plan) {
        let name = plan.interface.as_deref();
        let mut own = self.network.addrs.iter().filter(|found| {
            found.addr.is_ipv4() == prefix.is_ipv4()
                && found.scope == Scope::Global
                && name.is_none_or(|name| found.interface == name)
                && !prefix.contains(found.addr)
        });
        let here = match (own.next(), name) {
            (Some(found), _) => format!("{} ({})", found.addr, found.interface),
            (None, Some(name)) => format!("an address of {name}"),
            (None, None) => "an address of this machine".to_owned(),
        };
        plan.steps.push(Step {
            state: State::Needed,
            action: None,
            why: format!(
                "on no link of this machine: the router in front of it has to send {prefix} to {here}; that cannot be seen or set from here"
            ),
        });
    }

    /// The kernel answers ARP for what is local, unless it is told to be picky.
    fn answer_arp(&self, plan: &mut Plan) {
        let Some(name) = plan.interface.clone() else {
            return;
        };
        let picky = |name: &str| {
            let value = self.setting("ipv4", name, "arp_ignore")?;
            (value != "0").then(|| name.to_owned())
        };
        let picky: Vec<String> = ["all", &name].into_iter().filter_map(picky).collect();
        if picky.is_empty() {
            plan.there(
                write("ipv4", &name, "arp_ignore", 0),
                format!("{name} answers ARP for every address that is local"),
            );
        }
        for name in picky {
            plan.need(
                write("ipv4", &name, "arp_ignore", 0),
                "neighbours ask by ARP who has an address; the kernel is to answer for those that no interface has too",
            );
        }
    }

    /// The kernel answers neighbour solicitations for addresses of the interface alone, and as a proxy.
    fn answer_neighbours(&self, prefix: Cidr, plan: &mut Plan) {
        let Some(name) = plan.interface.clone() else {
            return;
        };
        if prefix.host_bits() > FEW {
            plan.need(daemon(prefix, &name), format!(
                "neighbours on {name} ask who has each address, and these are too many to list: ndppd answers for all of them (apt install ndppd)"
            ));
            return;
        }
        let settings = [
            (
                "forwarding",
                "the kernel answers for others only while it forwards",
            ),
            (
                "proxy_ndp",
                "neighbours ask who has each address; the kernel answers for those that it is told",
            ),
        ];
        // A router ignores the advertisements of others, and would lose its default route with them.
        let advertised = self.setting("ipv6", &name, "accept_ra").as_deref() == Some("1");
        let forwards = self.setting("ipv6", &name, "forwarding").as_deref() == Some("1");
        if advertised && !forwards {
            plan.need(
                write("ipv6", &name, "accept_ra", 2),
                "what routers advertise is followed also while forwarding, which comes next",
            );
        }
        for (setting, why) in settings {
            let set = write("ipv6", &name, setting, 1);
            if self.setting("ipv6", &name, setting).as_deref() == Some("1") {
                plan.there(set, why);
            } else {
                plan.need(set, why);
            }
        }
        for addr in (0..1_u128 << prefix.host_bits()).map(|i| nth(prefix, i)) {
            if self.network.addrs.iter().any(|found| found.addr == addr) {
                continue; // The kernel answers for it as it is.
            }
            let add = Action::ip(&format!("-6 neigh add proxy {addr} dev"), &name);
            let answered = |proxy: &Proxy| proxy.addr == addr && proxy.interface == name;
            if self.network.proxies.iter().any(answered) {
                plan.there(add, format!("{name} answers for {addr}"));
            } else {
                plan.need(add, format!("{name} is to answer for {addr}"));
            }
        }
    }

    /// The route of the link that has all of the prefix.
    fn link_of(&self, prefix: Cidr, interface: Option<&str>) -> Option<&Route> {
        let links = self.network.routes.iter().filter(|route| {
            route.kind == RouteKind::Unicast
                && route.gateway.is_none()
                && route.prefix.prefix_len() > 0
                && route.prefix.prefix_len() <= prefix.prefix_len()
                && route.prefix.contains(prefix.first())
                && interface.is_none_or(|name| route.interface.as_deref() == Some(name))
        });
        links.max_by_key(|route| route.prefix.prefix_len())
    }

    /// The interface of the default route.
    fn way_out(&self, prefix: Cidr) -> Option<String> {
        let mut default = self.network.routes.iter().filter(|route| {
            route.kind == RouteKind::Unicast
                && route.prefix.is_ipv4() == prefix.is_ipv4()
                && route.prefix.prefix_len() == 0
        });
        default.find_map(|route| route.interface.clone())
    }

    fn first_interface(&self) -> Option<String> {
        let mut up = self
            .network
            .interfaces
            .iter()
            .filter(|it| it.up && !it.loopback);
        up.next().map(|interface| interface.name.clone())
    }

    fn is_loopback(&self, prefix: Cidr) -> bool {
        prefix.first().is_loopback() && prefix.last().is_loopback()
    }

    fn loopback(&self) -> &str {
        let mut all = self.network.interfaces.iter();
        all.find(|it| it.loopback).map_or("lo", |it| &it.name)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.network.interfaces.iter().map(|it| it.name.as_str())
    }

    fn setting(&self, family: &str, interface: &str, name: &str) -> Option<String> {
        (self.sysctl)(&["net", family, "conf", interface, name])
    }
}

impl Plan {
    fn need(&mut self, action: Action, why: impl Into<String>) {
        self.push(State::Needed, action, why);
    }

    fn there(&mut self, action: Action, why: impl Into<String>) {
        self.push(State::There, action, why);
    }

    fn push(&mut self, state: State, action: Action, why: impl Into<String>) {
        self.steps.push(Step {
            state,
            action: Some(action),
            why: why.into(),
        });
    }
}

impl Arrives {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Link => "link",
            Self::Routed => "routed",
        }
    }
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Needed => "needed",
            Self::There => "there",
            Self::Optional => "optional",
        }
    }
}

/// Changes a setting of an interface.
fn write(family: &str, interface: &str, name: &str, value: u8) -> Action {
    Action::set(&["net", family, "conf", interface, name], value)
}

/// Settings of their own for the daemon, and its start.
fn daemon(prefix: Cidr, interface: &str) -> Action {
    Action::Script(format!(
        "cat > /etc/ndppd.pool.conf <<'END'\nproxy {interface} {{\n  router no\n  rule {prefix} {{\n    static\n  }}\n}}\nEND\nndppd -d -c /etc/ndppd.pool.conf"
    ))
}

/// The address at this place, which must be inside.
fn nth(prefix: Cidr, place: u128) -> IpAddr {
    match prefix.first() {
        IpAddr::V4(first) => {
            let place = u32::try_from(place).expect("inside an IPv4 prefix");
            std::net::Ipv4Addr::from_bits(first.to_bits() + place).into()
        }
        IpAddr::V6(first) => std::net::Ipv6Addr::from_bits(first.to_bits() + place).into(),
    }
}
