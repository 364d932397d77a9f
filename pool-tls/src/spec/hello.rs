//! The ClientHello of a profile.

/// A ClientHello without what is fresh in every connection: random, session id, key material, the server's name.
///
/// Everything is in wire order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHelloSpec {
    /// Whether a session id is sent though no session is resumed (32 random bytes, the compatibility mode of TLS 1.3).
    pub session_id: bool,
    /// The cipher suites.
    pub ciphers: Vec<Slot>,
    /// How the client orders its extensions.
    pub extension_order: ExtensionOrder,
    /// The extensions of a full handshake. With [`ExtensionOrder::Permuted`] their order is that of one capture.
    pub extensions: Vec<ExtensionSpec>,
}

/// A place in a list of code points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// One of the sixteen values that RFC 8701 reserves, drawn for each connection.
    Grease,
    /// This code point.
    Value(u16),
}

/// How a client orders its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtensionOrder {
    /// The same in every hello.
    Fixed,
    /// Drawn for each connection. GREASE extensions, padding and `pre_shared_key` keep their places.
    Permuted,
}

/// One extension of a hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtensionSpec {
    /// A GREASE extension with a body of this many zero bytes.
    Grease {
        /// The length of the body in bytes.
        length: u16,
    },
    /// `server_name` (0). Not sent to an IP address.
    ServerName,
    /// `status_request` (5), for OCSP, with empty lists.
    StatusRequest,
    /// `supported_groups` (10).
    SupportedGroups(Vec<Slot>),
    /// `ec_point_formats` (11).
    EcPointFormats(Vec<u8>),
    /// `signature_algorithms` (13).
    SignatureAlgorithms(Vec<Slot>),
    /// `application_layer_protocol_negotiation` (16).
    Alpn(Vec<String>),
    /// `signed_certificate_timestamp` (18).
    SignedCertificateTimestamp,
    /// `padding` (21).
    Padding,
    /// `extended_master_secret` (23).
    ExtendedMasterSecret,
    /// `compress_certificate` (27): 1 zlib, 2 brotli, 3 zstd.
    CompressCertificate(Vec<u16>),
    /// `record_size_limit` (28), in bytes.
    RecordSizeLimit(u16),
    /// `delegated_credentials` (34), with the signature algorithms it accepts.
    DelegatedCredentials(Vec<u16>),
    /// `session_ticket` (35), empty in a full handshake.
    SessionTicket,
    /// `supported_versions` (43).
    SupportedVersions(Vec<Slot>),
    /// `psk_key_exchange_modes` (45).
    PskKeyExchangeModes(Vec<u8>),
    /// `key_share` (51): the groups for which a share is sent.
    KeyShare(Vec<Slot>),
    /// Application-Layer Protocol Settings, a draft: its code point and the protocols.
    ApplicationSettings {
        /// 17513 until 2024, 17613 since.
        codepoint: u16,
        /// The protocols it has settings for.
        protocols: Vec<String>,
    },
    /// `trust_anchors` (0xca34), a draft: the body as sent.
    TrustAnchors(Vec<u8>),
    /// `encrypted_client_hello` (65037), not a real one: GREASE.
    EchGrease(EchGreaseSpec),
    /// `renegotiation_info` (65281), empty.
    RenegotiationInfo,
    /// An extension that this crate knows nothing of, with its body as sent.
    Other {
        /// The extension's code point.
        id: u16,
        /// Its body.
        body: Vec<u8>,
    },
}

/// The varying parts of a GREASE `encrypted_client_hello`, as the set of values that a client was seen to draw from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EchGreaseSpec {
    /// The key derivation functions, such as 1 (HKDF-SHA256).
    pub kdfs: Vec<u16>,
    /// The AEADs, such as 1 (AES-128-GCM) and 3 (ChaCha20-Poly1305).
    pub aeads: Vec<u16>,
    /// The lengths of the payload in bytes.
    pub payload_lengths: Vec<u16>,
}
