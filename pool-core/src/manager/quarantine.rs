//! HTTP/1.1 without reuse, for a while: what a host whose peer has answered what nobody asked is left with.
//!
//! On a connection of HTTP/1.1 nothing but the order says which request a response belongs to. Bytes that belong to none
//! mean that the peer, or something in front of it, has lost count, and what has happened on one connection to a host is
//! likely on the others. So the host's connections of HTTP/1.1 close: at once those that are idle, after their response
//! those that are in use. New ones serve one request each until the time is over. HTTP/2 names the request in each frame;
//! its connections stay.
//!
//! What can be known: a response that has arrived before the first byte of a request is written is not its answer, and the
//! request goes to another connection. What cannot: a whole response that arrives just after that is taken for the answer.
//! It is found out when the real answer follows and belongs to nothing: the shift ends there, after one request.

use std::time::{Duration, Instant};

use super::HostHandle;
use super::host::{Core, Host};
use super::reason::CloseReason;
use super::state::ConnRef;
use super::sync::Ordering;

/// How long a host is in quarantine the first time: a server or a cache that has lost count has mostly been restarted by
/// then, and the connections that it takes meanwhile cost less than one response given to the wrong request.
const FIRST: Duration = Duration::from_secs(60);

/// Each further time doubles it, up to this.
const MOST: Duration = Duration::from_secs(30 * 60);

/// A host that has kept count for so long after its quarantine begins again with the shortest.
const FORGIVEN_AFTER: Duration = Duration::from_secs(10 * 60);

/// The pure part: `now` comes in, answers go out.
#[derive(Debug, Default)]
pub(super) struct Quarantine(Option<Term>);

#[derive(Debug)]
struct Term {
    began: Instant,
    until: Instant,
    /// How many there were before it.
    earlier: u32,
}

impl Quarantine {
    /// A connection opened at `opened` carried bytes that belong to no response: for how long the host is in quarantine.
    /// `None` if it is so already for what its connections did that were open then.
    fn begin(&mut self, opened: Instant, now: Instant) -> Option<Duration> {
        let earlier = match &self.0 {
            Some(term) if now < term.until && opened <= term.began => return None,
            Some(term) if now.saturating_duration_since(term.until) < FORGIVEN_AFTER => {
                term.earlier.saturating_add(1)
            }
            _ => 0,
        };
        let length = FIRST.saturating_mul(1 << earlier.min(16)).min(MOST);
        let until = now.checked_add(length)?;
        self.0 = Some(Term {
            began: now,
            until,
            earlier,
        });
        Some(length)
    }

    pub(super) fn is_on(&self, now: Instant) -> bool {
        self.0.as_ref().is_some_and(|term| now < term.until)
    }
}

impl<C: Send + Sync + 'static> Host<C> {
    /// Why a connection ended may say something about the others.
    #[inline]
    pub(super) fn suspect(
        &self,
        core: &mut Core<C>,
        conn: ConnRef,
        opened: Instant,
        reason: CloseReason,
        at: Instant,
    ) -> Option<Duration> {
        if reason != CloseReason::Unsolicited {
            return None;
        }
        let length = core.quarantine(conn, opened, at)?;
        self.taught.store(true, Ordering::SeqCst);
        Some(length)
    }
}

impl<C: Send + Sync + 'static> Core<C> {
    /// Begins a quarantine because of what this connection, opened at `opened`, has carried. Returns for how long, if it
    /// is a new one.
    #[cold]
    fn quarantine(&mut self, offender: ConnRef, opened: Instant, now: Instant) -> Option<Duration> {
        let length = self.lessons.quarantine.begin(opened, now)?;
        let (state, actions) = self.actions();
        state.count_quarantine();
        let conns: Vec<ConnRef> = state
            .conns()
            .filter(|&(conn, found, _)| !found.multiplexed && conn != offender)
            .map(|(conn, _, _)| conn)
            .collect();
        for conn in conns {
            // Those on their way out keep their reason.
            state.drain(conn, CloseReason::Quarantined, now, actions);
        }
        Some(length)
    }
}

impl<C: Send + Sync + 'static> HostHandle<C> {
    /// Whether connections of HTTP/1.1 serve one request each.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.learned(|lessons, at| lessons.quarantine.is_on(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manager::sync::now;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn it_lasts_a_minute() {
        let start = now();
        let mut quarantine = Quarantine::default();
        assert!(!quarantine.is_on(start));
        assert_eq!(quarantine.begin(start, start), Some(FIRST));
        assert!(quarantine.is_on(start + FIRST - secs(1)));
        assert!(!quarantine.is_on(start + FIRST));
    }

    #[test]
    fn what_was_open_when_it_began_does_not_begin_it_again() {
        let opened = now();
        let mut quarantine = Quarantine::default();
        let began = opened + secs(5);
        assert_eq!(quarantine.begin(opened, began), Some(FIRST));
        assert_eq!(quarantine.begin(opened + secs(2), began + secs(1)), None);
        assert_eq!(quarantine.begin(began, began + secs(59)), None);
        assert!(!quarantine.is_on(began + FIRST), "nor makes it longer");
    }

    #[test]
    fn each_further_one_is_twice_as_long_up_to_the_most() {
        let mut at = now();
        let mut quarantine = Quarantine::default();
        // Sometimes while it lasts, on a new connection, sometimes afterwards.
        for (expected, until_next) in [(60, 30), (120, 400), (240, 5), (480, 1000), (960, 900)] {
            assert_eq!(quarantine.begin(at, at), Some(secs(expected)));
            at += secs(until_next);
        }
        assert_eq!(quarantine.begin(at, at), Some(MOST));
        assert_eq!(quarantine.begin(at + MOST, at + MOST), Some(MOST));
    }

    #[test]
    fn a_quiet_time_is_a_new_beginning() {
        let start = now();
        let mut quarantine = Quarantine::default();
        quarantine.begin(start, start);
        let later = start + FIRST + FORGIVEN_AFTER;
        assert_eq!(quarantine.begin(start, later - secs(1)), Some(2 * FIRST));
        let later = later - secs(1) + 2 * FIRST + FORGIVEN_AFTER;
        assert_eq!(quarantine.begin(start, later), Some(FIRST));
    }
}
