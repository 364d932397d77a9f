//! The wrappers: what each one refuses, for how long, and that they compose.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use pool_localip::{
    AddrSet, AllocContext, Caps, Cooldown, Exclude, Exhausted, ExhaustedReason, Lease,
    LocalAddrAllocator, OsAssigned, Outcome, PortBudget, RestScope, SourceSpec, Strategy, Weighted,
    WorkingSet, conformance,
};

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made from nothing; the tests only shift this one"
)]
fn start() -> Instant {
    Instant::now()
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A dial to this target at this time.
fn to(target: &str, now: Instant) -> AllocContext<'static> {
    AllocContext::new(target.parse().expect("an address"), now)
}

const A: &str = "192.0.2.1:443";
const B: &str = "192.0.2.2:443";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn set(text: &str) -> AddrSet {
    text.parse().expect("sources")
}

fn take(a: &dyn LocalAddrAllocator, cx: &AllocContext<'_>) -> Lease {
    a.allocate(cx).expect("a lease")
}

fn addr(lease: &Lease) -> String {
    lease.addr().expect("an address").to_string()
}

fn refused(a: &dyn LocalAddrAllocator, cx: &AllocContext<'_>) -> Exhausted {
    a.allocate(cx).expect_err("a refusal")
}

/// Leases, reports, and drops.
fn dial(a: &dyn LocalAddrAllocator, cx: &AllocContext<'_>, outcome: Outcome) -> String {
    let lease = take(a, cx);
    lease.report(outcome);
    addr(&lease)
}

#[test]
fn caps_bound_an_address_in_all_and_per_target_and_a_drop_makes_room() {
    let caps = Caps::new(set("127.0.2.1,127.0.2.2"))
        .per_addr(3)
        .per_target(1);
    let now = start();
    let first: Vec<Lease> = (0..2).map(|_| take(&caps, &to(A, now))).collect();
    assert_eq!(
        first.iter().map(addr).collect::<Vec<_>>(),
        ["127.0.2.1", "127.0.2.2"]
    );
    assert_eq!(
        refused(&caps, &to(A, now)),
        Exhausted::all_busy(),
        "one per target"
    );
    let others: Vec<Lease> = ["192.0.2.2:1", "192.0.2.2:2", "192.0.2.2:3", "192.0.2.2:4"]
        .map(|target| take(&caps, &to(target, now)))
        .into();
    assert_eq!(
        refused(&caps, &to("192.0.2.9:9", now)),
        Exhausted::all_busy()
    );
    assert_eq!((caps.in_use(), caps.in_use_of(ip("127.0.2.1"))), (6, 3));
    drop(first);
    assert_eq!(addr(&take(&caps, &to(A, now))), "127.0.2.1");
    drop(others);
    assert_eq!(caps.in_use(), 0);
}

#[test]
fn an_address_without_ports_for_one_target_rests_for_that_target_until_the_time_named() {
    let cooldown = Cooldown::new(set("127.0.2.1,127.0.2.2"));
    let now = start();
    assert_eq!(
        dial(&cooldown, &to(A, now), Outcome::AddrInUse),
        "127.0.2.1"
    );
    let later = now + seconds(5);
    assert_eq!(
        dial(&cooldown, &to(A, later), Outcome::AddrInUse),
        "127.0.2.2"
    );
    // The first rest began when it was noticed, at `later`; the second begins now.
    let refusal = refused(&cooldown, &to(A, later));
    assert_eq!(refusal.reason, ExhaustedReason::Resting);
    assert_eq!(refusal.retry_at, Some(later + seconds(1)));
    assert!(refusal.is_temporary());
    assert_eq!(cooldown.resting(later), 2);
    let wanted = to(A, later).with_want(ip("127.0.2.2"));
    assert_eq!(
        refused(&cooldown, &wanted).retry_at,
        Some(later + seconds(1))
    );
    take(&cooldown, &to(B, later));
    take(&cooldown, &to(A, later + seconds(1)));
    assert_eq!(cooldown.resting(later + seconds(1)), 0);
}

#[test]
fn an_address_that_cannot_be_bound_rests_for_all_targets() {
    let cooldown = Cooldown::new(set("127.0.2.1"));
    let now = start();
    dial(&cooldown, &to(A, now), Outcome::Unbindable);
    let refusal = refused(&cooldown, &to(B, now));
    assert_eq!(refusal.retry_at, Some(now + seconds(10)));
    take(&cooldown, &to(B, now + seconds(10)));
}

#[test]
fn a_rest_doubles_with_each_failure_after_it_and_no_further_than_told() {
    let rests = |cooldown: Cooldown, times: usize| {
        let mut now = start();
        let rest = |_| {
            dial(&cooldown, &to(A, now), Outcome::Unbindable);
            let back = refused(&cooldown, &to(A, now)).retry_at.expect("a time");
            let rest = back - now;
            now = back;
            rest.as_secs()
        };
        (0..times).map(rest).collect::<Vec<_>>()
    };
    let cooldown = || Cooldown::new(set("127.0.2.1"));
    assert_eq!(rests(cooldown(), 6), [10, 20, 40, 80, 80, 80]);
    assert_eq!(rests(cooldown().grow_to(3), 4), [10, 20, 30, 30]);
    assert_eq!(rests(cooldown().grow_to(1), 3), [10, 10, 10]);
    let half_a_day = cooldown().rest(Outcome::Unbindable, RestScope::Addr, seconds(12 * 60 * 60));
    assert_eq!(
        rests(half_a_day, 70).last(),
        Some(&Cooldown::MAX.as_secs()),
        "no rest is longer, however often"
    );
}

#[test]
fn dials_that_fail_together_make_one_rest() {
    let cooldown = Cooldown::new(set("127.0.2.1"));
    let now = start();
    let leases: Vec<_> = (0..5).map(|_| take(&cooldown, &to(A, now))).collect();
    for lease in leases {
        lease.report(Outcome::Unbindable);
        drop(lease);
        let back = refused(&cooldown, &to(A, now)).retry_at;
        assert_eq!(back, Some(now + seconds(10)));
    }
}

#[test]
fn the_first_rest_holds_again_after_a_success_or_a_time_without_failure() {
    let twice = |now| {
        let cooldown = Cooldown::new(set("127.0.2.1"));
        dial(&cooldown, &to(A, now), Outcome::Unbindable);
        refused(&cooldown, &to(A, now));
        dial(&cooldown, &to(A, now + seconds(10)), Outcome::Unbindable);
        refused(&cooldown, &to(A, now + seconds(10)));
        cooldown
    };
    let rest = |cooldown: &Cooldown, now| {
        dial(cooldown, &to(A, now), Outcome::Unbindable);
        let back = refused(cooldown, &to(A, now)).retry_at;
        back.expect("a time") - now
    };
    let now = start();
    let back = now + seconds(30);

    let cooldown = twice(now);
    dial(&cooldown, &to(B, back), Outcome::Connected);
    assert_eq!(rest(&cooldown, back), seconds(10), "a success");

    let cooldown = twice(now);
    dial(&cooldown, &to(B, back), Outcome::TargetFailed);
    assert_eq!(rest(&cooldown, back), seconds(40), "no success");

    let cooldown = twice(now);
    let just_before = back + seconds(20) - Duration::from_nanos(1);
    assert_eq!(rest(&cooldown, just_before), seconds(40), "not long enough");
    let cooldown = twice(now);
    assert_eq!(rest(&cooldown, back + seconds(20)), seconds(10), "long ago");
    assert_eq!(cooldown.resting(back + seconds(40)), 0);
}

#[test]
fn a_success_from_before_the_rest_says_nothing_about_it() {
    let cooldown = Cooldown::new(set("127.0.2.1"));
    let now = start();
    let early = take(&cooldown, &to(A, now));
    early.report(Outcome::Connected);
    dial(&cooldown, &to(A, now), Outcome::Unbindable);
    refused(&cooldown, &to(A, now));
    drop(early);
    assert_eq!(
        refused(&cooldown, &to(A, now)).retry_at,
        Some(now + seconds(10))
    );
    let back = now + seconds(10);
    dial(&cooldown, &to(A, back), Outcome::Unbindable);
    assert_eq!(
        refused(&cooldown, &to(A, back)).retry_at,
        Some(back + seconds(20))
    );
}

#[test]
fn pacing_does_not_slow_down() {
    let cooldown =
        Cooldown::new(set("127.0.2.1")).rest(Outcome::Connected, RestScope::Addr, seconds(2));
    let mut now = start();
    for _ in 0..5 {
        dial(&cooldown, &to(A, now), Outcome::Connected);
        let back = refused(&cooldown, &to(A, now)).retry_at;
        assert_eq!(back, Some(now + seconds(2)));
        now += seconds(2);
    }
}

#[test]
fn the_target_s_failures_make_an_address_rest_only_when_told_to() {
    let now = start();
    for (times, resting) in [(0, 0), (7, 1)] {
        let cooldown = Cooldown::new(set("127.0.2.1")).rest(
            Outcome::TargetFailed,
            RestScope::AddrAndTarget,
            seconds(times),
        );
        dial(&cooldown, &to(A, now), Outcome::TargetFailed);
        assert_eq!(cooldown.resting(now), resting);
    }
}

#[test]
fn a_port_comes_back_a_minute_after_its_connection_was_closed() {
    let ports = PortBudget::new(set("127.0.2.1"), 2);
    let now = start();
    let open = take(&ports, &to(A, now));
    dial(&ports, &to(A, now), Outcome::Connected);
    let refusal = refused(&ports, &to(A, now));
    assert_eq!(refusal.reason, ExhaustedReason::Resting);
    assert_eq!(refusal.retry_at, Some(now + seconds(60)));
    let other = take(&ports, &to(B, now));
    let lease = take(&ports, &to(A, now + seconds(60)));
    assert_eq!(
        refused(&ports, &to(A, now + seconds(60))),
        Exhausted::all_busy(),
        "open connections end when they end"
    );
    let target = to(A, now).target;
    let in_use = |at| ports.in_use_of(ip("127.0.2.1"), target, at);
    assert_eq!(in_use(now + seconds(60)), 2);
    drop((open, other));
    assert_eq!(
        in_use(now + seconds(60)),
        1,
        "a dial that came to nothing keeps no port"
    );
    lease.report(Outcome::Connected);
    drop(lease);
    assert_eq!(in_use(now + seconds(70)), 1);
    assert_eq!(in_use(now + seconds(130)), 0);
    dial(&ports, &to(A, now + seconds(130)), Outcome::TargetFailed);
    assert_eq!(in_use(now + seconds(130)), 0, "nor does one that failed");
}

#[test]
fn what_is_excluded_is_passed_over_until_it_is_no_more() {
    let exclude = Exclude::new(
        set("127.0.2.0/30"),
        ["127.0.2.0/31".parse::<SourceSpec>().unwrap()],
    );
    let now = start();
    let given: HashSet<String> = (0..4).map(|_| addr(&take(&exclude, &to(A, now)))).collect();
    assert_eq!(
        given,
        HashSet::from(["127.0.2.2".into(), "127.0.2.3".into()])
    );
    assert_eq!(exclude.sources(), [ip("127.0.2.2"), ip("127.0.2.3")]);
    let wanted = to(A, now).with_want(ip("127.0.2.1"));
    let refusal = refused(&exclude, &wanted);
    assert_eq!(
        refusal,
        Exhausted::new(ExhaustedReason::NotAllocated(ip("127.0.2.1")))
    );
    exclude.set(["127.0.0.0/8".parse::<SourceSpec>().unwrap()]);
    let refusal = refused(&exclude, &to(A, now));
    assert_eq!(refusal, Exhausted::new(ExhaustedReason::Excluded));
    assert!(!refusal.is_temporary());
    exclude.set([] as [IpAddr; 0]);
    take(&exclude, &wanted);
}

#[test]
fn what_the_operating_system_would_choose_is_refused_while_anything_is_excluded() {
    let exclude = Exclude::new(OsAssigned, [ip("127.0.2.1")]);
    let now = start();
    assert_eq!(
        refused(&exclude, &to(A, now)).reason,
        ExhaustedReason::Excluded
    );
    take(&exclude, &to("[2001:db8::1]:443", now));
    take(&exclude, &to(A, now).with_want(ip("127.0.2.2")));
}

#[test]
fn an_ask_that_saw_too_many_excluded_addresses_in_a_row_asks_again_soon() {
    let half: SourceSpec = "2001:db8::/65".parse().unwrap();
    let exclude = Exclude::new(set("2001:db8::/64"), [half]);
    let now = start();
    let refusal = refused(&exclude, &to("[2001:db8:1::1]:443", now));
    assert_eq!(refusal.reason, ExhaustedReason::AllBusy);
    let soon = refusal.retry_at.expect("no drop would tell");
    assert!(soon > now && soon < now + seconds(1));
    let shuffled = set("2001:db8::/64").strategy(Strategy::Random { seed: 1 });
    let exclude = Exclude::new(shuffled, [half]);
    for _ in 0..100 {
        take(&exclude, &to("[2001:db8:1::1]:443", now));
    }
}

/// Lets two asks in at a time, until one of each pair has been answered.
#[derive(Debug)]
struct InPairs(AddrSet, Barrier);

impl LocalAddrAllocator for InPairs {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        let lease = self.0.allocate(cx);
        if cx.want.is_none() {
            self.1.wait();
        }
        lease
    }

    fn sources(&self) -> Vec<IpAddr> {
        self.0.sources()
    }
}

#[test]
fn two_that_join_a_working_set_at_once_do_not_make_it_too_large() {
    let inner = InPairs(set("127.0.2.0/24"), Barrier::new(2));
    let working = WorkingSet::new(inner, 1);
    let cx = to(A, start());
    let given = thread::scope(|scope| {
        let asks = [(); 2].map(|()| scope.spawn(|| take(&working, &cx)));
        asks.map(|ask| ask.join().unwrap())
    });
    assert_eq!(given[0].addr(), given[1].addr());
    assert_eq!(working.handle().members().len(), 1);
}

#[test]
fn a_working_set_uses_so_many_addresses_and_no_others() {
    let prefix = set("2001:db8::/64").strategy(Strategy::Random { seed: 3 });
    let expected = prefix.sources()[..5].to_vec();
    let working = WorkingSet::new(prefix, 5);
    assert_eq!(
        working.sources(),
        expected,
        "a plan can name them before they join"
    );
    let cx = to("[2001:db8:1::1]:443", start());
    let leases: Vec<Lease> = (0..50).map(|_| take(&working, &cx)).collect();
    let mut uses: HashMap<IpAddr, usize> = HashMap::new();
    for lease in &leases {
        *uses.entry(lease.addr().unwrap()).or_default() += 1;
    }
    assert_eq!(uses, expected.iter().map(|&a| (a, 10)).collect());
    drop(leases);
    assert_eq!(working.handle().members(), expected, "members stay");
    let outside = cx.with_want(ip("2001:db8::1:2:3:4"));
    assert!(matches!(
        refused(&working, &outside).reason,
        ExhaustedReason::NotAllocated(_)
    ));
}

#[test]
fn a_working_set_that_shrinks_drains_and_one_that_grows_takes_back_first() {
    let working = WorkingSet::new(set("127.0.2.0/24"), 3);
    let handle = working.handle();
    let cx = to(A, start());
    let mut leases: Vec<Lease> = (0..4).map(|_| take(&working, &cx)).collect();
    let names = |addrs: Vec<IpAddr>| addrs.iter().map(ToString::to_string).collect::<Vec<_>>();
    handle.resize(1);
    assert_eq!(
        names(handle.members()),
        ["127.0.2.0"],
        "it has two leases, the others one"
    );
    assert_eq!(names(handle.draining()), ["127.0.2.1", "127.0.2.2"]);
    assert_eq!(addr(&take(&working, &cx)), "127.0.2.0");
    drop(leases.remove(1));
    assert_eq!(
        names(handle.draining()),
        ["127.0.2.2"],
        "gone with its last lease"
    );
    handle.resize(2);
    assert_eq!(names(handle.members()), ["127.0.2.0", "127.0.2.2"]);
    handle.resize(4);
    let more: HashSet<String> = (0..8).map(|_| addr(&take(&working, &cx))).collect();
    assert_eq!(more.len(), 4);
    drop(leases);
    assert_eq!(names(handle.draining()), [""; 0]);
}

#[test]
fn an_excluded_member_of_a_working_set_makes_room_for_another() {
    let working = WorkingSet::new(set("127.0.2.0/24"), 1);
    let handle = working.handle();
    let exclude = Exclude::new(working, [] as [IpAddr; 0]);
    let now = start();
    assert_eq!(addr(&take(&exclude, &to(A, now))), "127.0.2.0");
    exclude.set([ip("127.0.2.0")]);
    let again = refused(&exclude, &to(A, now)).retry_at.expect("soon");
    assert_eq!(addr(&take(&exclude, &to(A, again))), "127.0.2.1");
    assert_eq!(handle.members(), [ip("127.0.2.1")]);
}

#[test]
fn weights_say_how_often_each_is_taken() {
    let weighted = Weighted::new()
        .with(3, set("127.0.2.1"))
        .with(1, set("127.0.2.2").max_per_addr(1))
        .with(9, set("::1"));
    let cx = to(A, start());
    let turns: Vec<String> = (0..8).map(|_| addr(&take(&weighted, &cx))).collect();
    let last = |name: &String| name.as_bytes()[8];
    assert_eq!(turns.iter().map(last).collect::<Vec<_>>(), b"11211121");
    let held = take(&weighted, &cx.with_want(ip("127.0.2.2")));
    for _ in 0..100 {
        assert_eq!(
            addr(&take(&weighted, &cx)),
            "127.0.2.1",
            "the other is full"
        );
    }
    drop(held);
    let turns = (0..8).map(|_| addr(&take(&weighted, &cx)));
    let others = turns.filter(|turn| turn == "127.0.2.2").count();
    assert!(
        (1..=3).contains(&others),
        "{others}: it has not saved up turns"
    );
    let outside = refused(&weighted, &cx.with_want(ip("127.0.2.9")));
    assert!(matches!(outside.reason, ExhaustedReason::NotAllocated(_)));
    let v4_only = Weighted::new().with(1, set("127.0.2.1"));
    let v6 = to("[::1]:1", start());
    assert_eq!(
        refused(&v4_only, &v6),
        Exhausted::family_mismatch(v6.target)
    );
}

#[test]
fn of_several_reasons_the_answer_is_the_one_that_waiting_can_mend() {
    // One excluded, one resting, one full.
    let now = start();
    let base = set("127.0.2.1,127.0.2.2,127.0.2.3");
    let stack = Exclude::new(
        Caps::new(Cooldown::new(base)).per_addr(1),
        [ip("127.0.2.1")],
    );
    assert_eq!(dial(&stack, &to(A, now), Outcome::Unbindable), "127.0.2.2");
    let held = take(&stack, &to(A, now));
    let refusal = refused(&stack, &to(A, now));
    assert_eq!(
        refusal,
        Exhausted::all_busy().with_retry_at(now + seconds(10))
    );
    drop(held);
    let other = dial(&stack, &to(A, now), Outcome::Unbindable);
    assert_eq!(other, "127.0.2.3");
    assert_eq!(
        refused(&stack, &to(A, now)).reason,
        ExhaustedReason::Resting
    );
}

/// An allocator that never asks what the wrappers permit.
#[derive(Debug)]
struct Deaf(AddrSet);

impl LocalAddrAllocator for Deaf {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        let plain = AllocContext::new(cx.target, cx.now).with_want(cx.want);
        self.0.allocate(&plain)
    }

    fn sources(&self) -> Vec<IpAddr> {
        self.0.sources()
    }
}

#[test]
fn an_allocator_that_does_not_ask_the_wrappers_is_asked_again() {
    let caps = Caps::new(Deaf(set("127.0.2.0/28"))).per_target(1);
    let now = start();
    let leases: Vec<Lease> = (0..16).map(|_| take(&caps, &to(A, now))).collect();
    let distinct: HashSet<String> = leases.iter().map(addr).collect();
    assert_eq!(distinct.len(), 16);
    let refusal = refused(&caps, &to(A, now));
    assert_eq!(refusal.reason, ExhaustedReason::AllBusy);
    assert!(
        refusal.retry_at.is_some(),
        "not all may have been looked at"
    );
}

type Wrap = fn(Arc<dyn LocalAddrAllocator>) -> Arc<dyn LocalAddrAllocator>;

/// Every wrapper, tight enough to refuse.
const WRAPPERS: [(&str, Wrap); 7] = [
    ("Caps", |inner| {
        Arc::new(Caps::new(inner).per_addr(5).per_target(2))
    }),
    ("Cooldown", |inner| {
        Arc::new(Cooldown::new(inner).rest(
            Outcome::TargetFailed,
            RestScope::AddrAndTarget,
            seconds(3),
        ))
    }),
    ("PortBudget", |inner| Arc::new(PortBudget::new(inner, 2))),
    ("Exclude", |inner| {
        Arc::new(Exclude::new(inner, [ip("127.0.2.2"), ip("2001:db8::2")]))
    }),
    ("WorkingSet", |inner| Arc::new(WorkingSet::new(inner, 3))),
    ("Weighted", |inner| Arc::new(Weighted::new().with(2, inner))),
    ("Box", |inner| Arc::new(Box::new(inner))),
];

fn base(strategy: Strategy) -> Arc<dyn LocalAddrAllocator> {
    let sources = set("127.0.2.0/29,2001:db8::/125").strategy(strategy);
    Arc::new(sources.max_per_addr(4))
}

#[test]
fn every_wrapper_conforms_around_every_other() {
    let mut turn = false;
    for (outer_name, outer) in WRAPPERS {
        for (inner_name, inner) in WRAPPERS {
            // Each wrapper sees both families, though not each pair.
            turn = !turn;
            let target = if turn { A } else { "[2001:db8:1::1]:443" };
            println!("{outer_name} around {inner_name}, {target}");
            let stack = outer(inner(base(Strategy::Random { seed: 5 })));
            conformance::allocator(&stack, target.parse().unwrap());
        }
    }
}

#[test]
fn every_wrapper_conforms_around_what_the_operating_system_chooses_and_what_does_not_ask() {
    for (name, wrap) in WRAPPERS {
        println!("{name}");
        conformance::allocator(&wrap(Arc::new(OsAssigned)), A.parse().unwrap());
        if ["Weighted", "Box"].contains(&name) {
            // These pass questions on: what is inside answers for itself.
            continue;
        }
        let deaf = Deaf(set("127.0.2.0/29").max_per_addr(4));
        conformance::allocator(&wrap(Arc::new(deaf)), A.parse().unwrap());
    }
}
