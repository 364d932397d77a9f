//! What changed since it was last shown to those who look without the lock.

use smallvec::SmallVec;

use super::{Conn, Endpoint, HostState};

/// The slots of connections that have changed. Most steps change one.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    last: Option<u32>,
    more: Vec<usize>,
}

impl Touched {
    #[inline]
    fn add(&mut self, slot: usize) {
        let known = self.last.replace(slot as u32).map(|slot| slot as usize);
        if let Some(known) = known.filter(|&known| known != slot) {
            self.more.push(known);
        }
    }

    #[inline]
    fn take(&mut self) -> Option<usize> {
        self.last.take().map(|slot| slot as usize)
    }
}

impl HostState {
    /// Shows each connection that changed since this was last asked, with its slot.
    #[inline]
    pub(crate) fn publish(&mut self, mut show: impl FnMut(usize, &Conn)) {
        let mut next = self.touched.take();
        while let Some(slot) = next {
            // It may be gone by now.
            if let Some(conn) = self.conns.get(slot) {
                show(slot, conn);
            }
            next = self.touched.more.pop();
        }
    }

    /// The slots of endpoints that changed since they were last asked for.
    pub(crate) fn take_touched_endpoints(&mut self) -> SmallVec<[usize; 2]> {
        std::mem::take(&mut self.touched_endpoints)
    }

    /// The endpoint in this slot.
    pub(crate) fn endpoint_in(&self, slot: usize) -> Option<&Endpoint> {
        self.endpoints.get(slot)
    }

    /// A number that changes when an endpoint comes or goes.
    pub(crate) fn endpoint_changes(&self) -> u64 {
        self.endpoint_changes
    }

    #[inline]
    pub(super) fn touch(&mut self, slot: usize) {
        self.touched.add(slot);
        if self.limits.selects {
            self.touch_endpoint(self.conns[slot].endpoint);
        }
    }

    pub(super) fn touch_endpoint(&mut self, endpoint: usize) {
        if self.limits.selects && self.touched_endpoints.last() != Some(&endpoint) {
            self.touched_endpoints.push(endpoint);
        }
    }
}
