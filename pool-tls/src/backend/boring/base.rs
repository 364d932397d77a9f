//! What all hellos of one connector have in common: whom it trusts, who it is, what it remembers.

use std::sync::Arc;

use ::boring::error::ErrorStack;
use ::boring::pkey::{PKey, Private};
use ::boring::ssl::{SslContextBuilder, SslMethod, SslMode, SslVerifyMode, SslVersion};
use ::boring::x509::X509;
use ::boring::x509::store::X509Store;

use super::tickets::Tickets;

pub(super) struct Base {
    /// `None` accepts any certificate.
    pub(super) trusted: Option<X509Store>,
    pub(super) client: Option<ClientCertificate>,
    /// `None` resumes no session.
    pub(super) tickets: Option<Arc<Tickets>>,
    pub(super) key_log: Option<KeyLog>,
}

/// Is called with a line for each secret.
pub(super) type KeyLog = Arc<dyn Fn(&str) + Send + Sync>;

/// The chain begins with our own certificate.
pub(super) struct ClientCertificate {
    pub(super) chain: Vec<X509>,
    pub(super) key: PKey<Private>,
}

impl Base {
    /// A context to which nothing is missing but a hello.
    pub(super) fn context(&self) -> Result<SslContextBuilder, ErrorStack> {
        let mut context = SslContextBuilder::new(SslMethod::tls())?;
        context.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        // As `AsyncWrite` needs it: a write may be partial, and its buffer may move between polls.
        context.set_mode(SslMode::ENABLE_PARTIAL_WRITE | SslMode::ACCEPT_MOVING_WRITE_BUFFER);
        match &self.trusted {
            Some(store) => {
                context.set_verify(SslVerifyMode::PEER);
                context.set_cert_store_ref(store);
            }
            None => context.set_verify(SslVerifyMode::NONE),
        }
        if let Some(client) = &self.client {
            client.show(&mut context)?;
        }
        if let Some(tickets) = &self.tickets {
            tickets.collect(&mut context);
        }
        if let Some(log) = self.key_log.clone() {
            context.set_keylog_callback(move |_, line| log(line));
        }
        Ok(context)
    }
}

impl ClientCertificate {
    fn show(&self, context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        let (own, issuers) = self
            .chain
            .split_first()
            .expect("the builder takes no empty chain");
        context.set_certificate(own)?;
        context.set_private_key(&self.key)?;
        for issuer in issuers {
            context.add_extra_chain_cert(issuer.clone())?;
        }
        context.check_private_key()
    }
}
