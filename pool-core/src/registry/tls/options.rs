//! The options that every TLS backend takes.

use pool_health::{OptionDoc, Options, OptionsError};
use pool_tls::Roots;

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

/// What [`OPTIONS`] say.
pub(super) struct TlsOptions {
    pub(super) roots: Roots,
    pub(super) tickets_per_server: Option<usize>,
    pub(super) servers_with_tickets: Option<usize>,
}

impl TlsOptions {
    pub(super) fn of(options: &Options) -> Result<Self, OptionsError> {
        options.finish(OPTIONS)?;
        let roots = match options.text("roots") {
            None => Roots::default(),
            #[cfg(feature = "platform-roots")]
            Some("platform") => Roots::Platform,
            Some("webpki") => Roots::WebPki,
            Some("none") => Roots::None,
            Some(other) => {
                let expected = if cfg!(feature = "platform-roots") {
                    r#""platform", "webpki" or "none""#
                } else {
                    r#""webpki" or "none""#
                };
                return Err(OptionsError::invalid("roots", other, expected));
            }
        };
        Ok(Self {
            roots,
            tickets_per_server: options.number("tickets_per_server")?,
            servers_with_tickets: options.number("servers_with_tickets")?,
        })
    }
}
