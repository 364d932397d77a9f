//! Any sequence of events leaves the host's books in order: a plan of what may happen drives the real state, and a
//! naive world of connections and queues predicts each step and checks it.

mod ops;
mod queue;
mod rules;
mod shape;
pub(super) mod world;

use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

pub(super) use self::ops::{End, Op, Peer, Seat, Verdict};
use self::world::World;
use super::HostLimits;
use super::tests::LIMITS;

/// What can be said of a run without watching it: enough to choose what may come next.
#[derive(Clone, Debug)]
struct Plan {
    resolves: bool,
    /// What a first dial is expected to bring.
    expected: usize,
    limits: HostLimits,
    /// Who may still wait or hold something.
    asked: usize,
    closed: bool,
}

impl ReferenceStateMachine for Plan {
    type State = Self;
    type Transition = Op;

    fn init_state() -> BoxedStrategy<Self> {
        let expected = prop_oneof![Just(1_usize), Just(3)];
        let times = (ops::when_busy(), ops::attempt_delay());
        (any::<bool>(), expected, times, ops::spread())
            .prop_map(
                |(resolves, expected, (when_busy, attempt_delay), (heavy, spread))| Self {
                    resolves,
                    expected,
                    limits: HostLimits {
                        when_busy,
                        attempt_delay,
                        heavy,
                        spread,
                        ..LIMITS
                    },
                    asked: 0,
                    closed: false,
                },
            )
            .boxed()
    }

    fn transitions(plan: &Self) -> BoxedStrategy<Op> {
        if plan.closed {
            ops::after_the_close().boxed()
        } else if plan.asked == 0 {
            // Nobody could leave or give back anything.
            prop_oneof![3 => ops::ask(), 1 => ops::any_op(plan.limits)].boxed()
        } else {
            ops::any_op(plan.limits).boxed()
        }
    }

    fn preconditions(plan: &Self, op: &Op) -> bool {
        !matches!(op, Op::Cancel(_) | Op::Collect(_) | Op::End(..)) || plan.asked > 0
    }

    fn apply(mut plan: Self, op: &Op) -> Self {
        match op {
            Op::Ask { .. } => plan.asked += 1,
            Op::SetLimits(limits) => plan.limits = *limits,
            Op::Close => plan.closed = true,
            _ => {}
        }
        plan
    }
}

/// The host's state under the plan.
struct HostMachine;

impl StateMachineTest for HostMachine {
    type SystemUnderTest = World;
    type Reference = Plan;

    fn init_test(plan: &Plan) -> World {
        World::new(plan.limits, plan.resolves, plan.expected)
    }

    fn apply(mut world: World, plan: &Plan, op: Op) -> World {
        world.apply(&op);
        assert_eq!(*world.limits(), plan.limits, "I19: the limits last set");
        assert_eq!(world.is_closed(), plan.closed);
        world
    }

    fn teardown(world: World, _: Plan) {
        world.wind_up();
    }
}

/// Few in the ordinary debug run, which is there to be quick; the step `model` runs them in release.
fn cases() -> u32 {
    // Read when compiled: a library, its tests included, reads no environment.
    match (cfg!(debug_assertions), option_env!("XTASK_FULL").is_some()) {
        (true, false) => 64,
        (true, true) => 256,
        (false, false) => 10_000,
        (false, true) => 60_000,
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn any_sequence_of_events_keeps_the_books(sequential 1..200 => HostMachine);
}
