//! The rustls backend, on the ring provider.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ::rustls::client::Resumption;
use ::rustls::client::danger::ServerCertVerifier;
use ::rustls::pki_types::ServerName;
use ::rustls::{ClientConfig, HandshakeKind, ProtocolVersion};
use async_trait::async_trait;

use self::tickets::{ScopedTickets, Space, Tickets};
use crate::backend::lru::Lru;
use crate::backend::validity;
use crate::spec::Profile;
use crate::{
    BoxedIo, Plan, TlsConfigId, TlsConnector, TlsContext, TlsError, TlsErrorKind, TlsSession,
    TlsVersion,
};

mod builder;
mod classify;
mod imitate;
mod tickets;
mod verifier;

pub use builder::RustlsConnectorBuilder;

/// A [`TlsConnector`] on rustls: TLS 1.2 and 1.3, certificates checked, session tickets kept apart by scope.
///
/// Under a profile it sends as much of the profile's hello as rustls can, and its [`Plan`] says how much that is: never all of
/// a browser's. It never sends early data. Its provider is ring, passed explicitly, so another provider in the same process does not matter.
///
/// In TLS 1.3 a server judges our certificate after our side of the handshake is done: its refusal is an error of the
/// first read, not of [`connect`](TlsConnector::connect).
pub struct RustlsConnector {
    id: TlsConfigId,
    checks_certificates: bool,
    has_client_certificate: bool,
    verifier: Arc<dyn ServerCertVerifier>,
    /// What all spaces under rustls's own hello have in common.
    base: ClientConfig,
    /// `None` resumes no session.
    tickets: Option<Arc<Tickets>>,
    configs: Mutex<Lru<Space, Arc<ClientConfig>>>,
}

impl RustlsConnector {
    /// Starts a connector that checks certificates against the default [`Roots`](crate::Roots).
    pub fn builder() -> RustlsConnectorBuilder {
        RustlsConnectorBuilder::default()
    }

    fn new(
        base: ClientConfig,
        verifier: Arc<dyn ServerCertVerifier>,
        tickets: Option<Arc<Tickets>>,
        checks_certificates: bool,
        has_client_certificate: bool,
    ) -> Self {
        Self {
            id: TlsConfigId::unique(),
            checks_certificates,
            has_client_certificate,
            base,
            verifier,
            tickets,
            configs: Mutex::new(Lru::new(MAX_CONFIGS)),
        }
    }

    /// The configuration for one space, made from `base`. All of them share verifier and client certificate.
    fn config(&self, space: Space, base: &ClientConfig) -> Arc<ClientConfig> {
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        let config = configs.get_or_insert_with(&space, || {
            let mut config = base.clone();
            config.alpn_protocols = space.alpn().to_vec();
            config.resumption = match &self.tickets {
                Some(tickets) => {
                    Resumption::store(Arc::new(ScopedTickets::new(tickets, space.clone())))
                }
                None => Resumption::disabled(),
            };
            Arc::new(config)
        });
        Arc::clone(config)
    }
}

#[async_trait]
impl TlsConnector for RustlsConnector {
    fn config_id(&self) -> TlsConfigId {
        self.id
    }

    fn plan(&self, profile: &Arc<Profile>) -> Result<Plan, TlsError> {
        let Some(hello) = &profile.hello else {
            return Ok(Plan::own_hello(profile.clone(), self.id));
        };
        let config = imitate::config(&self.base, &self.verifier, profile, hello)?;
        let sent = imitate::drawn(&config, self.tickets.is_some())?;
        let report = imitate::report(hello, &sent);
        Ok(Plan::imitating(profile.clone(), self.id, report).with_state(config))
    }

    async fn connect(&self, cx: &TlsContext<'_>, io: BoxedIo) -> Result<TlsSession, TlsError> {
        if cx.plan.made_by() != self.id {
            return Err(TlsError::unknown_profile(cx.plan.profile_id()));
        }
        let name = ServerName::try_from(cx.server_name)
            .map_err(|error| TlsError::new(TlsErrorKind::ServerName).with_source(error))?
            .to_owned();
        // RFC 7301 section 3.1; rustls would send such a list as it is.
        if cx.alpn.iter().any(|p| p.is_empty() || p.len() > 255) {
            return Err(TlsError::new(TlsErrorKind::Other)
                .with_source("an ALPN protocol name has 1 to 255 bytes"));
        }

        let space = Space::new(cx);
        let config = self.config(space.clone(), cx.plan.state().unwrap_or(&self.base));
        let stream = tokio_rustls::TlsConnector::from(config)
            .connect(name.clone(), io)
            .await
            .map_err(classify::handshake_error)?;

        let (_, conn) = stream.get_ref();
        let version = match conn.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        };
        let resumed = conn.handshake_kind() == Some(HandshakeKind::Resumed);
        let alpn = conn.alpn_protocol().map(<[u8]>::to_vec);
        let certificate = conn.peer_certificates().and_then(<[_]>::first);
        let expires = certificate.and_then(|certificate| validity::not_after(certificate));
        if let (Some(tickets), Some(end)) = (&self.tickets, expires) {
            tickets.end_by(space, name, end);
        }
        Ok(
            TlsSession::new(Box::new(stream), version, cx.plan.profile_id().clone())
                .with_alpn(alpn)
                .with_resumed(resumed)
                .with_certificate_expires(expires),
        )
    }
}

// By hand: the configuration inside holds a private key and session secrets.
impl fmt::Debug for RustlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RustlsConnector")
            .field("config_id", &self.id)
            .field("checks_certificates", &self.checks_certificates)
            .field("has_client_certificate", &self.has_client_certificate)
            .finish_non_exhaustive()
    }
}

/// Spaces whose configuration is kept ready. One that is dropped costs a few allocations to make again, and no ticket:
/// those are filed under the space's value.
const MAX_CONFIGS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Roots;

    fn space(scope: &str) -> Space {
        let plan = Plan::native(TlsConfigId::default());
        Space::new(&TlsContext::new("example.com", &plan).with_scope(scope))
    }

    #[test]
    fn an_ordinary_connector_logs_no_key_and_sends_no_early_data() {
        let connector = RustlsConnector::builder()
            .roots(Roots::WebPki)
            .build()
            .unwrap();
        let config = connector.config(space(""), &connector.base);
        assert!(!config.key_log.will_log("CLIENT_TRAFFIC_SECRET_0"));
        assert!(!config.enable_early_data);
        assert!(!config.enable_secret_extraction);
    }

    #[test]
    fn keys_are_logged_only_when_the_code_says_so() {
        let connector = RustlsConnector::builder()
            .roots(Roots::WebPki)
            .key_log(true)
            .build()
            .unwrap();
        let config = connector.config(space(""), &connector.base);
        assert!(config.key_log.will_log("CLIENT_TRAFFIC_SECRET_0"));
    }

    #[test]
    fn a_scope_keeps_its_configuration_and_a_thousand_scopes_keep_few() {
        let connector = RustlsConnector::builder()
            .roots(Roots::WebPki)
            .build()
            .unwrap();
        let first = connector.config(space("first"), &connector.base);
        assert!(Arc::ptr_eq(
            &first,
            &connector.config(space("first"), &connector.base)
        ));
        assert!(!Arc::ptr_eq(
            &first,
            &connector.config(space("second"), &connector.base)
        ));

        for n in 0..1000 {
            connector.config(space(&n.to_string()), &connector.base);
        }
        assert_eq!(connector.configs.lock().unwrap().len(), MAX_CONFIGS);
        assert!(!Arc::ptr_eq(
            &first,
            &connector.config(space("first"), &connector.base)
        ));
    }
}
