//! What a host has learned from its peers about how they want to be asked. It goes with the host.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::HostHandle;
use super::host::Host;
use super::quarantine::Quarantine;
use super::state::Standing;
use super::sync::{Ordering, now};

/// How long an origin that said HTTP_1_1_REQUIRED is spoken to in HTTP/1.1 without being asked again: long enough that a
/// crawl pays for the answer once, short enough that a server which was changed meanwhile is noticed.
const HTTP1_FOR: Duration = Duration::from_secs(10 * 60);

/// How long an address is left alone after its first ENHANCE_YOUR_CALM; each further one doubles it up to the most.
const CALM: Duration = Duration::from_secs(1);
const MOST_CALM: Duration = Duration::from_secs(60);

/// An address that has not said so for as long after its wait is over begins again with the shortest.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// The pure part: `now` comes in, answers go out.
#[derive(Debug, Default)]
pub(crate) struct Lessons {
    http1_until: Option<Instant>,
    /// The addresses that want to be left alone, or did lately. Usually none.
    calm: SmallVec<[Calm; 1]>,
    pub(super) quarantine: Quarantine,
}

#[derive(Debug)]
struct Calm {
    addr: SocketAddr,
    until: Instant,
    times: u32,
}

impl Lessons {
    fn require_http1(&mut self, now: Instant) {
        self.http1_until = now.checked_add(HTTP1_FOR);
    }

    fn requires_http1(&self, now: Instant) -> bool {
        self.http1_until.is_some_and(|until| now < until)
    }

    /// Whether there is anything to remember of what is asked for at every request.
    pub(super) fn are_any(&self, now: Instant) -> bool {
        self.requires_http1(now) || self.quarantine.is_on(now)
    }

    /// The address said ENHANCE_YOUR_CALM: until when it is left alone. `None` while it is so already: streams that ran
    /// side by side fail together.
    fn calm_down(&mut self, addr: SocketAddr, now: Instant) -> Option<Instant> {
        self.calm.retain(|calm| {
            let forgiven = calm.until.checked_add(FORGIVEN_AFTER);
            forgiven.is_some_and(|at| now < at)
        });
        let known = self.calm.iter().position(|calm| calm.addr == addr);
        let at = known.unwrap_or_else(|| {
            let (until, times) = (now, 0);
            self.calm.push(Calm { addr, until, times });
            self.calm.len() - 1
        });
        let calm = &mut self.calm[at];
        if calm.until > now {
            return None;
        }
        let wait = CALM.saturating_mul(1 << calm.times.min(16)).min(MOST_CALM);
        calm.times += 1;
        calm.until = now.checked_add(wait)?;
        Some(calm.until)
    }

    /// Whether the address wants to be left alone.
    pub(super) fn is_calm(&self, addr: SocketAddr, now: Instant) -> bool {
        let mut calm = self.calm.iter();
        calm.any(|calm| calm.addr == addr && now < calm.until)
    }
}

impl<C: Send + Sync + 'static> HostHandle<C> {
    /// The origin wants HTTP/1.1 from now on, for a while.
    pub(crate) fn require_http1(&self) {
        Host::step(&self.0, |core| {
            core.lessons.require_http1(now());
            self.0.taught.store(true, Ordering::SeqCst);
        });
    }

    /// Whether the origin wants HTTP/1.1.
    pub(crate) fn requires_http1(&self) -> bool {
        self.learned(Lessons::requires_http1)
    }

    /// Asks what has been learned. Takes no lock unless there is something.
    pub(super) fn learned(&self, ask: impl FnOnce(&Lessons, Instant) -> bool) -> bool {
        if !self.0.taught.load(Ordering::Relaxed) {
            return false;
        }
        self.0.look(|core| {
            let at = now();
            let any = core.lessons.are_any(at);
            self.0.taught.store(any, Ordering::SeqCst);
            ask(&core.lessons, at)
        })
    }

    /// The address wants to be left alone: no dial and no new stream there for a while. Returns until when, the first time
    /// of several that belong together.
    pub(crate) fn calm_down(&self, addr: SocketAddr) -> Option<Instant> {
        Host::step(&self.0, |core| {
            let at = now();
            let standing = core.state.endpoint(addr)?.standing;
            let until = core.lessons.calm_down(addr, at)?;
            let out_longer = match standing {
                Standing::Active => false,
                Standing::Ejected(back) => back.is_none_or(|back| back >= until),
                Standing::Gone => true,
            };
            if !out_longer {
                let (state, actions) = core.actions();
                state.judge_endpoint(addr, Standing::Ejected(Some(until)), at, actions);
            }
            Some(until)
        })
    }
}

#[cfg(test)]
#[cfg(not(pool_loom))]
mod tests {
    use super::*;

    const A: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
    const B: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 2);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn http1_is_required_for_a_while() {
        let start = now();
        let mut lessons = Lessons::default();
        assert!(!lessons.requires_http1(start));
        lessons.require_http1(start);
        assert!(lessons.requires_http1(start + HTTP1_FOR - secs(1)));
        assert!(!lessons.requires_http1(start + HTTP1_FOR));
    }

    #[test]
    fn each_call_for_calm_doubles_the_wait_up_to_the_most() {
        let mut now = now();
        let mut lessons = Lessons::default();
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let until = lessons.calm_down(A, now).unwrap();
            assert_eq!(until - now, secs(expected));
            assert_eq!(
                lessons.calm_down(A, until - secs(1)),
                None,
                "it has been heard"
            );
            assert!(lessons.is_calm(A, until - secs(1)) && !lessons.is_calm(A, until));
            assert!(!lessons.is_calm(B, now));
            now = until;
        }
    }

    #[test]
    fn a_quiet_time_is_a_new_beginning_and_leaves_nothing_behind() {
        let now = now();
        let mut lessons = Lessons::default();
        lessons.calm_down(A, now);
        let until = lessons.calm_down(A, now + secs(1)).unwrap();
        let later = until + FORGIVEN_AFTER;
        assert_eq!(lessons.calm_down(A, later), Some(later + CALM));
        lessons.calm_down(B, later + CALM + FORGIVEN_AFTER);
        assert_eq!(lessons.calm.len(), 1, "A is forgotten");
    }
}
