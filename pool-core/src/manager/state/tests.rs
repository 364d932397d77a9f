//! What one host's state promises, with a made-up clock.

mod by_identity;
mod checks;
mod claims;
mod dials;
mod doubts;
mod endpoints;
mod exhaustive;
mod fairness;
mod limits;
mod load;
mod silent;
mod when_busy;

use super::*;
use crate::priority::Priority;

pub(super) const LIMITS: HostLimits = HostLimits {
    conns: 4,
    per_endpoint: usize::MAX,
    dials: 4,
    waiters: 1000,
    idle: usize::MAX,
    streams: 100,
    fair_turn: 2,
    heavy: usize::MAX,
    spread: 1,
    spread_after: ms(500),
    attempt_delay: Duration::MAX,
    backoff_base: Duration::from_millis(100),
    backoff_max: Duration::from_secs(1),
    jitter: 0.25,
    when_busy: DialWhenBusy::Immediate,
    selects: true,
};

pub(super) fn addr(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 443))
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A state with a clock, whose lists are checked after every step.
struct Rig {
    state: HostState,
    now: Instant,
    ids: u64,
    out: Actions,
    starving: bool,
}

impl Rig {
    /// A host whose connections are added by hand.
    fn manual(limits: HostLimits) -> Self {
        Self::new(HostState::new(limits, false, 1))
    }

    /// A host with addresses, where a first dial is expected to bring `expected` leases.
    fn known(limits: HostLimits, addrs: &[SocketAddr], expected: usize) -> Self {
        let mut rig = Self::new(HostState::new(limits, true, expected));
        rig.set_addresses(addrs);
        rig
    }

    fn new(state: HostState) -> Self {
        Self {
            state,
            now: crate::clock::now(),
            ids: 0,
            out: Actions::new(),
            starving: false,
        }
    }

    fn step<R>(&mut self, f: impl FnOnce(&mut HostState, Instant, &mut Actions) -> R) -> R {
        let result = f(&mut self.state, self.now, &mut self.out);
        self.state.check(self.now);
        result
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn id(&mut self) -> ConnId {
        self.ids += 1;
        ConnId(self.ids)
    }

    fn try_add(&mut self, at: SocketAddr, limit: usize, multiplexed: bool) -> Option<ConnRef> {
        let id = self.id();
        self.step(|state, now, out| state.add(id, at, limit, multiplexed, now, out))
            .ok()
    }

    fn h1(&mut self) -> ConnRef {
        self.try_add(addr(1), 1, false)
            .expect("the limits allow it")
    }

    fn h2(&mut self, streams: usize) -> ConnRef {
        self.try_add(addr(1), streams, true)
            .expect("the limits allow it")
    }

    fn try_claim(&mut self) -> Option<Claim> {
        let starving = self.starving;
        self.step(|state, now, out| state.claim(now, starving, out))
    }

    fn claim(&mut self) -> ConnRef {
        self.try_claim().expect("there is room").conn
    }

    fn join(&mut self) -> WaiterRef {
        self.step(|state, now, out| state.join(Place::Back(Priority::Normal), None, now, out))
            .expect("the queue is open")
    }

    fn leave(&mut self, waiter: WaiterRef) -> bool {
        self.step(|state, _, _| state.leave(waiter))
    }

    fn release(&mut self, conn: ConnRef) {
        self.end(conn, Returned::Clean);
    }

    fn end(&mut self, conn: ConnRef, how: Returned) {
        let starving = self.starving;
        self.step(|state, now, out| {
            let lease = Leased { conn, since: now };
            state.release(lease, how, now, starving, out);
        });
    }

    fn drain(&mut self, conn: ConnRef) -> bool {
        self.step(|state, now, out| state.drain(conn, CloseReason::GoAway, now, out))
    }

    fn closed(&mut self, conn: ConnRef) {
        self.step(|state, now, out| state.closed(conn, CloseReason::PeerClosed, now, out));
    }

    fn set_peer_limit(&mut self, conn: ConnRef, limit: usize) {
        self.step(|state, now, out| state.set_peer_limit(conn, limit, now, out));
    }

    fn set_limits(&mut self, limits: HostLimits) {
        self.step(|state, now, out| state.set_limits(limits, now, out));
    }

    fn set_addresses(&mut self, addrs: &[SocketAddr]) {
        self.step(|state, now, out| state.set_addresses(addrs, now, out));
    }

    fn set_addresses_with_trials(
        &mut self,
        addrs: &[SocketAddr],
        on_trial: &[SocketAddr],
    ) -> Vec<SocketAddr> {
        self.step(|state, now, out| {
            let on_trial = on_trial.iter().copied().collect();
            state.set_addresses_with_trials(addrs, &on_trial, now, out)
        })
    }

    fn forbid(&mut self, addrs: &[SocketAddr]) -> usize {
        self.step(|state, now, out| state.forbid(addrs, now, out))
    }

    fn judge(&mut self, at: SocketAddr, standing: Standing) {
        self.step(|state, now, out| state.judge_endpoint(at, standing, now, out));
    }

    fn eject_for(&mut self, at: SocketAddr, time: Duration) {
        let until = self.now + time;
        self.judge(at, Standing::Ejected(Some(until)));
    }

    fn tick(&mut self) {
        self.step(|state, now, out| state.tick(now, out));
    }

    fn close(&mut self) {
        self.step(|state, _, out| state.close(out));
    }

    /// The dials the state wants, once the budget has said yes to every request.
    fn dials(&mut self) -> Vec<(DialRef, SocketAddr)> {
        while self.reservations() > 0 {
            while self.state.asked() > 0 && self.granted() {}
        }
        self.take(|action| match action {
            Action::Dial(dial, at) => Some((*dial, *at)),
            _ => None,
        })
    }

    fn granted(&mut self) -> bool {
        self.step(|state, now, out| state.granted(now, out))
    }

    fn dialled_h1(&mut self, dial: DialRef) -> ConnRef {
        self.dialled(dial, 1, false)
    }

    fn dialled(&mut self, dial: DialRef, limit: usize, multiplexed: bool) -> ConnRef {
        let id = self.id();
        self.step(|state, now, out| {
            state.dialled(dial, arrival(id, Some(limit), multiplexed, false), now, out)
        })
        .expect("the dial is known")
    }

    fn dialled_checked(&mut self, dial: DialRef) -> ConnRef {
        let id = self.id();
        self.step(|state, now, out| {
            state.dialled(dial, arrival(id, Some(1), false, true), now, out)
        })
        .expect("the dial is known")
    }

    fn fail(&mut self, dial: DialRef, failure: DialFailure) {
        self.step(|state, now, out| state.dial_failed(dial, failure, now, out));
    }

    fn claim_for_check(&mut self, conn: ConnRef) -> Option<Claim> {
        self.step(|state, now, _| state.claim_for_check(conn, now))
    }

    /// Takes what `f` picks out of the actions so far.
    fn take<T>(&mut self, f: impl Fn(&Action) -> Option<T>) -> Vec<T> {
        let taken = self.out.iter().filter_map(&f).collect();
        self.out.retain(|action| f(action).is_none());
        taken
    }

    fn grants(&mut self) -> Vec<(WaiterRef, ConnRef)> {
        self.take(|action| match action {
            Action::Grant(waiter, claim) => Some((*waiter, claim.conn)),
            _ => None,
        })
    }

    fn fails(&mut self) -> Vec<(WaiterRef, Refusal)> {
        self.take(|action| match action {
            Action::Fail(waiter, why) => Some((*waiter, *why)),
            _ => None,
        })
    }

    fn closes(&mut self) -> Vec<(ConnRef, CloseReason)> {
        self.take(|action| match action {
            Action::Close(conn, reason) => Some((*conn, *reason)),
            _ => None,
        })
    }

    fn timers(&mut self) -> Vec<Instant> {
        self.take(|action| match action {
            Action::WakeAt(at) => Some(*at),
            _ => None,
        })
    }

    fn reservations(&mut self) -> usize {
        self.take(|action| (*action == Action::Reserve).then_some(()))
            .len()
    }

    fn idle(&self) -> Vec<ConnRef> {
        self.state.idle().collect()
    }
}

fn arrival(id: ConnId, limit: Option<usize>, multiplexed: bool, checked: bool) -> Arrival {
    Arrival {
        id,
        limit,
        multiplexed,
        checked,
    }
}
