//! Session tickets, kept apart by who may resume them and bounded over all.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ::rustls::NamedGroup;
use ::rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use ::rustls::pki_types::ServerName;

use crate::backend::lru::Lru;
use crate::backend::validity::has_ended;
use crate::{ProfileId, TlsContext};

/// Within what a session may be resumed: everything of a [`TlsContext`] but the server name. Cloning is one atomic
/// increment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Space(Arc<SpaceParts>);

#[derive(PartialEq, Eq, Hash)]
struct SpaceParts {
    alpn: Vec<Vec<u8>>,
    profile: ProfileId,
    scope: Box<str>,
}

impl Space {
    pub(super) fn new(cx: &TlsContext<'_>) -> Self {
        // Taken apart in full, so that a new field cannot be forgotten here.
        let TlsContext {
            server_name: _,
            alpn,
            plan,
            scope,
        } = *cx;
        let alpn = match &plan.profile().hello {
            None => alpn.iter().map(|protocol| protocol.to_vec()).collect(),
            Some(hello) => hello.alpn().iter().map(|p| p.as_bytes().to_vec()).collect(),
        };
        Self(Arc::new(SpaceParts {
            alpn,
            profile: plan.profile_id().clone(),
            scope: scope.into(),
        }))
    }

    pub(super) fn alpn(&self) -> &[Vec<u8>] {
        &self.0.alpn
    }
}

/// The tickets of one connector, by space and server.
///
/// One store for all spaces, not one each: then memory has one bound, however many spaces there are.
pub(super) struct Tickets {
    per_server: usize,
    servers: Mutex<Lru<(Space, ServerName<'static>), ServerTickets>>,
}

impl Tickets {
    /// Remembers `servers` servers, each with `per_server` TLS 1.3 tickets and one TLS 1.2 session.
    pub(super) fn new(servers: usize, per_server: usize) -> Self {
        Self {
            per_server,
            servers: Mutex::new(Lru::new(servers)),
        }
    }

    /// A certificate of this server ends then, and the sessions with it: who resumes is shown no certificate, and rustls does not ask
    /// whether that of the first handshake is still valid.
    pub(super) fn end_by(&self, space: Space, server_name: ServerName<'static>, end: SystemTime) {
        let mut servers = self.lock();
        if let Some(server) = servers.get_mut(&(space, server_name)) {
            server.end = Some(server.end.map_or(end, |known| known.min(end)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lru<(Space, ServerName<'static>), ServerTickets>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct ServerTickets {
    kx_hint: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    /// Oldest first, at most `Tickets::per_server`.
    tls13: VecDeque<Tls13ClientSessionValue>,
    /// The earliest end of the certificates that they are of. Which session is of which certificate rustls does not tell.
    end: Option<SystemTime>,
}

impl ServerTickets {
    fn drop_ended(&mut self) {
        if has_ended(self.end) {
            self.tls12 = None;
            self.tls13.clear();
            self.end = None;
        }
    }
}

/// The part of [`Tickets`] that one space may see.
pub(super) struct ScopedTickets {
    tickets: Arc<Tickets>,
    space: Space,
}

impl ScopedTickets {
    pub(super) fn new(tickets: &Arc<Tickets>, space: Space) -> Self {
        Self {
            tickets: Arc::clone(tickets),
            space,
        }
    }

    fn edit<T>(
        &self,
        server_name: ServerName<'static>,
        edit: impl FnOnce(&mut ServerTickets) -> T,
    ) -> T {
        let key = (self.space.clone(), server_name);
        let mut servers = self.tickets.lock();
        edit(servers.get_or_insert_with(&key, ServerTickets::default))
    }

    fn look<T>(
        &self,
        server_name: &ServerName<'_>,
        look: impl FnOnce(&mut ServerTickets) -> Option<T>,
    ) -> Option<T> {
        let key = (self.space.clone(), server_name.to_owned());
        let mut servers = self.tickets.lock();
        let server = servers.get_mut(&key)?;
        server.drop_ended();
        look(server)
    }
}

impl ClientSessionStore for ScopedTickets {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.edit(server_name, |server| server.kx_hint = Some(group));
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.look(server_name, |server| server.kx_hint)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.edit(server_name, |server| server.tls12 = Some(value));
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.look(server_name, |server| server.tls12.clone())
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.look(server_name, |server| server.tls12.take());
    }

    fn insert_tls13_ticket(
        &self,
        server_name: ServerName<'static>,
        value: Tls13ClientSessionValue,
    ) {
        self.edit(server_name, |server| {
            if server.tls13.len() == self.tickets.per_server {
                server.tls13.pop_front();
            }
            server.tls13.push_back(value);
        });
    }

    // The newest: it has the longest to live. Taken, since a ticket used twice links the two connections (RFC 8446
    // appendix C.4).
    fn take_tls13_ticket(
        &self,
        server_name: &ServerName<'static>,
    ) -> Option<Tls13ClientSessionValue> {
        self.look(server_name, |server| server.tls13.pop_back())
    }
}

// By hand: sessions hold secrets.
impl fmt::Debug for ScopedTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedTickets").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Plan, TlsConfigId};

    fn scoped(tickets: &Arc<Tickets>, scope: &str) -> ScopedTickets {
        let plan = Plan::native(TlsConfigId::default());
        let cx = TlsContext::new("ignored", &plan).with_scope(scope);
        ScopedTickets::new(tickets, Space::new(&cx))
    }

    fn name(n: usize) -> ServerName<'static> {
        ServerName::try_from(format!("host-{n}.example")).unwrap()
    }

    #[test]
    fn what_one_scope_learns_is_not_seen_in_another() {
        let tickets = Arc::new(Tickets::new(8, 1));
        let (one, two) = (scoped(&tickets, "one"), scoped(&tickets, "two"));
        one.set_kx_hint(name(0), NamedGroup::secp384r1);
        assert_eq!(one.kx_hint(&name(0)), Some(NamedGroup::secp384r1));
        assert_eq!(two.kx_hint(&name(0)), None);
    }

    #[test]
    fn the_bound_on_servers_spans_all_scopes() {
        let tickets = Arc::new(Tickets::new(8, 1));
        for n in 0..100 {
            scoped(&tickets, &n.to_string()).set_kx_hint(name(n), NamedGroup::X25519);
        }
        assert_eq!(tickets.servers.lock().unwrap().len(), 8);
    }
}
