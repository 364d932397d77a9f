//! Any sequence of calls on a manager of several hosts: limits over all of them, wake-ups, and views that agree.

use std::collections::{BTreeMap, HashSet};
use std::task::Poll;

use proptest::prelude::*;

use super::*;
use crate::key::SourceClass;
use crate::priority::Priority;

/// Three sites, the first of them from two sources.
const HOSTS: usize = 4;

fn key_of(host: usize) -> Key {
    match host {
        3 => key("a").source(SourceClass::Exact([127, 0, 2, 1].into())),
        _ => key(["a", "b", "c"][host]),
    }
}

#[derive(Clone, Debug)]
enum Op {
    Ask(usize, Priority),
    AskFor(usize),
    Poll(usize),
    Cancel(usize),
    Release(usize, bool),
    Connect(Option<usize>),
    Refuse,
    RefuseHere,
    Abandon,
    Add(usize, u8, Option<usize>),
    Remove(usize),
    RemoveTarget(u8),
    RemoveHost(usize),
    EvictIdle,
    EvictExpired,
    RetainIdle,
    Check(usize),
    Settings(usize, usize),
    GoAway(usize),
    Closed(usize),
    Addresses(usize, u8),
    Eject(usize, u8, bool),
    Limits(usize, usize),
    Advance(u64),
    Forget,
    Close,
}

fn op() -> impl Strategy<Value = Op> {
    let at = any::<usize>;
    let host = || 0..HOSTS;
    let to = || 1..3_u8;
    let streams = || proptest::option::of(0..3_usize);
    let priority = prop_oneof![
        Just(Priority::High),
        Just(Priority::Normal),
        Just(Priority::Low)
    ];
    prop_oneof![
        20 => (host(), priority).prop_map(|(host, priority)| Op::Ask(host, priority)),
        4 => at().prop_map(Op::AskFor),
        16 => at().prop_map(Op::Poll),
        6 => at().prop_map(Op::Cancel),
        16 => (at(), proptest::bool::weighted(0.2)).prop_map(|(at, bad)| Op::Release(at, bad)),
        14 => streams().prop_map(Op::Connect),
        2 => Just(Op::Refuse),
        1 => Just(Op::RefuseHere),
        1 => Just(Op::Abandon),
        5 => (host(), to(), streams()).prop_map(|(host, to, streams)| Op::Add(host, to, streams)),
        2 => at().prop_map(Op::Remove),
        1 => to().prop_map(Op::RemoveTarget),
        1 => host().prop_map(Op::RemoveHost),
        1 => prop_oneof![Just(Op::EvictIdle), Just(Op::EvictExpired), Just(Op::RetainIdle)],
        2 => at().prop_map(Op::Check),
        2 => (at(), 0..3_usize).prop_map(|(at, streams)| Op::Settings(at, streams)),
        2 => at().prop_map(Op::GoAway),
        8 => at().prop_map(Op::Closed),
        1 => (host(), 0..4_u8).prop_map(|(host, set)| Op::Addresses(host, set)),
        1 => (host(), to(), any::<bool>()).prop_map(|(host, to, out)| Op::Eject(host, to, out)),
        1 => (1..5_usize, 1..4_usize).prop_map(|(total, per_host)| Op::Limits(total, per_host)),
        4 => (0..1500_u64).prop_map(Op::Advance),
        1 => Just(Op::Forget),
        1 => proptest::bool::weighted(0.05).prop_map(|close| if close { Op::Close } else { Op::Forget }),
    ]
}

/// A driver whose connections close when the test says so, if it keeps their registration.
#[derive(Default)]
struct Net {
    fake: Fake,
    slow: StdMutex<HashSet<ConnId>>,
}

impl Driver<Held> for Net {
    fn resolve(&self, host: HostHandle<Held>) {
        self.fake.resolve(host);
    }

    fn dial(&self, ticket: Ticket<Held>) {
        self.fake.dial(ticket);
    }

    fn close(&self, entry: &Entry<Held>, reason: CloseReason) -> Closing {
        self.fake.close(entry, reason);
        if self.slow.lock().unwrap().contains(&entry.id()) {
            Closing::Later
        } else {
            Closing::Done
        }
    }

    fn wake_at(&self, host: HostHandle<Held>, at: Instant) {
        self.fake.wake_at(host, at);
    }
}

/// A manager, everybody who waits, and everything that is out.
struct Rig {
    manager: Manager,
    net: StdArc<Net>,
    limits: Limits,
    askers: Vec<Asker>,
    leases: Vec<Lease<Held>>,
    registered: Vec<Registered<Held>>,
    /// Permits out before the step.
    before: (usize, usize),
    per_host_before: BTreeMap<String, usize>,
    /// What a limit allowed that was lowered in this step.
    allowed: usize,
    closed: bool,
}

impl Rig {
    fn new() -> Self {
        let limits = Limits {
            total: 3,
            per_host: 2,
            dials_per_host: 2,
            dials_total: 2,
            waiters_total: 12,
            waiters_per_host: 6,
            fair_turn: 2,
            ..Limits::default()
        };
        let config = Config {
            limits: limits.clone(),
            ..Config::default()
        };
        let net = StdArc::new(Net::default());
        Self {
            manager: Manager::with_driver(&config, net.clone()),
            net,
            limits,
            askers: Vec::new(),
            leases: Vec::new(),
            registered: Vec::new(),
            before: (0, 0),
            per_host_before: BTreeMap::new(),
            allowed: 0,
            closed: false,
        }
    }

    async fn apply(&mut self, op: &Op) {
        self.before = self.manager.permits_in_use();
        self.per_host_before = self.loads();
        self.allowed = 0;
        match *op {
            Op::Ask(host, priority) => {
                let future = self.manager.acquire(&key_of(host)).priority(priority);
                self.ask(spawn(future));
            }
            Op::AskFor(at) => {
                if let Some(conn) = pick(&self.conns(), at) {
                    self.ask(spawn(conn.acquire()));
                }
            }
            Op::Poll(at) => self.poll(at),
            Op::Cancel(at) => drop(take(&mut self.askers, at)),
            Op::Release(at, bad) => {
                if let Some(lease) = take(&mut self.leases, at) {
                    self.give_back(lease, bad);
                }
            }
            Op::Connect(streams) => self.connect(streams),
            Op::Refuse => {
                if let Some(ticket) = self.net.fake.next() {
                    ticket.fail(Error::new(ErrorKind::Refused));
                }
            }
            Op::RefuseHere => {
                if let Some(ticket) = self.net.fake.next() {
                    ticket.fail_locally(Error::new(ErrorKind::LocalAddr));
                }
            }
            Op::Abandon => {
                if let Some(ticket) = self.net.fake.next() {
                    ticket.abandon();
                }
            }
            Op::Add(host, to, streams) => self.add(host, to, streams),
            Op::Remove(at) => {
                if let Some(conn) = pick(&self.conns(), at) {
                    let phase = conn.status().phase;
                    let there = matches!(phase, ConnPhase::Ready | ConnPhase::Probing);
                    assert_eq!(self.manager.remove(conn.id()), there);
                    assert!(!self.manager.remove(conn.id()), "I6: removed once");
                    assert!(conn.try_acquire().is_none(), "I6: leased after its removal");
                }
            }
            Op::RemoveTarget(to) => {
                self.manager.remove_target(target(to));
                let left = self.manager.by_target(target(to));
                assert!(left.iter().all(|conn| !conn.status().is_available()));
            }
            Op::RemoveHost(host) => {
                self.manager.remove_host(&key_of(host));
                assert!(self.manager.try_acquire(&key_of(host)).is_none());
            }
            Op::EvictIdle => drop(self.manager.evict_idle(Duration::from_secs(1))),
            Op::EvictExpired => drop(self.manager.evict_expired(Duration::from_secs(2))),
            Op::RetainIdle => drop(self.manager.retain(|_, conn| conn.is_idle())),
            Op::Check(at) => {
                if let Some(conn) = pick(&self.conns(), at) {
                    let host = conn.host();
                    let idle = conn.status().is_idle();
                    let lease = host.claim_for_check(conn.conn);
                    assert_eq!(lease.is_some(), idle && !self.closed);
                    self.leases.extend(lease.map(own));
                }
            }
            Op::Settings(at, streams) => {
                let at = at.checked_rem(self.registered.len());
                if let Some(registered) = at.map(|at| &self.registered[at]) {
                    registered.set_stream_limit(streams);
                }
            }
            Op::GoAway(at) => {
                let at = at.checked_rem(self.registered.len());
                if let Some(registered) = at.map(|at| &self.registered[at]) {
                    registered.drain(CloseReason::GoAway);
                }
            }
            Op::Closed(at) => {
                if let Some(registered) = take(&mut self.registered, at) {
                    let id = registered.entry.id();
                    registered.closed(CloseReason::PeerClosed);
                    let other = registered.closed(CloseReason::Error);
                    assert_eq!(other, CloseReason::Error, "I2: it closes once");
                    let phase = registered.entry.status.read().phase;
                    assert_eq!(phase, ConnPhase::Closed);
                    self.net.slow.lock().unwrap().remove(&id);
                    assert!(self.manager.by_id(id).is_none());
                }
            }
            Op::Addresses(host, set) => {
                let addrs = (1..3).filter(|at| set & (1 << (at - 1)) != 0).map(target);
                let addrs: Vec<SocketAddr> = addrs.collect();
                self.manager.host(&key_of(host)).set_addresses(&addrs);
            }
            Op::Eject(host, to, out) => {
                let standing = if out {
                    Standing::Ejected(None)
                } else {
                    Standing::Active
                };
                self.manager.host(&key_of(host)).judge(target(to), standing);
            }
            Op::Limits(total, per_host) => {
                // Hosts are told one after the other, and permits that come free meanwhile go out by the old limit.
                self.allowed = self.limits.per_host;
                self.limits.total = total;
                self.limits.per_host = per_host;
                self.set_limits();
            }
            Op::Advance(millis) => self.advance(millis).await,
            Op::Forget => drop(self.manager.forget_empty_hosts(0)),
            Op::Close => {
                self.manager.close();
                self.manager.close();
                self.closed = true;
            }
        }
    }

    fn set_limits(&self) {
        let config = Config {
            limits: self.limits.clone(),
            ..Config::default()
        };
        self.manager.set_limits(&config);
    }

    async fn advance(&self, millis: u64) {
        tokio::time::advance(Duration::from_millis(millis)).await;
        self.net.fake.tick();
    }

    fn ask(&mut self, mut asker: Asker) {
        match asker.poll() {
            Poll::Ready(Ok(lease)) => self.leases.push(own(lease)),
            Poll::Ready(Err(error)) => {
                let full = self.askers.len() >= self.limits.waiters_total;
                let told = matches!(error.kind(), ErrorKind::Closed | ErrorKind::ConnGone);
                assert!(!self.closed || told || full, "{error}");
            }
            Poll::Pending => {
                assert!(!self.closed, "I9: nobody waits for a closed manager");
                self.askers.push(asker);
            }
        }
    }

    fn poll(&mut self, at: usize) {
        let Some(at) = at.checked_rem(self.askers.len()) else {
            return;
        };
        if let Poll::Ready(outcome) = self.askers[at].poll() {
            drop(self.askers.remove(at));
            self.leases.extend(outcome.ok().map(own));
        }
    }

    fn give_back(&self, mut lease: Lease<Held>, bad: bool) {
        disown(&lease);
        let handle = lease.host().by_id(lease.id());
        if bad {
            lease.discard(CloseReason::Error);
        }
        drop(lease);
        if let Some(handle) = handle.filter(|_| bad) {
            assert!(handle.try_acquire().is_none(), "I7: used after a dirty end");
        }
    }

    fn connect(&mut self, streams: Option<usize>) {
        let Some(ticket) = self.net.fake.next() else {
            return;
        };
        let held = self.net.fake.census.born();
        self.net.slow.lock().unwrap().insert(ticket.id());
        let registered = ticket.succeed(held, streams.unwrap_or(1), streams.is_some());
        self.registered.extend(registered);
    }

    fn add(&mut self, host: usize, to: u8, streams: Option<usize>) {
        let held = self.net.fake.census.born();
        let conn = match streams {
            None => NewConn::exclusive(target(to), held),
            Some(streams) => NewConn::multiplexed(target(to), held, streams),
        };
        let alive = self.net.fake.census.alive();
        match self.manager.add(&key_of(host), conn) {
            Ok(Added::New(_)) => {}
            Ok(Added::Replaced { id, old }) => {
                assert_ne!(id, old, "a replacement is another");
                assert!(self.manager.by_id(old).is_none());
            }
            Err(rejected) => {
                assert_eq!(rejected.reason == RejectReason::Closed, self.closed);
                drop(rejected);
                assert!(self.net.fake.census.alive() < alive, "I16: it is dropped");
            }
        }
    }

    fn conns(&self) -> Vec<ConnHandle<Held>> {
        let hosts = self.manager.hosts();
        let conns = hosts.iter().flat_map(HostHandle::connections);
        let mut conns: Vec<_> = conns.collect();
        conns.sort_by_key(|conn| conn.id().as_u64());
        conns
    }

    /// Connections and dials by site.
    fn loads(&self) -> BTreeMap<String, usize> {
        let mut loads = BTreeMap::new();
        for host in self.manager.snapshot().hosts {
            let load = host.totals.open + host.totals.dialling;
            *loads.entry(host.key.to_string()).or_default() += load;
        }
        loads
    }

    /// Limits, conservation, and nobody with an outcome asleep.
    fn check(&mut self) {
        let (conns, dials) = self.manager.permits_in_use();
        let tickets = self.net.fake.dials.lock().unwrap().len();
        assert_eq!(dials, tickets, "I2: each dial holds one permit");
        let alive = self.net.fake.census.alive();
        assert_eq!(conns, alive + tickets, "I2: each socket holds one permit");
        assert!(
            conns <= self.limits.total.max(self.before.0),
            "I1: {conns} in all"
        );
        assert!(
            dials <= self.limits.dials_total.max(self.before.1),
            "I1: {dials}"
        );
        for (host, load) in self.loads() {
            let before = self.per_host_before.get(&host).copied().unwrap_or(0);
            let most = self.limits.per_host.max(before).max(self.allowed);
            assert!(load <= most, "I1: {host}: {load}");
        }
        let waiting = self.manager.shared.budget.waiting();
        assert_eq!(
            waiting,
            self.askers.len(),
            "I4: places in the count of waiters"
        );
        for asker in &mut self.askers {
            if !asker.is_woken() {
                assert!(
                    asker.poll().is_pending(),
                    "I3: an outcome without a wake-up"
                );
            }
        }
        assert_conserved(&self.manager);
        let totals = self.manager.snapshot().totals;
        let granted = self.askers.iter().filter(|asker| asker.is_woken()).count();
        let out = self.leases.len() as u64;
        let leased = totals.leased;
        assert!(
            leased >= out && leased <= out + granted as u64,
            "I10: {leased}"
        );
    }

    /// By address, by host and by id: the same connections in the same state.
    fn check_views(&self) {
        let ids = |conns: &[ConnHandle<Held>]| {
            let ids = conns.iter().map(|conn| conn.id().as_u64());
            ids.collect::<std::collections::BTreeSet<u64>>()
        };
        let all = self.conns();
        let mut by_target = Vec::new();
        for to in 1..3 {
            let here = self.manager.by_target(target(to));
            assert!(here.iter().all(|conn| conn.target() == target(to)));
            by_target.extend(here);
        }
        assert_eq!(by_target.len(), all.len());
        assert_eq!(ids(&by_target), ids(&all), "by address");
        let counts = self.manager.counts();
        assert_eq!(counts.open() - counts.closing, all.len(), "by count");
        let snapshot = self.manager.snapshot();
        assert_eq!(snapshot.totals.open, counts.open());
        assert_eq!(snapshot.totals.idle, counts.idle);
        let endpoints = snapshot.hosts.iter().flat_map(|host| &host.endpoints);
        let dialling: usize = endpoints.map(|endpoint| endpoint.dialling).sum();
        assert_eq!(dialling, counts.dialling, "in flight or wanted");
        assert!(snapshot.totals.dialling <= counts.dialling);
        for conn in &all {
            let status = conn.status();
            let found = self.manager.by_id(conn.id()).expect("by id");
            assert_eq!(found.target(), conn.target());
            assert_eq!(found.host().key(), conn.host().key());
            assert_eq!(
                conn.host().by_id(conn.id()).map(|c| c.id()),
                Some(conn.id())
            );
            let truth = conn.host().0.look(|core| {
                let mut conns = core.state.conns();
                let found = conns.find(|(name, _, _)| *name == conn.conn);
                let (_, conn, _) = found.expect("in the books");
                let last_used = conn.is_idle().then_some(conn.last_used);
                (conn.in_flight, conn.limit, conn.uses, last_used)
            });
            let last_used = status.is_idle().then_some(status.last_used);
            let said = (status.in_flight, status.limit, status.uses, last_used);
            assert_eq!(said, truth);
            let mine = self.leases.iter().filter(|lease| lease.id() == conn.id());
            let mine = mine.count();
            assert!(status.in_flight >= mine, "I2: {status:?} carries {mine}");
        }
        for host in self.manager.hosts() {
            let counts = host.counts();
            let statuses = host.statuses();
            let phase = |phase| statuses.iter().filter(|s| s.phase == phase).count();
            let ready = phase(ConnPhase::Ready);
            assert_eq!(counts.idle + counts.in_use, ready);
            let idle = statuses.iter().filter(|status| status.is_idle()).count();
            assert_eq!(counts.idle, idle);
            assert_eq!(counts.probing, phase(ConnPhase::Probing));
            assert_eq!(counts.draining, phase(ConnPhase::Draining));
            let mut hosts = snapshot.hosts.iter();
            let seen = hosts.find(|seen| seen.key == *host.key());
            let seen = seen.expect("in the snapshot");
            assert_eq!(seen.totals.open, counts.open());
            let leased: usize = seen.endpoints.iter().map(|at| at.leased).sum();
            let in_flight: usize = statuses.iter().map(|status| status.in_flight).sum();
            assert_eq!(leased, in_flight);
        }
    }

    /// Dials succeed, leases come back and time passes: everybody is served or told, and what is left is nothing.
    async fn wind_up(mut self) {
        let mut rounds = 0;
        self.limits.total = self.limits.total.max(2);
        self.set_limits();
        while !self.askers.is_empty() {
            rounds += 1;
            assert!(rounds < 200, "I3: {} wait for nothing", self.askers.len());
            for lease in std::mem::take(&mut self.leases) {
                self.give_back(lease, false);
            }
            while let Some(registered) = self.registered.pop() {
                let id = registered.entry.id();
                registered.closed(CloseReason::PeerClosed);
                self.net.slow.lock().unwrap().remove(&id);
            }
            self.net.fake.connect_all();
            for host in 0..HOSTS {
                // What was taken out of rotation comes back in.
                let host = self.manager.host(&key_of(host));
                host.set_addresses(&[target(1), target(2)]);
                for to in 1..3 {
                    host.judge(target(to), Standing::Active);
                }
                let conns = host.connections();
                // A peer that allows no stream is replaced.
                for conn in conns.iter().filter(|conn| conn.status().limit == 0) {
                    conn.remove();
                }
            }
            self.advance(500).await;
            for at in (0..self.askers.len()).rev() {
                if self.askers[at].is_woken() {
                    self.poll(at);
                }
            }
        }
        self.leases.drain(..).for_each(|lease| disown(&lease));
        self.registered.drain(..).for_each(|registered| {
            registered.closed(CloseReason::PeerClosed);
        });
        self.manager.close();
        while let Some(ticket) = self.net.fake.next() {
            ticket.abandon();
        }
        assert_eq!(self.manager.permits_in_use(), (0, 0), "I13: permits");
        assert_eq!(self.net.fake.census.alive(), 0, "I13: connections");
        assert_conserved(&self.manager);
        let totals = self.manager.snapshot().totals;
        assert_eq!(
            (totals.leased, totals.open, totals.waiting),
            (0, 0, 0),
            "I10"
        );
        let Self { manager, net, .. } = self;
        net.fake.timers.lock().unwrap().clear();
        drop(manager);
        assert_eq!(
            StdArc::strong_count(&net),
            1,
            "I13: what hosts share is gone"
        );
    }
}

/// A lease is owned by one at a time, or by as many as its connection has streams.
fn own(lease: Lease<Held>) -> Lease<Held> {
    let owners = lease.conn().owners.fetch_add(1, Ordering::SeqCst) + 1;
    // Streams may have been lowered, and the connection closed, since it was granted.
    let limit = if lease.stats_before().multiplexed {
        2
    } else {
        1
    };
    assert!(owners <= limit, "I1: {owners} own what takes {limit}");
    lease
}

fn disown(lease: &Lease<Held>) {
    lease.conn().owners.fetch_sub(1, Ordering::SeqCst);
}

fn pick<T: Clone>(from: &[T], at: usize) -> Option<T> {
    from.get(at.checked_rem(from.len())?).cloned()
}

fn take<T>(from: &mut Vec<T>, at: usize) -> Option<T> {
    let at = at.checked_rem(from.len())?;
    Some(from.remove(at))
}

/// Runs the operations in a time of their own, with `check` after each.
fn run(ops: &[Op], check: fn(&mut Rig)) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    runtime.expect("a clock is all it needs").block_on(async {
        let mut rig = Rig::new();
        for op in ops {
            rig.apply(op).await;
            check(&mut rig);
        }
        rig.wind_up().await;
    });
}

fn cases() -> u32 {
    // Read when compiled: a library, its tests included, reads no environment.
    match (cfg!(debug_assertions), option_env!("XTASK_FULL").is_some()) {
        (true, _) => 48,
        (false, false) => 6_000,
        (false, true) => 40_000,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn any_interleaving_over_several_hosts_keeps_the_limits_and_serves_everybody(
        ops in proptest::collection::vec(op(), 1..200),
    ) {
        run(&ops, Rig::check);
    }

    #[test]
    fn by_address_by_host_and_by_id_agree_after_any_interleaving(
        ops in proptest::collection::vec(op(), 1..200),
    ) {
        run(&ops, |rig| rig.check_views());
    }
}

#[test]
fn a_million_hosts_leave_a_bounded_number() {
    let hosts: u32 = if cfg!(debug_assertions) {
        50_000
    } else {
        1_000_000
    };
    let limits = Limits {
        hosts: 64,
        ..Limits::default()
    };
    let (manager, census) = (Manager::new(&limits), Census::default());
    add(&manager, "kept", &census);
    for host in 0..hosts {
        manager.host(&key(&format!("host-{host}")));
        if host.is_multiple_of(997) {
            let kept = manager.hosts().len();
            assert!(kept <= 64 + 64 / 8 + 1, "I16: {kept} hosts");
        }
    }
    assert!(manager.try_acquire(&key("kept")).is_some());
}
