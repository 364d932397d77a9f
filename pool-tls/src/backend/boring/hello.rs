//! A hello that BoringSSL is set up to send.

use std::io::{self, Read, Write};
use std::net::IpAddr;

use ::boring::error::ErrorStack;
use ::boring::ssl::{HandshakeError, Ssl, SslContext};
use ::boring::x509::verify::X509CheckFlags;
use rustls_pki_types::ServerName;

use super::base::Base;
use super::ffi;

/// Settings that send one hello.
pub(super) struct Hello {
    context: SslContext,
    per_connection: PerConnection,
}

/// What BoringSSL takes for a connection only, not for a context.
#[derive(Default)]
pub(super) struct PerConnection {
    /// `false` sends the server's name to nobody.
    pub(super) server_name: bool,
    /// `None` leaves the choice to the caller.
    pub(super) alpn: Option<Vec<u8>>,
    pub(super) ech_grease: bool,
    /// `None` leaves the choice to BoringSSL.
    pub(super) key_shares: Option<Vec<u16>>,
    pub(super) application_settings: Option<ApplicationSettings>,
}

/// ALPS, a draft.
pub(super) struct ApplicationSettings {
    pub(super) new_codepoint: bool,
    pub(super) protocols: Vec<String>,
}

impl Hello {
    /// BoringSSL's own.
    pub(super) fn native(base: &Base) -> Result<Self, ErrorStack> {
        Ok(Self {
            context: base.context()?.build(),
            per_connection: PerConnection {
                server_name: true,
                ..PerConnection::default()
            },
        })
    }

    /// The hello of these settings.
    pub(super) fn new(context: SslContext, per_connection: PerConnection) -> Self {
        Self {
            context,
            per_connection,
        }
    }

    /// The protocols that it offers: those of the caller, unless it has its own.
    pub(super) fn alpn<'a>(&'a self, callers: &'a [u8]) -> &'a [u8] {
        self.per_connection.alpn.as_deref().unwrap_or(callers)
    }

    /// A connection that will send this hello to `name`, and will believe nobody else.
    pub(super) fn connection(&self, name: &ServerName<'_>, alpn: &[u8]) -> Result<Ssl, ErrorStack> {
        let settings = &self.per_connection;
        let mut ssl = Ssl::new(&self.context)?;
        let expected = ssl.param_mut();
        expected.set_hostflags(
            X509CheckFlags::NO_PARTIAL_WILDCARDS | X509CheckFlags::NEVER_CHECK_SUBJECT,
        );
        match name {
            ServerName::IpAddress(ip) => expected.set_ip(IpAddr::from(*ip))?,
            name => {
                // The dot of a fully qualified name is in no certificate, and not in SNI either (RFC 6066 section 3).
                let name = name.to_str();
                let name = name.strip_suffix('.').unwrap_or(&name);
                expected.set_host(name)?;
                if settings.server_name {
                    ssl.set_hostname(name)?;
                }
            }
        }
        let alpn = self.alpn(alpn);
        if !alpn.is_empty() {
            ssl.set_alpn_protos(alpn)?;
        }
        ssl.set_enable_ech_grease(settings.ech_grease);
        if let Some(groups) = &settings.key_shares {
            ffi::set_key_shares(&mut ssl, groups)?;
        }
        if let Some(alps) = &settings.application_settings {
            for protocol in &alps.protocols {
                ffi::add_application_settings(&mut ssl, protocol.as_bytes(), alps.new_codepoint)?;
            }
        }
        Ok(ssl)
    }

    /// The bytes of a hello, as BoringSSL would send them. No two are the same.
    pub(super) fn draw(&self) -> Result<Vec<u8>, ErrorStack> {
        let name = ServerName::try_from("example.com").expect("a name of RFC 2606");
        // It stops where the answer should come.
        match self.connection(&name, b"")?.connect(Sink::default()) {
            Err(HandshakeError::WouldBlock(handshake)) => Ok(handshake.get_ref().0.clone()),
            Err(HandshakeError::SetupFailure(error)) => Err(error),
            Err(HandshakeError::Failure(handshake)) => match handshake.error().ssl_error() {
                Some(error) => Err(error.clone()),
                None => Ok(handshake.get_ref().0.clone()),
            },
            Ok(_) => unreachable!("nobody has answered"),
        }
    }
}

/// Takes what is written, and has nothing to read.
#[derive(Default)]
struct Sink(Vec<u8>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Sink {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// A list of protocols as the extension has it: a length byte before each (RFC 7301 section 3.1). `None` if one of them
/// has no byte or more than 255.
pub(super) fn wire<'a>(protocols: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut list = Vec::new();
    for protocol in protocols {
        let length = u8::try_from(protocol.len())
            .ok()
            .filter(|&length| length > 0)?;
        list.push(length);
        list.extend_from_slice(protocol);
    }
    Some(list)
}
