//! What changed since it was last shown to those who look without the lock.

use smallvec::SmallVec;

use super::{Conn, Endpoint, HostState};

impl HostState {
    /// Shows each connection that changed since this was last asked, with its slot.
    #[inline]
    pub(crate) fn publish(&mut self, mut show: impl FnMut(usize, &Conn)) {
        for &slot in &self.touched {
            // It may be gone by now.
            if let Some(conn) = self.conns.get(slot as usize) {
                show(slot as usize, conn);
            }
        }
        self.touched.clear();
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
        let short = slot as u32;
        if self.touched.last() != Some(&short) {
            self.touched.push(short);
        }
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
