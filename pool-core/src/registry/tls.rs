//! The TLS backends from options.

#[cfg(any(feature = "rustls", feature = "boring"))]
mod options;

#[cfg(all(feature = "rustls", feature = "boring"))]
use std::sync::Arc;

use pool_health::{Options, OptionsError};
use pool_tls::NoTls;
#[cfg(feature = "boring")]
use pool_tls::{BoringConnector, BoringConnectorBuilder};
#[cfg(all(feature = "rustls", feature = "boring"))]
use pool_tls::{Nearest, TlsConnector};
#[cfg(feature = "rustls")]
use pool_tls::{RustlsConnector, RustlsConnectorBuilder};

#[cfg(any(feature = "rustls", feature = "boring"))]
use self::options::{OPTIONS, TlsOptions};
use super::{OptionDoc, PolicyKind, Registry};
#[cfg(any(feature = "rustls", feature = "boring"))]
use crate::error::BoxError;

pub(super) fn register(registry: Registry) -> Registry {
    const NO_OPTIONS: [OptionDoc; 0] = [];
    let registry = registry
        .tls("none", |options: &Options| {
            options.finish::<&str>(&[])?;
            Ok::<_, OptionsError>(NoTls)
        })
        .describe(
            PolicyKind::Tls,
            "none",
            "refuses every handshake: http:// only",
            NO_OPTIONS,
        );
    #[cfg(feature = "rustls")]
    let registry = registry
        .tls("rustls", |options: &Options| {
            Ok::<_, BoxError>(rustls_from_options(options)?.build()?)
        })
        .describe(
            PolicyKind::Tls,
            "rustls",
            "rustls, with its own hello and as much of a profile's as it can send",
            OPTIONS.iter().copied(),
        );
    #[cfg(feature = "boring")]
    let registry = registry
        .tls("boring", |options: &Options| {
            Ok::<_, BoxError>(boring_from_options(options)?.build()?)
        })
        .describe(
            PolicyKind::Tls,
            "boring",
            "BoringSSL, with its own hello and those of browsers built on it",
            OPTIONS.iter().copied(),
        );
    #[cfg(all(feature = "rustls", feature = "boring"))]
    let registry = registry
        .tls("nearest", |options: &Options| {
            let rustls: Arc<dyn TlsConnector> = Arc::new(rustls_from_options(options)?.build()?);
            let boring: Arc<dyn TlsConnector> = Arc::new(boring_from_options(options)?.build()?);
            Ok::<_, BoxError>(Nearest::new([rustls, boring]))
        })
        .describe(
            PolicyKind::Tls,
            "nearest",
            "each profile by the one of these that comes nearest to it, rustls where it has no hello",
            OPTIONS.iter().copied(),
        );
    registry
}

#[cfg(any(feature = "rustls", feature = "boring"))]
/// The same calls on either builder, which have no trait in common.
macro_rules! begin {
    ($connector:ident, $options:expr) => {{
        let TlsOptions {
            roots,
            tickets_per_server,
            servers_with_tickets,
        } = TlsOptions::of($options)?;
        let mut builder = $connector::builder().roots(roots);
        if let Some(tickets) = tickets_per_server {
            builder = builder.tickets_per_server(tickets);
        }
        if let Some(servers) = servers_with_tickets {
            builder = builder.servers_with_tickets(servers);
        }
        Ok(builder)
    }};
}

/// Begins a rustls connector from the options of `[tls]` with `use = "rustls"`: `roots`, `tickets_per_server` and
/// `servers_with_tickets`.
///
/// Authorities and client certificates of one's own come from files, and this crate reads none. An application that has
/// read them registers the name again:
///
/// ```
/// use pool_core::registry::{Registry, rustls_from_options};
/// # let ca_pem = b"";
///
/// let registry = Registry::builtin().tls("rustls", move |options| {
///     let builder = rustls_from_options(options)?;
///     Ok::<_, pool_core::BoxError>(builder.add_ca_pem(ca_pem)?.build()?)
/// });
/// # assert_eq!(registry.list().iter().filter(|doc| doc.name == "rustls").count(), 1);
/// ```
///
/// # Errors
///
/// If an option is unknown or its value is none of those above.
#[cfg(feature = "rustls")]
pub fn rustls_from_options(options: &Options) -> Result<RustlsConnectorBuilder, OptionsError> {
    begin!(RustlsConnector, options)
}

/// Begins a BoringSSL connector from the options of `[tls]` with `use = "boring"`, which are those of
/// [`rustls_from_options`].
///
/// # Errors
///
/// If an option is unknown or its value is none of those.
#[cfg(feature = "boring")]
pub fn boring_from_options(options: &Options) -> Result<BoringConnectorBuilder, OptionsError> {
    begin!(BoringConnector, options)
}
