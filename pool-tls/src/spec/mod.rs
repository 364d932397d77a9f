//! What a client looks like on the wire, as data.

#[cfg(feature = "profiles")]
mod built_in;
mod capture;
mod error;
#[cfg(feature = "profiles")]
mod file;
mod fingerprint;
mod hello;
mod http2;
mod validate;

#[cfg(feature = "profiles")]
pub use built_in::UnknownProfile;
pub use error::SpecError;
pub use hello::{ClientHelloSpec, EchGreaseSpec, ExtensionOrder, ExtensionSpec, Slot};
pub use http2::{Http2Spec, PseudoHeader, StreamPriority};

use crate::ProfileId;

/// A fingerprint profile: everything of a client that a server can tell it by before it reads the request.
///
/// Made from captures, never written by hand: a profile says what a real client was seen to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name, which is also the name in a pool's key.
    pub id: ProfileId,
    /// Where the values come from. `None` for the backend's own hello.
    pub captured: Option<Captured>,
    /// The TLS hello. `None` lets the backend send its own.
    pub hello: Option<ClientHelloSpec>,
    /// The opening of an HTTP/2 connection. `None` lets the engine send its own.
    pub http2: Option<Http2Spec>,
    /// The headers that the client sends by itself with a first request, in its order, names in lower case.
    ///
    /// They are sent only over a hello that is the client's own.
    pub headers: Vec<(String, String)>,
}

/// Where the values of a [`Profile`] come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// The client and its version, such as `Chromium 156.0.8078.79`.
    pub client: String,
    /// The day, as `2026-11-22`.
    pub date: String,
    /// How it was captured, such as `Debian 12, headless, loopback`.
    pub source: String,
}

impl Profile {
    /// The backend's own hello and the engine's own opening, under the name `native`.
    pub fn native() -> Self {
        Self {
            id: ProfileId::native(),
            captured: None,
            hello: None,
            http2: None,
            headers: Vec::new(),
        }
    }
}

/// The version in the record of every hello that a profile describes, RFC 8446 section 5.1.
const RECORD_VERSION: u16 = 0x0301;

/// The version in the hello itself, RFC 8446 section 4.1.2.
const LEGACY_VERSION: u16 = 0x0303;
