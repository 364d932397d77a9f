//! The rustls backend from options.

use pool_health::{OptionDoc, Options, OptionsError};
use pool_tls::{Roots, RustlsConnectorBuilder};

pub(super) const NAME: &str = "rustls";

pub(super) const OPTIONS: &[OptionDoc] = &[
    OptionDoc::new(
        "roots",
        "which authorities are trusted: those of the platform, of webpki (Mozilla's, compiled in), or none",
        Some(if cfg!(feature = "platform-roots") {
            "platform"
        } else {
            "webpki"
        }),
    ),
    OptionDoc::new(
        "tickets_per_server",
        "session tickets kept per server, 0 resumes no session",
        Some("8"),
    ),
    OptionDoc::new(
        "servers_with_tickets",
        "servers whose session tickets are kept, 0 resumes no session",
        Some("1024"),
    ),
];

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
pub fn rustls_from_options(options: &Options) -> Result<RustlsConnectorBuilder, OptionsError> {
    options.finish(OPTIONS)?;
    let mut builder = RustlsConnectorBuilder::default();
    match options.text("roots") {
        None => {}
        #[cfg(feature = "platform-roots")]
        Some("platform") => builder = builder.roots(Roots::Platform),
        Some("webpki") => builder = builder.roots(Roots::WebPki),
        Some("none") => builder = builder.roots(Roots::None),
        Some(other) => {
            let expected = if cfg!(feature = "platform-roots") {
                r#""platform", "webpki" or "none""#
            } else {
                r#""webpki" or "none""#
            };
            return Err(OptionsError::invalid("roots", other, expected));
        }
    }
    if let Some(tickets) = options.number("tickets_per_server")? {
        builder = builder.tickets_per_server(tickets);
    }
    if let Some(servers) = options.number("servers_with_tickets")? {
        builder = builder.servers_with_tickets(servers);
    }
    Ok(builder)
}
