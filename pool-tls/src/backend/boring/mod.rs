//! The BoringSSL backend.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::boring::ssl::SslVersion;
use async_trait::async_trait;
use rustls_pki_types::ServerName;
use tokio_boring::SslStreamBuilder;

use self::base::Base;
use self::hello::Hello;
use self::stream::Stream;
use self::tickets::TicketKey;
use crate::backend::validity;
use crate::spec::Profile;
use crate::{
    BoxedIo, Plan, TlsConfigId, TlsConnector, TlsContext, TlsError, TlsErrorKind, TlsSession,
    TlsVersion,
};

mod base;
mod builder;
mod classify;
mod compression;
mod ffi;
mod fidelity;
mod hello;
mod settings;
mod stream;
mod tickets;

pub use builder::BoringConnectorBuilder;

/// A [`TlsConnector`] on BoringSSL: TLS 1.2 and 1.3, certificates checked, session tickets kept apart by scope, and the
/// hello of a profile, as far as BoringSSL can send it.
///
/// A plan says how far that is, by hellos that BoringSSL has written for the purpose. Under the profile `native` it sends
/// BoringSSL's own. It never sends early data.
///
/// In TLS 1.3 a server judges our certificate after our side of the handshake is done: its refusal is an error of the
/// first read, not of [`connect`](TlsConnector::connect).
pub struct BoringConnector {
    id: TlsConfigId,
    base: Base,
    native: Prepared,
}

/// The state of a plan.
struct Prepared {
    /// The number of the context: no two plans resume each other's sessions.
    number: u64,
    hello: Hello,
}

impl Prepared {
    fn new(hello: Hello) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            hello,
        }
    }
}

impl BoringConnector {
    /// Starts a connector that checks certificates against the default [`Roots`](crate::Roots).
    pub fn builder() -> BoringConnectorBuilder {
        BoringConnectorBuilder::default()
    }

    fn new(base: Base, native: Hello) -> Self {
        Self {
            id: TlsConfigId::unique(),
            base,
            native: Prepared::new(native),
        }
    }

    /// What to send under this plan. `None` if it is not one of ours.
    fn prepared<'a>(&'a self, plan: &'a Plan) -> Option<&'a Prepared> {
        if plan.made_by() != self.id {
            return None;
        }
        match plan.profile().hello {
            None => Some(&self.native),
            Some(_) => plan.state(),
        }
    }
}

#[async_trait]
impl TlsConnector for BoringConnector {
    fn config_id(&self) -> TlsConfigId {
        self.id
    }

    fn plan(&self, profile: &Arc<Profile>) -> Result<Plan, TlsError> {
        let Some(spec) = &profile.hello else {
            return Ok(Plan::own_hello(profile.clone(), self.id));
        };
        let (hello, gaps) = settings::hello(spec, &self.base)
            .map_err(|error| TlsError::unknown_profile(&profile.id).with_source(error))?;
        let report = fidelity::report(spec, &hello, &gaps)?;
        Ok(Plan::imitating(profile.clone(), self.id, report).with_state(Prepared::new(hello)))
    }

    async fn connect(&self, cx: &TlsContext<'_>, io: BoxedIo) -> Result<TlsSession, TlsError> {
        let prepared = self
            .prepared(cx.plan)
            .ok_or_else(|| TlsError::unknown_profile(cx.plan.profile_id()))?;
        let name = ServerName::try_from(cx.server_name)
            .map_err(|error| TlsError::new(TlsErrorKind::ServerName).with_source(error))?;
        let alpn = hello::wire(cx.alpn.iter().copied()).ok_or_else(|| {
            TlsError::new(TlsErrorKind::Other)
                .with_source("an ALPN protocol name has 1 to 255 bytes")
        })?;

        let mut ssl = prepared
            .hello
            .connection(&name, &alpn)
            .map_err(classify::setup_error)?;
        if let Some(tickets) = &self.base.tickets {
            let alpn = prepared.hello.alpn(&alpn);
            let key = TicketKey::new(prepared.number, cx.server_name, alpn, cx.scope);
            tickets
                .attach(&mut ssl, key)
                .map_err(classify::setup_error)?;
        }
        let stream = SslStreamBuilder::new(ssl, io)
            .connect()
            .await
            .map_err(|error| classify::handshake_error(&error))?;

        let ssl = stream.ssl();
        let version = match ssl.version2() {
            Some(SslVersion::TLS1_2) => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        };
        let resumed = ssl.session_reused();
        let alpn = ssl.selected_alpn_protocol().map(<[u8]>::to_vec);
        let certificate = ssl.peer_certificate().and_then(|it| it.to_der().ok());
        let expires = certificate.and_then(|der| validity::not_after(&der));
        let profile = cx.plan.profile_id().clone();
        Ok(TlsSession::new(Box::new(Stream(stream)), version, profile)
            .with_alpn(alpn)
            .with_resumed(resumed)
            .with_certificate_expires(expires))
    }
}

// By hand: the base holds a private key and session secrets.
impl fmt::Debug for BoringConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoringConnector")
            .field("config_id", &self.id)
            .field("checks_certificates", &self.base.trusted.is_some())
            .field("has_client_certificate", &self.base.client.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
