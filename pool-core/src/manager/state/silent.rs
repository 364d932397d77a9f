//! Dials that no word comes from, and what is tried beside them (RFC 8305 section 5).

use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::dials::{DialRef, Stage};
use super::{Actions, HostState};

/// The endpoints of silent dials, one for each dial.
pub(super) type Silent = SmallVec<[usize; 4]>;

impl HostState {
    /// The address of this dial has taken the connection: handshakes are left, and it is not silent any more.
    pub(crate) fn connected(&mut self, dial: DialRef, now: Instant, out: &mut Actions) {
        let found = self.dials.get_mut(dial.slot);
        if let Some(found) = found.filter(|found| found.serial == dial.serial)
            && let Stage::Connecting(since) = found.stage
        {
            found.stage = Stage::Connected(since);
            self.plan(now, out);
        }
    }

    /// The dials whose address has not taken the connection for the whole attempt delay: nobody counts on them, and if they
    /// bring a connection after all, it is welcome.
    pub(super) fn silent(&self, now: Instant) -> Silent {
        let delay = self.limits.attempt_delay;
        if delay == Duration::MAX {
            return Silent::new();
        }
        let silent = |since: Instant| now.saturating_duration_since(since) >= delay;
        self.dials
            .iter()
            .filter(|(_, dial)| matches!(dial.stage, Stage::Connecting(since) if silent(since)))
            .map(|(_, dial)| dial.endpoint)
            .collect()
    }

    /// Where another dial may lead while those in flight would do, were they not silent: to an address that none of them is
    /// for, and that did not fail when it was dialled last. Each address is tried once this way.
    pub(super) fn endpoint_to_try(&self, now: Instant, silent: &Silent) -> Option<usize> {
        let untried =
            |slot: usize| !silent.contains(&slot) && self.endpoints[slot].failed_dials == 0;
        self.best_endpoint(now, silent, untried)
    }

    /// Comes back when the next dial turns silent, if there is another address.
    pub(super) fn listen(&mut self, now: Instant, out: &mut Actions) {
        // A dial may run to one that is out or gone by now: then the only one in rotation is another.
        let active = self.endpoints.len() - self.ejected - self.gone;
        let others = self.endpoints.len() > 1 && active > 0;
        if self.waiters.is_empty() || !others {
            return;
        }
        if let Some(at) = self.next_silence(now) {
            self.wake_at(at, now, out);
        }
    }

    /// When the next dial turns silent, unless its address takes the connection by then.
    pub(super) fn next_silence(&self, now: Instant) -> Option<Instant> {
        let delay = self.limits.attempt_delay;
        let due = self.dials.iter().filter_map(|(_, dial)| match dial.stage {
            Stage::Connecting(since) => since.checked_add(delay),
            Stage::Asked | Stage::Connected(_) => None,
        });
        due.filter(|&at| at > now).min()
    }

    /// When this dial turns silent; `None` once its address has taken the connection.
    #[cfg(test)]
    pub(super) fn silent_at(&self, dial: DialRef) -> Option<Instant> {
        match self.dials.get(dial.slot)?.stage {
            Stage::Connecting(since) => since.checked_add(self.limits.attempt_delay),
            Stage::Asked | Stage::Connected(_) => None,
        }
    }
}
