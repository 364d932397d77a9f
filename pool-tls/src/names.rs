//! The names of code points, from the registries of IANA and, for drafts, from the drafts.

/// A registry of code points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Registry {
    /// TLS cipher suites.
    CipherSuite,
    /// TLS supported groups.
    Group,
    /// TLS signature schemes.
    SignatureScheme,
    /// TLS protocol versions.
    Version,
    /// TLS extensions.
    Extension,
    /// TLS certificate compression algorithms.
    CertificateCompression,
    /// TLS point formats of elliptic curves.
    PointFormat,
    /// TLS key exchange modes of pre-shared keys.
    PskMode,
    /// HPKE key derivation functions.
    Kdf,
    /// HPKE AEADs.
    Aead,
    /// HTTP/2 settings.
    Http2Setting,
}

impl Registry {
    /// The name of `code`, if this crate knows it.
    ///
    /// ```
    /// use pool_tls::names::Registry;
    ///
    /// assert_eq!(Registry::Group.name(0x11ec), Some("X25519MLKEM768"));
    /// assert_eq!(Registry::Group.code("X25519MLKEM768"), Some(0x11ec));
    /// ```
    pub fn name(self, code: u16) -> Option<&'static str> {
        let found = self.table().iter().find(|(known, _)| *known == code);
        found.map(|(_, name)| *name)
    }

    /// The code point of `name`, in the spelling of the registry.
    pub fn code(self, name: &str) -> Option<u16> {
        let found = self.table().iter().find(|(_, known)| *known == name);
        found.map(|(code, _)| *code)
    }

    /// The name of `code`, or its four digits as `0x1234`.
    pub fn show(self, code: u16) -> String {
        self.name(code)
            .map_or_else(|| format!("{code:#06x}"), str::to_owned)
    }

    /// What one of its code points is, in a message.
    #[cfg(feature = "profiles")]
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::CipherSuite => "cipher suite",
            Self::Group => "group",
            Self::SignatureScheme => "signature scheme",
            Self::Version => "TLS version",
            Self::Extension => "TLS extension",
            Self::CertificateCompression => "certificate compression algorithm",
            Self::PointFormat => "point format",
            Self::PskMode => "key exchange mode",
            Self::Kdf => "key derivation function",
            Self::Aead => "AEAD",
            Self::Http2Setting => "HTTP/2 setting",
        }
    }

    /// All names.
    #[cfg(feature = "profiles")]
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        self.table().iter().map(|(_, name)| *name)
    }

    fn table(self) -> &'static [(u16, &'static str)] {
        match self {
            Self::CipherSuite => CIPHER_SUITES,
            Self::Group => GROUPS,
            Self::SignatureScheme => SIGNATURE_SCHEMES,
            Self::Version => VERSIONS,
            Self::Extension => extension::TABLE,
            Self::CertificateCompression => &[(1, "zlib"), (2, "brotli"), (3, "zstd")],
            Self::PointFormat => POINT_FORMATS,
            Self::PskMode => &[(0, "psk_ke"), (1, "psk_dhe_ke")],
            Self::Kdf => &[(1, "HKDF-SHA256"), (2, "HKDF-SHA384"), (3, "HKDF-SHA512")],
            Self::Aead => &[
                (1, "AES-128-GCM"),
                (2, "AES-256-GCM"),
                (3, "ChaCha20Poly1305"),
            ],
            Self::Http2Setting => HTTP2_SETTINGS,
        }
    }
}

/// The code points of the extensions that this crate reads.
pub(crate) mod extension {
    pub(crate) const SERVER_NAME: u16 = 0;
    pub(crate) const STATUS_REQUEST: u16 = 5;
    pub(crate) const SUPPORTED_GROUPS: u16 = 10;
    pub(crate) const EC_POINT_FORMATS: u16 = 11;
    pub(crate) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(crate) const ALPN: u16 = 16;
    pub(crate) const SIGNED_CERTIFICATE_TIMESTAMP: u16 = 18;
    pub(crate) const PADDING: u16 = 21;
    pub(crate) const EXTENDED_MASTER_SECRET: u16 = 23;
    pub(crate) const COMPRESS_CERTIFICATE: u16 = 27;
    pub(crate) const RECORD_SIZE_LIMIT: u16 = 28;
    pub(crate) const DELEGATED_CREDENTIALS: u16 = 34;
    pub(crate) const SESSION_TICKET: u16 = 35;
    pub(crate) const PRE_SHARED_KEY: u16 = 41;
    pub(crate) const EARLY_DATA: u16 = 42;
    pub(crate) const SUPPORTED_VERSIONS: u16 = 43;
    pub(crate) const COOKIE: u16 = 44;
    pub(crate) const PSK_KEY_EXCHANGE_MODES: u16 = 45;
    pub(crate) const KEY_SHARE: u16 = 51;
    /// draft-vvv-tls-alps, until 2024.
    pub(crate) const APPLICATION_SETTINGS_OLD: u16 = 17513;
    /// draft-vvv-tls-alps, since.
    pub(crate) const APPLICATION_SETTINGS: u16 = 17613;
    /// draft-ietf-tls-trust-anchor-ids.
    pub(crate) const TRUST_ANCHORS: u16 = 0xca34;
    pub(crate) const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
    pub(crate) const RENEGOTIATION_INFO: u16 = 0xff01;

    /// The name of an extension.
    pub(crate) fn name(id: u16) -> Option<&'static str> {
        super::Registry::Extension.name(id)
    }

    pub(super) const TABLE: &[(u16, &str)] = &[
        (SERVER_NAME, "server_name"),
        (1, "max_fragment_length"),
        (STATUS_REQUEST, "status_request"),
        (SUPPORTED_GROUPS, "supported_groups"),
        (EC_POINT_FORMATS, "ec_point_formats"),
        (SIGNATURE_ALGORITHMS, "signature_algorithms"),
        (14, "use_srtp"),
        (15, "heartbeat"),
        (ALPN, "application_layer_protocol_negotiation"),
        (17, "status_request_v2"),
        (SIGNED_CERTIFICATE_TIMESTAMP, "signed_certificate_timestamp"),
        (PADDING, "padding"),
        (22, "encrypt_then_mac"),
        (EXTENDED_MASTER_SECRET, "extended_master_secret"),
        (24, "token_binding"),
        (COMPRESS_CERTIFICATE, "compress_certificate"),
        (RECORD_SIZE_LIMIT, "record_size_limit"),
        (DELEGATED_CREDENTIALS, "delegated_credentials"),
        (SESSION_TICKET, "session_ticket"),
        (PRE_SHARED_KEY, "pre_shared_key"),
        (EARLY_DATA, "early_data"),
        (SUPPORTED_VERSIONS, "supported_versions"),
        (COOKIE, "cookie"),
        (PSK_KEY_EXCHANGE_MODES, "psk_key_exchange_modes"),
        (47, "certificate_authorities"),
        (49, "post_handshake_auth"),
        (50, "signature_algorithms_cert"),
        (KEY_SHARE, "key_share"),
        (57, "quic_transport_parameters"),
        (13172, "next_protocol_negotiation"),
        (APPLICATION_SETTINGS_OLD, "application_settings_old"),
        (APPLICATION_SETTINGS, "application_settings"),
        (0x754f, "channel_id"),
        (TRUST_ANCHORS, "trust_anchors"),
        (ENCRYPTED_CLIENT_HELLO, "encrypted_client_hello"),
        (RENEGOTIATION_INFO, "renegotiation_info"),
    ];
}

const VERSIONS: &[(u16, &str)] = &[
    (0x0304, "TLS1.3"),
    (0x0303, "TLS1.2"),
    (0x0302, "TLS1.1"),
    (0x0301, "TLS1.0"),
    (0x0300, "SSL3.0"),
];

const POINT_FORMATS: &[(u16, &str)] = &[
    (0, "uncompressed"),
    (1, "ansiX962_compressed_prime"),
    (2, "ansiX962_compressed_char2"),
];

const GROUPS: &[(u16, &str)] = &[
    (0x0017, "secp256r1"),
    (0x0018, "secp384r1"),
    (0x0019, "secp521r1"),
    (0x001d, "x25519"),
    (0x001e, "x448"),
    (0x001f, "brainpoolP256r1tls13"),
    (0x0020, "brainpoolP384r1tls13"),
    (0x0021, "brainpoolP512r1tls13"),
    (0x0100, "ffdhe2048"),
    (0x0101, "ffdhe3072"),
    (0x0102, "ffdhe4096"),
    (0x0103, "ffdhe6144"),
    (0x0104, "ffdhe8192"),
    (0x0200, "MLKEM512"),
    (0x0201, "MLKEM768"),
    (0x0202, "MLKEM1024"),
    (0x11eb, "SecP256r1MLKEM768"),
    (0x11ec, "X25519MLKEM768"),
    (0x11ed, "SecP384r1MLKEM1024"),
    (0x6399, "X25519Kyber768Draft00"),
];

const SIGNATURE_SCHEMES: &[(u16, &str)] = &[
    (0x0201, "rsa_pkcs1_sha1"),
    (0x0202, "dsa_sha1"),
    (0x0203, "ecdsa_sha1"),
    (0x0301, "rsa_pkcs1_sha224"),
    (0x0302, "dsa_sha224"),
    (0x0303, "ecdsa_sha224"),
    (0x0401, "rsa_pkcs1_sha256"),
    (0x0402, "dsa_sha256"),
    (0x0403, "ecdsa_secp256r1_sha256"),
    (0x0501, "rsa_pkcs1_sha384"),
    (0x0502, "dsa_sha384"),
    (0x0503, "ecdsa_secp384r1_sha384"),
    (0x0601, "rsa_pkcs1_sha512"),
    (0x0602, "dsa_sha512"),
    (0x0603, "ecdsa_secp521r1_sha512"),
    (0x0804, "rsa_pss_rsae_sha256"),
    (0x0805, "rsa_pss_rsae_sha384"),
    (0x0806, "rsa_pss_rsae_sha512"),
    (0x0807, "ed25519"),
    (0x0808, "ed448"),
    (0x0809, "rsa_pss_pss_sha256"),
    (0x080a, "rsa_pss_pss_sha384"),
    (0x080b, "rsa_pss_pss_sha512"),
    (0x081a, "ecdsa_brainpoolP256r1tls13_sha256"),
    (0x081b, "ecdsa_brainpoolP384r1tls13_sha384"),
    (0x081c, "ecdsa_brainpoolP512r1tls13_sha512"),
    (0x0904, "mldsa44"),
    (0x0905, "mldsa65"),
    (0x0906, "mldsa87"),
];

const HTTP2_SETTINGS: &[(u16, &str)] = &[
    (1, "HEADER_TABLE_SIZE"),
    (2, "ENABLE_PUSH"),
    (3, "MAX_CONCURRENT_STREAMS"),
    (4, "INITIAL_WINDOW_SIZE"),
    (5, "MAX_FRAME_SIZE"),
    (6, "MAX_HEADER_LIST_SIZE"),
    (8, "ENABLE_CONNECT_PROTOCOL"),
    (9, "NO_RFC7540_PRIORITIES"),
];

const CIPHER_SUITES: &[(u16, &str)] = &[
    (0x0005, "TLS_RSA_WITH_RC4_128_SHA"),
    (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    (0x0032, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA"),
    (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
    (0x0038, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA"),
    (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
    (0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"),
    (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
    (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    (0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0x00ff, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"),
    (0x1301, "TLS_AES_128_GCM_SHA256"),
    (0x1302, "TLS_AES_256_GCM_SHA384"),
    (0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
    (0x1304, "TLS_AES_128_CCM_SHA256"),
    (0x1305, "TLS_AES_128_CCM_8_SHA256"),
    (0x5600, "TLS_FALLBACK_SCSV"),
    (0xc007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"),
    (0xc008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA"),
    (0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    (0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"),
    (0xc0ad, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM"),
    (0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_every_code_point_is_there_once() {
        let registries = [
            Registry::CipherSuite,
            Registry::Group,
            Registry::SignatureScheme,
            Registry::Version,
            Registry::Extension,
            Registry::CertificateCompression,
            Registry::PointFormat,
            Registry::PskMode,
            Registry::Kdf,
            Registry::Aead,
            Registry::Http2Setting,
        ];
        for registry in registries {
            for (code, name) in registry.table() {
                assert_eq!(registry.name(*code), Some(*name), "{registry:?}");
                assert_eq!(registry.code(name), Some(*code), "{registry:?}");
            }
        }
    }

    #[test]
    fn what_has_no_name_is_shown_in_digits() {
        assert_eq!(Registry::Group.show(0x001d), "x25519");
        assert_eq!(Registry::Group.show(0x0abc), "0x0abc");
    }
}
