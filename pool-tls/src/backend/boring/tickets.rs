//! Sessions to resume, kept apart by who may resume them and bounded over all.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ::boring::error::ErrorStack;
use ::boring::ex_data::Index;
use ::boring::ssl::{Ssl, SslContextBuilder, SslRef, SslSession, SslSessionCacheMode, SslVersion};

use super::ffi;
use crate::backend::lru::Lru;
use crate::backend::validity::{has_ended, not_after};

/// Where a session is filed, and the only place it is looked for. Cloning is one atomic increment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct TicketKey(Arc<KeyParts>);

#[derive(PartialEq, Eq, Hash)]
struct KeyParts {
    context: u64,
    server_name: Box<str>,
    alpn: Box<[u8]>,
    scope: Box<str>,
}

impl TicketKey {
    /// `context` is the number of the `SslContext`, of which there is one per plan: so the profile is in here too.
    pub(super) fn new(context: u64, server_name: &str, alpn: &[u8], scope: &str) -> Self {
        Self(Arc::new(KeyParts {
            context,
            server_name: server_name.to_ascii_lowercase().into(),
            alpn: alpn.into(),
            scope: scope.into(),
        }))
    }
}

/// The sessions of one connector.
pub(super) struct Tickets {
    per_server: usize,
    servers: Mutex<Lru<TicketKey, ServerTickets>>,
}

#[derive(Default)]
struct ServerTickets {
    tls12: Option<Resumable>,
    /// Oldest first, at most `Tickets::per_server`.
    tls13: VecDeque<Resumable>,
}

/// A session, and the end of the certificate that it was opened with: who resumes is shown none, and BoringSSL does not ask whether
/// that one is still valid.
#[derive(Clone)]
struct Resumable {
    session: SslSession,
    end: Option<SystemTime>,
}

impl Tickets {
    /// Remembers `servers` servers, each with `per_server` TLS 1.3 tickets and one TLS 1.2 session.
    pub(super) fn new(servers: usize, per_server: usize) -> Self {
        Self {
            per_server,
            servers: Mutex::new(Lru::new(servers)),
        }
    }

    /// Files here what connections of this context receive.
    pub(super) fn collect(self: &Arc<Self>, context: &mut SslContextBuilder) {
        context
            .set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
        let tickets = Arc::clone(self);
        context.set_new_session_callback(move |ssl, session| {
            if let Some(key) = ssl.ex_data(*KEY) {
                let certificate = ssl.peer_certificate().and_then(|it| it.to_der().ok());
                let end = certificate.and_then(|der| not_after(&der));
                tickets.insert(key, Resumable { session, end });
            }
        });
    }

    /// Offers to resume a session of `key` if there is one, and files under `key` what this connection receives.
    pub(super) fn attach(&self, ssl: &mut SslRef, key: TicketKey) -> Result<(), ErrorStack> {
        if let Some(Resumable { session, end }) = self.take(&key)
            && !has_ended(end)
        {
            ffi::resume(ssl, &session)?;
        }
        ssl.set_ex_data(*KEY, key);
        Ok(())
    }

    fn insert(&self, key: &TicketKey, resumable: Resumable) {
        let mut servers = self.lock();
        let server = servers.get_or_insert_with(key, ServerTickets::default);
        if resumable.session.protocol_version() != SslVersion::TLS1_3 {
            server.tls12 = Some(resumable);
            return;
        }
        if server.tls13.len() == self.per_server {
            server.tls13.pop_front();
        }
        server.tls13.push_back(resumable);
    }

    // The newest: it has the longest to live. One of TLS 1.3 is taken out, since a ticket used twice links the two
    // connections (RFC 8446 appendix C.4).
    fn take(&self, key: &TicketKey) -> Option<Resumable> {
        let mut servers = self.lock();
        let server = servers.get_mut(key)?;
        server.tls13.pop_back().or_else(|| server.tls12.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Lru<TicketKey, ServerTickets>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slot of a connection that says where its tickets go.
static KEY: LazyLock<Index<Ssl, TicketKey>> =
    LazyLock::new(|| Ssl::new_ex_index().expect("a new slot takes a few bytes of memory"));
