//! Everything that a few events can do to a host with two connections and three who wait: each state that can be
//! reached is audited, and nobody waits for nothing in any.

use std::collections::HashSet;
use std::time::Duration;

use super::LIMITS;
use crate::manager::state::model::world::World;
use crate::manager::state::model::{End, Op, Peer, Seat, Verdict};
use crate::manager::state::{ConnState, DialFailure, HostLimits};
use crate::priority::Priority;

/// Events in a row. One more takes about three times as long, and as much memory.
const DEPTH: usize = match (cfg!(debug_assertions), option_env!("XTASK_FULL")) {
    (true, _) => 5,
    (false, None) => 9,
    (false, Some(_)) => 10,
};

/// How many wait at most.
const WAITERS: usize = 3;

const SCOPE: HostLimits = HostLimits {
    conns: 2,
    dials: 2,
    streams: 2,
    // At once: time passes only for timers here.
    heavy: 2,
    spread: 2,
    spread_after: Duration::ZERO,
    attempt_delay: Duration::from_millis(250),
    // A wait that depends on chance would tell states apart that are the same.
    jitter: 0.0,
    ..LIMITS
};

#[derive(Clone, Copy)]
struct Scope {
    multiplexed: bool,
    /// Whether a second address comes and goes.
    second: bool,
}

impl Scope {
    fn first(self) -> World {
        let expected = if self.multiplexed { 2 } else { 1 };
        let mut world = World::new(SCOPE, true, expected);
        world.apply(&Op::Addresses(if self.second { 0b11 } else { 0b1 }));
        world
    }

    /// Every event that can change this world, one of each kind.
    fn events(self, world: &World) -> Vec<Op> {
        let mut events = Vec::new();
        if world.is_closed() {
            self.ends(world, &mut events);
            return events;
        }
        self.asks(world, &mut events);
        self.ends(world, &mut events);
        for (at, known) in world.conns.iter().enumerate() {
            if !known.is_leaving() {
                events.push(Op::GoAway(at));
                if known.in_flight == 0 && known.state == ConnState::Ready {
                    events.push(Op::Check(at));
                    events.push(Op::EvictIdle(at));
                }
            }
        }
        let multiplexed = world.conns.iter().filter(|known| known.multiplexed);
        for (at, known) in multiplexed.enumerate() {
            for streams in [0, 2] {
                if known.told != Some(streams) && !known.is_leaving() {
                    events.push(Op::Told(at, streams));
                }
            }
        }
        if world.state.asked() > 0 {
            events.push(Op::Permit);
        }
        if world.spreads {
            events.push(Op::Spread);
        }
        if let Some(at) = world.timers.iter().min() {
            let wait = at.saturating_duration_since(world.now);
            events.push(Op::Tick(wait.max(Duration::from_nanos(1))));
        }
        events.push(Op::Judge(1, Verdict::Ejected));
        events.push(Op::Judge(1, Verdict::Active));
        if self.second {
            events.extend([Op::Addresses(0b1), Op::Addresses(0b10), Op::Addresses(0b11)]);
        }
        let conns = if world.limits().conns == 2 { 1 } else { 2 };
        events.push(Op::SetLimits(HostLimits { conns, ..SCOPE }));
        events.push(Op::Close);
        events
    }

    fn asks(self, world: &World, events: &mut Vec<Op>) {
        let waiting = world.state.queue_len();
        let ask = |seat| Op::Ask {
            seat,
            patience: None,
            starving: false,
        };
        if waiting < WAITERS {
            events.push(ask(Seat::Back(Priority::Normal)));
            if waiting > 0 {
                events.push(ask(Seat::Back(Priority::High)));
            }
            for (at, known) in world.conns.iter().enumerate() {
                if !known.is_leaving() {
                    events.push(ask(Seat::On(at)));
                }
            }
        }
        events.extend((0..waiting).map(Op::Cancel));
    }

    /// What is out comes back, and what runs ends.
    fn ends(self, world: &World, events: &mut Vec<Op>) {
        for (at, known) in world.conns.iter().enumerate() {
            events.push(Op::PeerClosed(at));
            let held = world.leases.iter().position(|held| held.conn == known.conn);
            if let Some(lease) = held {
                events.push(Op::End(lease, End::Clean, false));
                if !known.is_leaving() {
                    events.push(Op::End(lease, End::Discard, false));
                    events.push(Op::End(lease, End::Clean, true));
                }
            }
        }
        for at in 0..world.dials.len() {
            let peers: &[Peer] = if self.multiplexed {
                &[Peer::Http2(2), Peer::Untold]
            } else {
                &[Peer::Http1]
            };
            for &peer in peers {
                events.push(Op::Dialled(at, peer, false));
            }
            events.push(Op::DialFailed(at, DialFailure::Endpoint));
            events.push(Op::DialFailed(at, DialFailure::Local));
            events.push(Op::Connected(at));
        }
    }

    /// Breadth first, each state once. Returns how many there are.
    fn explore(self) -> usize {
        let mut seen = HashSet::new();
        let mut frontier = vec![self.first()];
        seen.insert(frontier[0].shape());
        for depth in 1..=DEPTH {
            let mut next = Vec::new();
            for world in frontier {
                for op in self.events(&world) {
                    let mut world = world.clone();
                    // Checked in there, after each event.
                    world.apply(&op);
                    while !world.granted.is_empty() || !world.refused.is_empty() {
                        world.apply(&Op::Collect(0));
                    }
                    if seen.insert(world.shape()) && depth < DEPTH {
                        next.push(world);
                    }
                }
            }
            frontier = next;
        }
        seen.len()
    }
}

fn explore(multiplexed: bool, second: bool) {
    let scope = Scope {
        multiplexed,
        second,
    };
    let states = scope.explore();
    println!("{states} states after up to {DEPTH} events");
    assert!(states > 100, "next to nothing was explored");
}

#[test]
fn every_state_of_an_h1_host_is_in_order() {
    explore(false, false);
}

#[test]
fn every_state_of_an_h1_host_with_a_second_address_is_in_order() {
    explore(false, true);
}

#[test]
fn every_state_of_an_h2_host_is_in_order() {
    explore(true, false);
}

#[test]
fn every_state_of_an_h2_host_with_a_second_address_is_in_order() {
    explore(true, true);
}
