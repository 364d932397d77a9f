//! Who may use a connection, and what becomes of it afterwards.

use std::sync::Arc;

use super::Shared;
use crate::http::conn::HttpConn;
use crate::manager::{CloseReason, Lease};

/// The right to the connection for one exchange. Dropped unfinished, it closes the connection.
pub(super) struct Claim {
    pub(super) shared: Arc<Shared>,
    lease: Option<Lease<HttpConn>>,
}

impl Claim {
    pub(super) fn new(shared: Arc<Shared>, lease: Lease<HttpConn>) -> Self {
        Self {
            shared,
            lease: Some(lease),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lease.is_none()
    }

    /// The exchange has ended in order.
    pub(super) fn finish(&mut self, keeps_alive: bool) {
        if let Some(mut lease) = self.lease.take() {
            if let Some(reason) = self.shared.check_in(keeps_alive) {
                lease.discard(reason);
            }
            drop(lease);
        }
    }

    /// The exchange stops half-way by a decision of this side.
    pub(super) fn give_up(&mut self, reason: CloseReason) {
        if let Some(mut lease) = self.lease.take() {
            drop(self.shared.cut());
            self.shared.control.abort(reason);
            lease.discard(self.shared.control.ended().unwrap_or(reason));
        }
    }

    /// The connection failed under the exchange.
    pub(super) fn broken(&mut self, reason: CloseReason) {
        if let Some(mut lease) = self.lease.take() {
            drop(self.shared.cut());
            lease.discard(self.shared.over(reason));
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.give_up(CloseReason::Unfinished);
    }
}
