//! The wrappers against a model that keeps everything in lists and looks at everything.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pool_localip::{
    AddrSet, AllocContext, Caps, Cooldown, Exclude, Exhausted, ExhaustedReason, Lease,
    LocalAddrAllocator, Outcome, RestScope, Strategy,
};
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as _;

#[derive(Clone, Debug)]
enum Step {
    /// Asks for the target of this number, and for an address if there is one.
    Ask(u8, Option<u8>),
    /// Ends the lease at this index with this report.
    End(usize, Option<Outcome>),
    Wait(u64),
    /// Excludes the addresses whose bits are set.
    Exclude(u8),
}

fn steps() -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        Just(None),
        Just(Some(Outcome::Connected)),
        Just(Some(Outcome::AddrInUse)),
        Just(Some(Outcome::Unbindable)),
    ];
    let step = prop_oneof![
        8 => (0u8..3).prop_map(|target| Step::Ask(target, None)),
        1 => (0u8..3, 0u8..4).prop_map(|(target, addr)| Step::Ask(target, Some(addr))),
        6 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Step::End(which, outcome)),
        1 => (0u64..4).prop_map(Step::Wait),
        1 => (0u8..16).prop_map(Step::Exclude),
    ];
    vec(step, 0..150)
}

fn target(number: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], number.into()))
}

fn addr(number: u8) -> IpAddr {
    IpAddr::from([127, 0, 2, number])
}

const ADDRS: u8 = 4;
const PER_ADDR: usize = 3;
const PER_TARGET: usize = 2;
const TARGET_REST: Duration = Duration::from_secs(2);
const ADDR_REST: Duration = Duration::from_secs(3);

const GROWTH: u32 = 4;

/// What rests: an address, for one target or for all.
type Resting = (IpAddr, Option<SocketAddr>);

#[derive(Default)]
struct Model {
    /// With the time of the ask.
    held: Vec<(IpAddr, SocketAddr, Instant)>,
    /// With the first rest, and the time of the ask of what failed.
    failed: Vec<(Resting, Duration, Instant)>,
    rests: HashMap<Resting, Rest>,
    excluded: u8,
}

#[derive(Clone, Copy)]
struct Rest {
    until: Instant,
    forget: Instant,
    times: u32,
}

impl Model {
    /// What is said of an address: what lasts longest first.
    fn look(&self, number: u8, target: SocketAddr, now: Instant) -> Result<(), ExhaustedReason> {
        let addr = addr(number);
        let count = |target: Option<SocketAddr>| {
            let same = |held: &&(_, _, _)| held.0 == addr && target.is_none_or(|t| held.1 == t);
            self.held.iter().filter(same).count()
        };
        if self.excluded & (1 << number) != 0 {
            Err(ExhaustedReason::Excluded)
        } else if self.rest(number, target).is_some_and(|until| now < until) {
            Err(ExhaustedReason::Resting)
        } else if count(None) >= PER_ADDR || count(Some(target)) >= PER_TARGET {
            Err(ExhaustedReason::AllBusy)
        } else {
            Ok(())
        }
    }

    fn rest(&self, number: u8, target: SocketAddr) -> Option<Instant> {
        let scopes = [None, Some(target)];
        let until = scopes.map(|scope| self.rests.get(&(addr(number), scope)));
        let until = until.map(|rest| rest.map(|rest| rest.until));
        until.into_iter().flatten().max()
    }

    /// What the answer to an ask must be if no address among these does.
    fn refusal(&self, among: &[u8], target: SocketAddr, now: Instant) -> Exhausted {
        let word = |&number: &u8| self.look(number, target, now).expect_err("none does");
        let words: Vec<ExhaustedReason> = among.iter().map(word).collect();
        let reasons = [
            ExhaustedReason::AllBusy,
            ExhaustedReason::Resting,
            ExhaustedReason::Excluded,
        ];
        let reason = reasons.into_iter().find(|reason| words.contains(reason));
        let mut refusal = Exhausted::new(reason.expect("each has one"));
        let resting = among.iter().zip(&words);
        let resting = resting.filter(|(_, word)| **word == ExhaustedReason::Resting);
        refusal.retry_at = resting
            .filter_map(|(&number, _)| self.rest(number, target))
            .min();
        refusal
    }

    fn end(&mut self, which: usize, outcome: Option<Outcome>) {
        let (addr, target, begun) = self.held.swap_remove(which);
        match outcome {
            Some(Outcome::AddrInUse) => {
                self.failed.push(((addr, Some(target)), TARGET_REST, begun));
            }
            Some(Outcome::Unbindable) => self.failed.push(((addr, None), ADDR_REST, begun)),
            Some(Outcome::Connected) => self.rests.retain(|&(of, scope), rest| {
                of != addr || scope.is_some_and(|scope| scope != target) || begun < rest.until
            }),
            _ => {}
        }
    }

    fn notice(&mut self, now: Instant) {
        for (resting, first, begun) in self.failed.drain(..) {
            let before = self.rests.get(&resting).copied();
            let times = match before {
                None => 1,
                Some(before) if begun < before.until => before.times,
                Some(before) => GROWTH.min(before.times * 2),
            };
            let until = now + first * times;
            let forget = until + first * times;
            let rest = Rest {
                until: before.map_or(until, |before| before.until.max(until)),
                forget: before.map_or(forget, |before| before.forget.max(forget)),
                times,
            };
            self.rests.insert(resting, rest);
        }
        self.rests.retain(|_, rest| now < rest.forget);
    }
}

proptest! {
    #[test]
    fn a_stack_leases_and_refuses_what_the_model_does(steps in steps(), strategy in prop_oneof![
        Just(Strategy::RoundRobin),
        any::<u64>().prop_map(|seed| Strategy::Random { seed }),
        Just(Strategy::LeastUsed),
    ]) {
        let set: AddrSet = "127.0.2.0/30".parse().unwrap();
        let set = Arc::new(set.strategy(strategy));
        let caps = Arc::new(Caps::new(Arc::clone(&set)).per_addr(PER_ADDR).per_target(PER_TARGET));
        let cooldown = Cooldown::new(Arc::clone(&caps))
            .rest(Outcome::AddrInUse, RestScope::AddrAndTarget, TARGET_REST)
            .rest(Outcome::Unbindable, RestScope::Addr, ADDR_REST)
            .grow_to(GROWTH);
        let stack = Exclude::new(cooldown, [] as [IpAddr; 0]);
        let mut model = Model::default();
        let mut leases: Vec<Lease> = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from nothing; the steps shift this one")]
        let mut now = Instant::now();
        for step in steps {
            match step {
                Step::Wait(seconds) => now += Duration::from_secs(seconds),
                Step::Exclude(bits) => {
                    stack.set((0..ADDRS).filter(|number| bits & (1 << number) != 0).map(addr));
                    model.excluded = bits;
                }
                Step::End(_, _) if leases.is_empty() => {}
                Step::End(which, outcome) => {
                    let which = which % leases.len();
                    let lease = leases.swap_remove(which);
                    model.end(which, outcome);
                    outcome.into_iter().for_each(|outcome| lease.report(outcome));
                }
                Step::Ask(port, want) => {
                    let target = target(port);
                    model.notice(now);
                    let among: Vec<u8> = want.map_or_else(|| (0..ADDRS).collect(), |number| vec![number]);
                    match stack.allocate(&AllocContext::new(target, now).with_want(want.map(addr))) {
                        Ok(lease) => {
                            let given = lease.addr().unwrap();
                            let number = among.iter().find(|&&number| addr(number) == given);
                            prop_assert!(number.is_some(), "{} was not asked for", given);
                            prop_assert_eq!(model.look(*number.unwrap(), target, now), Ok(()));
                            leases.push(lease);
                            model.held.push((given, target, now));
                        }
                        Err(refusal) => {
                            for &number in &among {
                                prop_assert!(model.look(number, target, now).is_err(), "{} would do", addr(number));
                            }
                            let mut expected = model.refusal(&among, target, now);
                            if let (ExhaustedReason::Excluded, Some(number)) = (&expected.reason, want) {
                                expected.reason = ExhaustedReason::NotAllocated(addr(number));
                            }
                            prop_assert_eq!(refusal, expected);
                        }
                    }
                }
            }
            prop_assert_eq!((set.in_use(), caps.in_use()), (leases.len(), leases.len()));
        }
        drop(leases);
        prop_assert_eq!((set.in_use(), caps.in_use()), (0, 0));
    }
}
