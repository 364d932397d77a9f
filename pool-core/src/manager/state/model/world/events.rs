//! What each event must do: the real state does it, and the naive lists follow.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::ops::{End, Op, Peer, Seat};
use super::super::queue::Waiting;
use super::{Held, Known, Lookup, World, pick, take};
use crate::manager::reason::CloseReason;
use crate::manager::state::tests::addr;
use crate::manager::state::{
    Actions, Arrival, Claim, ConnRef, ConnState, DialFailure, DialRef, Full, Leased, Returned,
    Standing, Turned,
};
use crate::manager::waiters::{Place, WaiterRef};

impl World {
    pub(super) fn event(&mut self, op: &Op, out: &mut Actions) -> Option<Claim> {
        let now = self.now;
        match *op {
            Op::Ask {
                seat,
                patience,
                starving,
            } => return self.ask(seat, patience, starving, out),
            Op::Cancel(at) => self.cancel(at, out),
            Op::Collect(at) => self.collect(at),
            Op::End(at, how, starving) => {
                if let Some(held) = take(&mut self.leases, at) {
                    self.end(held, how, starving, out);
                }
            }
            Op::ExpectBack(at) => {
                if let Some(held) = pick(&self.leases, at) {
                    self.state.expect_back(held.conn);
                    if let Some(known) = self.known_mut(held.conn)
                        && known.state == ConnState::Ready
                        && !known.multiplexed
                    {
                        known.returning = true;
                    }
                }
            }
            Op::Add(to, streams) => self.add(addr(to), streams, out),
            Op::GiveWay(to) => {
                let idle = self.idle(|known| known.addr == addr(to));
                let oldest = idle.iter().map(|known| known.last_used).min();
                let gone = self.state.give_way(addr(to), now, out);
                assert_eq!(gone.is_some(), oldest.is_some(), "an idle one gives way");
                if let Some(gone) = gone {
                    let known = self.known(gone).expect("it was there");
                    assert_eq!(Some(known.last_used), oldest, "the longest idle");
                    self.step.leave.push((gone.id, CloseReason::Replaced));
                }
            }
            Op::Permit => {
                let used = self.state.granted(now, out);
                assert!(self.step.asked > 0 || !used, "I2: a permit for nobody");
                assert!(
                    used || self.state.asked() == 0,
                    "I3: asked, and not in the ring"
                );
            }
            Op::Connected(at) => {
                if let Some((dial, _)) = pick(&self.dials, at) {
                    self.state.connected(dial, now, out);
                }
            }
            Op::Dialled(at, peer, checked) => {
                if let Some((dial, to)) = take(&mut self.dials, at) {
                    return self.dialled(dial, to, peer, checked, out);
                }
            }
            Op::DialFailed(at, failure) => {
                if let Some((dial, to)) = take(&mut self.dials, at) {
                    self.dial_failed(dial, to, failure, out);
                }
            }
            Op::Spread => self.spread(out),
            Op::UpkeepDial(to) => {
                let full = self.step.load >= self.limits.conns
                    || self.step.dials + self.step.asked >= self.limits.dials;
                let standing = self.places.get(&addr(to)).copied();
                let dial = self.state.dial_for_upkeep(addr(to), now, out);
                let load = self.step.loads.get(&addr(to)).copied().unwrap_or(0);
                let may = !self.closed
                    && !full
                    && standing.is_some_and(|standing| standing != Standing::Gone)
                    && load < self.limits.per_endpoint;
                assert_eq!(dial.is_some(), may, "I1: upkeep within the limits");
                if let Some(dial) = dial {
                    self.counted.dials += 1;
                    self.dials.push((dial, addr(to)));
                }
            }
            Op::Told(at, streams) => {
                let multiplexed = self.conns.iter().filter(|known| known.multiplexed);
                let conns: Vec<ConnRef> = multiplexed.map(|known| known.conn).collect();
                if let Some(conn) = pick(&conns, at) {
                    let known = self.known_mut(conn).expect("it is there");
                    known.told = Some(streams);
                    self.expected = streams.min(self.limits.streams).max(1);
                    self.state.set_peer_limit(conn, streams, now, out);
                }
            }
            Op::GoAway(at) => self.drain(at, CloseReason::GoAway, out),
            Op::Remove(at) => self.drain(at, CloseReason::Removed, out),
            Op::PeerClosed(at) => {
                if let Some(known) = pick(&self.conns, at) {
                    self.peer_closed(&known, out);
                }
            }
            Op::Check(at) => {
                let known = pick(&self.conns, at)?;
                let claim = self.state.claim_for_check(known.conn, now);
                let may = !self.closed && known.is_idle();
                assert_eq!(claim.is_some(), may, "I6: a check of an idle connection");
                let claim = claim?;
                self.assert_claim(&known, &claim);
                let known = self.known_mut(known.conn).expect("it is there");
                known.state = ConnState::Probing;
                known.in_flight = 1;
                self.counted.acquired += 1;
                self.leases.push(Held::new(&claim));
            }
            Op::CheckInstead(at) => {
                let held = pick(&self.leases, at)?;
                let turned = self.state.check_instead(held.conn);
                let only =
                    |known: &&mut Known| known.state == ConnState::Ready && known.in_flight == 1;
                let known = self.known_mut(held.conn).filter(only);
                assert_eq!(turned, known.is_some(), "the only lease may be a check");
                if let Some(known) = known {
                    known.state = ConnState::Probing;
                    known.uses -= 1;
                    known.returning = false;
                }
            }
            Op::WithinCheck(at) => {
                let held = pick(&self.leases, at)?;
                let claim = self.state.claim_within_check(held.conn, now);
                let known = self.known(held.conn).cloned();
                let known = known.filter(|known| known.state == ConnState::Probing);
                assert_eq!(claim.is_some(), known.is_some(), "within a check alone");
                if let (Some(claim), Some(known)) = (claim, known) {
                    self.assert_claim(&known, &claim);
                    let known = self.known_mut(held.conn).expect("it is there");
                    known.in_flight += 1;
                    self.counted.acquired += 1;
                    self.leases.push(Held {
                        within: true,
                        ..Held::new(&claim)
                    });
                }
            }
            Op::EvictIdle(at) => {
                let known = pick(&self.conns, at)?;
                let evicted = self
                    .state
                    .evict_idle(known.conn, CloseReason::Idle, now, out);
                assert_eq!(
                    evicted,
                    known.is_idle(),
                    "an eviction spares what is in use"
                );
                if evicted {
                    self.step.leave.push((known.conn.id, CloseReason::Idle));
                }
            }
            Op::EvictIdleFor(max_idle, most) => {
                let mut idle = self.idle(|_| true);
                idle.sort_by_key(|known| known.last_used);
                let old =
                    |known: &&Known| now.saturating_duration_since(known.last_used) > max_idle;
                let due = idle.iter().filter(old).count().min(most);
                let evicted = self.state.evict_idle_for(max_idle, most, now, out);
                assert_eq!(evicted, due, "as many as are old");
                self.leave_oldest(idle, due, CloseReason::Idle);
            }
            Op::Reclaim(min_idle) => {
                let mut idle = self.idle(|_| true);
                idle.sort_by_key(|known| known.last_used);
                let old = idle.first().is_some_and(|known| {
                    now.saturating_duration_since(known.last_used) >= min_idle
                });
                assert_eq!(self.state.reclaim(min_idle, now, out), old);
                self.counted.stolen += u64::from(old);
                self.leave_oldest(idle, usize::from(old), CloseReason::Reclaimed);
            }
            Op::GiveUpUseless => {
                let useless = self.idle(|known| !self.is_active(known.addr));
                assert_eq!(self.state.give_up_useless(now, out), !useless.is_empty());
            }
            Op::ShedIdle => {
                let mut idle = self.idle(|_| true);
                idle.sort_by_key(|known| known.last_used);
                let shed = self.state.shed_idle(now, out);
                assert_eq!(shed, !idle.is_empty());
                self.leave_oldest(idle, usize::from(shed), CloseReason::Surplus);
            }
            Op::ShedBusy => {
                let staying = self.conns.iter().filter(|known| !known.is_leaving());
                let fewest = staying.map(|known| known.in_flight).min();
                let shed = self.state.shed_busy(now, out);
                assert_eq!(shed, fewest.is_some());
                let leaves = |known: &&Known| {
                    let slot = self.state.find(known.conn);
                    slot.is_some_and(|slot| self.state.conns[slot].is_leaving())
                };
                // Of those with equally few leases, whichever went.
                let mut staying = self.conns.iter().filter(|known| !known.is_leaving());
                let went = staying.find(|known| Some(known.in_flight) == fewest && leaves(known));
                let went = went.map(|known| (known.conn.id, CloseReason::Surplus));
                assert_eq!(went.is_some(), shed, "the fewest leases");
                self.step.leave.extend(went);
            }
            Op::Observe(to, outcome) => {
                let active = self.places.get(&addr(to)) == Some(&Standing::Active);
                let seen = self.state.observe(addr(to), outcome, None, now);
                assert_eq!(seen.is_some(), active, "who is out is not judged");
            }
            Op::Judge(to, verdict) => self.judge(addr(to), verdict, out),
            Op::Prefer(to) => self.state.prefer(addr(to)),
            Op::PassOver(to) => self.state.pass_over(addr(to)),
            Op::Addresses(set) => self.addresses(set, out),
            Op::Trials(set, on_trial) => self.trials(set, on_trial, out),
            Op::Forbid(set) => self.forbid(set, out),
            Op::LookupFailed => {
                if self.lookup == Lookup::Resolving {
                    self.lookup = Lookup::Unknown;
                    self.step.lookup_failed = true;
                    self.step.refuse = self.queues.in_line().map(|w| w.waiter).collect();
                }
                self.state.lookup_failed(now, out);
            }
            Op::ForgetAddresses => {
                let quiet = self.is_quiet();
                assert_eq!(self.state.forget_addresses(), quiet);
                if quiet && self.lookup == Lookup::Known {
                    self.lookup = Lookup::Unknown;
                }
            }
            Op::SetLimits(limits) => {
                self.limits = limits;
                self.state.set_limits(limits, now, out);
            }
            Op::Tick(time) => {
                self.now = now.checked_add(time).unwrap_or(now);
                let due = self.timers.iter().any(|&at| at <= self.now);
                if due || time.is_zero() {
                    self.timers.retain(|&at| at > self.now);
                    self.readmit();
                    self.state.tick(self.now, out);
                }
            }
            Op::GiveUp => {
                self.timers.clear();
                self.step.refuse = self.queues.in_line().map(|w| w.waiter).collect();
                self.state.give_up(out);
            }
            Op::Forget => {
                let empty = self.is_quiet() && self.leases.is_empty();
                assert_eq!(self.state.retire_host(), empty, "only an empty host");
                if empty {
                    self.assert_retired(out);
                }
            }
            Op::Late(at, what) => self.late(at, what),
            Op::Close => {
                if !self.closed {
                    self.closed = true;
                    let staying = self.conns.iter().filter(|known| !known.is_leaving());
                    let leave = staying.map(|known| (known.conn.id, CloseReason::PoolClosed));
                    self.step.leave = leave.collect();
                }
                self.state.close(out);
            }
        }
        None
    }

    /// As the manager does: a claim first, then a place in the queue.
    fn ask(
        &mut self,
        seat: Seat,
        patience: Option<Duration>,
        starving: bool,
        out: &mut Actions,
    ) -> Option<Claim> {
        let now = self.now;
        let place = match seat {
            Seat::Back(priority) => Place::Back(priority),
            Seat::Front => Place::Front,
            Seat::On(at) => {
                let named = self.conns.iter().map(|known| known.conn);
                let named: Vec<ConnRef> = named.chain(self.gone.iter().copied()).collect();
                Place::On(pick(&named, at)?.id)
            }
        };
        let mut first = Actions::new();
        let claim = match place {
            Place::On(id) => {
                let conn = self.state.named(id);
                let claim = conn.and_then(|conn| self.state.claim_on(conn, now));
                let free = self
                    .conns
                    .iter()
                    .any(|known| known.conn.id == id && self.has_room(known));
                assert_eq!(claim.is_some(), free && !self.closed, "I3: a claim on one");
                claim
            }
            Place::Back(_) | Place::Front => {
                let served = self.predict_claim(starving);
                let claim = self.state.claim(now, starving, &mut first);
                assert_eq!(claim.is_some(), served, "I3: a claim while there is room");
                claim
            }
        };
        let any = claim.as_ref().filter(|_| !matches!(place, Place::On(_)));
        self.carry_out_claim(first, any);
        if let Some(claim) = claim {
            if !matches!(place, Place::On(_)) {
                self.assert_best(&claim);
            }
            return Some(claim);
        }
        self.begin();
        let there = |id| {
            let mut staying = self.conns.iter().filter(|known| !known.is_leaving());
            staying.any(|known| known.conn.id == id)
        };
        let turned = if self.closed {
            Err(Turned::Closed)
        } else if matches!(place, Place::On(id) if !there(id)) {
            Err(Turned::Gone)
        } else if place != Place::Front && self.queues.queued() >= self.limits.waiters {
            self.counted.turned_away += 1;
            Err(Turned::Full)
        } else {
            self.counted.queued += 1;
            let longest = self.counted.longest_queue.max(self.queues.queued() + 1);
            self.counted.longest_queue = longest;
            Ok(())
        };
        let deadline = patience.and_then(|time| now.checked_add(time));
        let joined = self.state.join(place, deadline, now, out);
        assert_eq!(joined.map(|_| ()), turned, "who may join");
        if let Ok(waiter) = joined {
            let known = self.queues.all().any(|other| other.waiter == waiter);
            assert!(!known, "I2: a name is used once");
            self.queues.join(
                place,
                Waiting {
                    waiter,
                    deadline,
                    charged: 0,
                },
            );
        }
        None
    }

    /// Whether a claim must succeed, and how many connections it must give up on the way.
    fn predict_claim(&mut self, starving: bool) -> bool {
        if self.closed || self.queues.len() > 0 {
            return false;
        }
        self.readmit();
        let mut usable = self.usable().count();
        while usable > 0 {
            if !self.turn_is_over(starving) {
                return true;
            }
            self.step.reclaimed += 1;
            usable -= 1;
        }
        false
    }

    fn turn_is_over(&mut self, starving: bool) -> bool {
        let over = starving && self.turns >= self.limits.fair_turn;
        self.turns = if starving && !over { self.turns + 1 } else { 0 };
        over
    }

    fn cancel(&mut self, at: usize, out: &mut Actions) {
        let queued: Vec<WaiterRef> = self.queues.all().map(|w| w.waiter).collect();
        let granted = self.granted.iter().map(|(waiter, _)| *waiter);
        let all: Vec<WaiterRef> = queued.iter().copied().chain(granted).collect();
        let Some(waiter) = pick(&all, at) else { return };
        let was_queued = self.queues.remove(waiter);
        assert_eq!(self.state.leave(waiter), was_queued, "I4: it leaves once");
        assert!(!self.state.leave(waiter), "I4: gone for good");
        self.counted.cancelled += u64::from(was_queued);
        if let Some(at) = self.granted.iter().position(|(other, _)| *other == waiter) {
            // What it was granted goes the way of every lease.
            let (_, held) = self.granted.remove(at);
            self.end(held, End::Clean, false, out);
        }
    }

    fn collect(&mut self, at: usize) {
        if let Some((waiter, held)) = take(&mut self.granted, at) {
            assert!(!self.state.leave(waiter), "it was served");
            self.leases.push(held);
        } else if let Some(waiter) = take(&mut self.refused, at) {
            assert!(!self.state.leave(waiter), "it was refused");
        }
    }

    fn end(&mut self, held: Held, how: End, starving: bool, out: &mut Actions) {
        let (now, conn) = (self.now, held.conn);
        let how = match how {
            End::Clean => Returned::Clean,
            End::Failed => Returned::Failed,
            End::Discard => Returned::Discard(CloseReason::Error),
        };
        self.counted.released += 1;
        let before = self.known(conn).is_none().then(|| self.print());
        let lease = Leased {
            conn,
            since: held.since,
        };
        self.state.release(lease, how, now, starving, out);
        if let Some(before) = before {
            assert_eq!(before, self.print(), "I15: a lease of an earlier life");
            assert!(out.is_empty(), "I15: a lease of an earlier life");
            return;
        }
        let wanted = self.queues.next(conn.id).is_some();
        let known = self.known_mut(conn).expect("it is there");
        known.in_flight -= 1;
        known.returning = false;
        if !known.listed {
            known.last_used = now;
        }
        if how == Returned::Clean {
            known.in_a_row = 0;
        } else {
            known.errors += 1;
            known.in_a_row += 1;
        }
        let (state, in_flight) = (known.state, known.in_flight);
        let idle = in_flight == 0;
        match (state, how) {
            (ConnState::Draining(_), _) => {}
            (ConnState::Closing(_), _) => panic!("I7: a lease on what was told to close"),
            (_, Returned::Discard(reason)) => self.step.leave.push((conn.id, reason)),
            (ConnState::Probing, _) => {
                if idle {
                    known.state = ConnState::Ready;
                }
            }
            (ConnState::Ready, _) => {
                self.note_ease(in_flight);
                let given_up = if starving && idle && !wanted {
                    self.turns = 0;
                    true
                } else {
                    wanted && self.turn_is_over(starving)
                };
                if given_up {
                    self.step.leave.push((conn.id, CloseReason::Reclaimed));
                }
            }
        }
    }

    fn add(&mut self, to: SocketAddr, streams: Option<usize>, out: &mut Actions) {
        let id = self.next_id();
        let load = self.step.loads.get(&to).copied().unwrap_or(0);
        let refused = if self.closed {
            Some(Full::Closed)
        } else if self.step.load >= self.limits.conns {
            Some(Full::Host(self.limits.conns))
        } else if load >= self.limits.per_endpoint {
            Some(Full::Endpoint(self.limits.per_endpoint))
        } else {
            None
        };
        let (limit, multiplexed) = (streams.unwrap_or(1), streams.is_some());
        let added = self.state.add(id, to, limit, multiplexed, self.now, out);
        assert_eq!(added.err(), refused, "I1: a connection above the limits");
        if let Ok(conn) = added {
            self.places.entry(to).or_insert(Standing::Active);
            self.came(conn, to, Some(limit), multiplexed, ConnState::Ready);
        }
    }

    fn dialled(
        &mut self,
        dial: DialRef,
        to: SocketAddr,
        peer: Peer,
        checked: bool,
        out: &mut Actions,
    ) -> Option<Claim> {
        let id = self.next_id();
        let (limit, multiplexed) = match peer {
            Peer::Http1 => (Some(1), false),
            Peer::Http2(streams) => (Some(streams), true),
            Peer::Untold => (None, true),
        };
        let new = Arrival {
            id,
            limit,
            multiplexed,
            checked,
        };
        let conn = self.state.dialled(dial, new, self.now, out);
        let conn = conn.expect("I2: the dial is known");
        self.counted.dialled += 1;
        self.ended.push(dial);
        let state = match (checked, self.closed) {
            (false, _) => ConnState::Ready,
            (true, false) => ConnState::Probing,
            (true, true) => ConnState::Draining(CloseReason::PoolClosed),
        };
        self.came(conn, to, limit, multiplexed, state);
        let limit_now = self.limit_of(self.known(conn).expect("it came"));
        self.expected = match limit {
            Some(_) => limit_now.max(1),
            None if self.expected > 1 => self.expected,
            None => self.limits.streams,
        };
        if checked {
            self.known_mut(conn).expect("it came").in_flight = 1;
            self.counted.acquired += 1;
            let since = self.now;
            self.leases.push(Held {
                conn,
                since,
                within: false,
            });
        }
        None
    }

    fn dial_failed(
        &mut self,
        dial: DialRef,
        to: SocketAddr,
        failure: DialFailure,
        out: &mut Actions,
    ) {
        let running = self.dials.len() + 1;
        let covered = if self.is_active(to) {
            self.expected.saturating_mul(running)
        } else {
            0
        };
        let mut alone = self.step.asked + self.dials.len() == 0;
        match failure {
            DialFailure::Endpoint | DialFailure::Local => self.queues.charge(covered),
            DialFailure::Denied => {
                self.queues.charge(covered);
                self.leave_denied(&[to]);
            }
            DialFailure::Abandoned => {}
            DialFailure::RuntimeGone => {
                self.step.refuse = self.queues.in_line().map(|w| w.waiter).collect();
                alone = false;
            }
        }
        let mut staying = self.conns.iter().filter(|known| !known.is_leaving());
        let served = staying.any(|known| self.is_active(known.addr));
        if alone && !served {
            let active = self.places.values().filter(|at| **at == Standing::Active);
            let tries = match failure {
                DialFailure::Local => 1,
                DialFailure::Denied => active.count().clamp(1, 8) as u32 + 1,
                _ => active.count().clamp(1, 8) as u32,
            };
            let exhausted = self.queues.in_line().filter(|w| w.charged >= tries);
            self.step.refuse = exhausted.map(|w| w.waiter).collect();
        }
        self.counted.failed(failure);
        self.state.dial_failed(dial, failure, self.now, out);
        self.ended.push(dial);
    }

    fn drain(&mut self, at: usize, reason: CloseReason, out: &mut Actions) {
        let Some(known) = pick(&self.conns, at) else {
            return;
        };
        let drained = self.state.drain(known.conn, reason, self.now, out);
        assert_eq!(drained, !known.is_leaving(), "I6: it drains once");
        if drained {
            self.step.leave.push((known.conn.id, reason));
        }
    }

    fn peer_closed(&mut self, known: &Known, out: &mut Actions) {
        let reason = match known.state {
            ConnState::Draining(told) | ConnState::Closing(told) => told,
            ConnState::Ready | ConnState::Probing => CloseReason::PeerClosed,
        };
        let closed = self
            .state
            .closed(known.conn, CloseReason::PeerClosed, self.now, out);
        assert_eq!(closed, Some(reason), "why it closed");
        *self.counted.closed.entry(reason).or_default() += 1;
        self.conns.retain(|other| other.conn != known.conn);
        self.gone.push(known.conn);
    }

    /// Nothing enters a forgotten host; another takes its place.
    fn assert_retired(&mut self, out: &mut Actions) {
        let now = self.now;
        assert_eq!(self.state.claim(now, false, out), None);
        let joined = self.state.join(Place::Front, None, now, out);
        assert_eq!(joined, Err(Turned::Retired));
        let id = self.next_id();
        let added = self.state.add(id, addr(1), 1, false, now, out);
        assert_eq!(added, Err(Full::Retired));
        assert!(!self.state.retire_host(), "it is forgotten once");
        assert!(out.is_empty());
        // A closed one stays closed: the manager is.
        let closed = self.closed;
        let resolves = self.lookup != Lookup::Manual;
        let (now, ids) = (self.now, self.ids);
        *self = Self::new(self.limits, resolves, self.expected_at_first);
        (self.now, self.ids, self.closed) = (now, ids, closed);
        if closed {
            self.state.close(out);
        }
        self.begin();
    }
}
