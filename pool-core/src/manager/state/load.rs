//! One HTTP/2 connection more than the streams need: when those there are carry many at a time, and go on doing so.
//!
//! A connection is one task and one socket, so that two of them carry more than one where there are two processors. It is
//! looked at when a claim or a release happens anyway: there is no timer, and whoever has few streams pays one comparison.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Action, Actions, Addresses, DialRef, HostState, Phase};

/// How long a host has been under load: a vessel that fills with the time in which it is, and leaks with the time in which
/// it is not. A burst that ends leaves next to nothing in it, and a load that dips now and then still fills it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Load {
    /// It has not been, since the last connection came or was asked for.
    #[default]
    None,
    /// It is, since then; the vessel held so much before.
    Heavy { since: Instant, before: Duration },
    /// It is not, since then; the vessel held so much.
    Light { since: Instant, before: Duration },
}

impl Load {
    /// The host is under load. Returns how much the vessel holds.
    fn fill(&mut self, now: Instant) -> Duration {
        let before = match *self {
            Self::None => Duration::ZERO,
            Self::Heavy { since, before } => {
                return before.saturating_add(now.saturating_duration_since(since));
            }
            Self::Light { since, before } => {
                before.saturating_sub(now.saturating_duration_since(since))
            }
        };
        *self = Self::Heavy { since: now, before };
        before
    }

    /// The host is not under load any more. The vessel holds no more than `most`.
    fn leak(&mut self, now: Instant, most: Duration) {
        if let Self::Heavy { since, before } = *self {
            let before = before.saturating_add(now.saturating_duration_since(since));
            *self = Self::Light {
                since: now,
                before: before.min(most),
            };
        }
    }
}

impl HostState {
    /// A claim was made on a connection that carried `in_flight` leases before: if it carries many now, looks whether one
    /// more connection is wanted.
    #[inline]
    pub(super) fn weigh(&mut self, in_flight: usize, now: Instant, out: &mut Actions) {
        // HTTP/1.1 never gets there.
        if in_flight + 1 >= self.limits.heavy && self.may_spread() {
            self.load_up(now, out);
        }
    }

    /// A lease ended, and its connection carries `in_flight` now.
    #[inline]
    pub(super) fn ease(&mut self, in_flight: usize, now: Instant) {
        if in_flight + 1 == self.limits.heavy {
            self.load.leak(now, self.limits.spread_after);
        }
    }

    fn load_up(&mut self, now: Instant, out: &mut Actions) {
        // What is beside the connection claimed counts too, if more than two are allowed.
        if !self.is_heavy() {
            return self.load.leak(now, self.limits.spread_after);
        }
        if self.load.fill(now) >= self.limits.spread_after {
            // Whatever comes of it, the vessel is empty: that is what bounds how often it is tried.
            self.load = Load::None;
            out.push(Action::Spread);
        }
    }

    /// Starts the dial that [`Action::Spread`] asked for, if it still may. Nobody waits for it, so nobody gives way.
    pub(crate) fn dial_to_spread(
        &mut self,
        now: Instant,
        out: &mut Actions,
    ) -> Option<(DialRef, SocketAddr)> {
        let may = self.phase == Phase::Open
            && self.addresses == Addresses::Known
            && self.may_spread()
            && self.conns.len() + self.dials.len() < self.limits.conns
            && self.dials.len() < self.limits.dials
            && self.pause_until.is_none_or(|at| at <= now);
        let endpoint = self.endpoint_to_dial(now).filter(|_| may)?;
        Some(self.insert_running(endpoint, now, out))
    }

    /// Whether there are fewer connections than may be opened for throughput, those on their way included.
    fn may_spread(&self) -> bool {
        self.conns.len() - self.leaving + self.dials.len() < self.limits.spread
    }

    /// Whether each connection carries many leases.
    fn is_heavy(&self) -> bool {
        let mut staying = self.conns.iter().filter(|(_, conn)| !conn.is_leaving());
        staying.all(|(_, conn)| conn.in_flight >= self.limits.heavy)
    }
}
