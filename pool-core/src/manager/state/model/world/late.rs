//! Events that come too late.

use super::{World, pick};
use crate::info::ConnId;
use crate::manager::reason::CloseReason;
use crate::manager::state::{Actions, Arrival, DialFailure};

impl World {
    /// Events for an earlier life change nothing.
    pub(super) fn late(&mut self, at: usize, what: u8) {
        let (now, mut out) = (self.now, Actions::new());
        let before = self.print();
        if let Some(conn) = pick(&self.gone, at) {
            let state = &mut self.state;
            match what {
                0 => assert!(!state.drain(conn, CloseReason::GoAway, now, &mut out)),
                1 => state.set_peer_limit(conn, 9, now, &mut out),
                2 => assert_eq!(state.claim_for_check(conn, now), None),
                3 => assert_eq!(state.claim_within_check(conn, now), None),
                4 => assert!(!state.check_instead(conn)),
                5 => assert!(!state.evict_idle(conn, CloseReason::Idle, now, &mut out)),
                6 => assert_eq!(state.claim_on(conn, now), None),
                7 => state.expect_back(conn),
                _ => {
                    let reason = CloseReason::PeerClosed;
                    assert_eq!(state.closed(conn, reason, now, &mut out), None);
                }
            }
        }
        if let Some(dial) = pick(&self.ended, at) {
            if what.is_multiple_of(3) {
                self.state.connected(dial, now, &mut out);
            } else if what.is_multiple_of(2) {
                let failure = DialFailure::Endpoint;
                self.state.dial_failed(dial, failure, now, &mut out);
            } else {
                let new = Arrival {
                    id: ConnId(u64::MAX),
                    limit: Some(1),
                    multiplexed: false,
                    checked: false,
                };
                assert_eq!(self.state.dialled(dial, new, now, &mut out), None);
            }
        }
        assert!(out.is_empty(), "I15: {out:?} for an earlier life");
        assert_eq!(before, self.print(), "I15: an event for an earlier life");
    }
}
