//! Dials that nobody waits for: for throughput, and for upkeep.

use std::net::{IpAddr, SocketAddr};

use super::budget::Budget;
use super::host::Host;
use super::sync::{Arc, now};
use super::ticket::Ticket;

impl<C: Send + Sync + 'static> Host<C> {
    /// Dials once more for throughput, if there are permits that nobody else wants.
    pub(super) fn spread(host: &Arc<Self>) {
        let Some(permits) = Budget::try_take(&host.shared, host) else {
            return;
        };
        let dial = Self::step(host, |core| {
            let (state, actions) = core.actions();
            state.dial_to_spread(now(), actions)
        });
        if let Some((dial, addr)) = dial {
            let ticket = Ticket::new(host.clone(), dial, addr, None, permits);
            host.shared.driver.dial(ticket.spreading());
        }
    }

    /// Starts a dial that nobody waits for, with its permits.
    pub(crate) fn dial_for_upkeep(
        host: &Arc<Self>,
        addr: SocketAddr,
        source: Option<IpAddr>,
    ) -> Option<Ticket<C>> {
        let permits = Budget::try_take(&host.shared, host)?;
        let dial = Self::step(host, |core| {
            let at = now();
            if core.lessons.is_calm(addr, at) {
                return None;
            }
            let (state, actions) = core.actions();
            state.dial_for_upkeep(addr, at, actions)
        })?;
        let ticket = Ticket::new(host.clone(), dial, addr, source, permits);
        Some(ticket.unattended())
    }
}
