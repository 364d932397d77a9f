//! What servers will call a profile.

use super::{ClientHelloSpec, ExtensionSpec, Http2Spec, PseudoHeader, Slot};
use crate::http2_opening::Akamai;
use crate::ja::{Extensions, Features, Ja3, Ja4};
use crate::names::extension;

/// The names of the hello as it goes to a host with a name, in a full handshake.
impl ClientHelloSpec {
    /// The JA3 with sorted extensions, which all its connections have in common.
    pub fn ja3_sorted(&self) -> Ja3 {
        self.features().ja3(Extensions::Sorted)
    }

    /// The JA3. With permuted extensions it is that of one connection among many.
    pub fn ja3(&self) -> Ja3 {
        self.features().ja3(Extensions::AsSent)
    }

    /// The JA4.
    pub fn ja4(&self) -> Ja4 {
        self.features().ja4()
    }

    fn features(&self) -> Features {
        let extensions = self.extensions.iter().filter_map(ExtensionSpec::id);
        let mut features = Features {
            legacy_version: super::LEGACY_VERSION,
            ciphers: values(&self.ciphers),
            extensions: extensions.collect(),
            ..Features::default()
        };
        for extension in &self.extensions {
            match extension {
                ExtensionSpec::SupportedGroups(groups) => features.groups = values(groups),
                ExtensionSpec::EcPointFormats(formats) => {
                    features.point_formats.clone_from(formats);
                }
                ExtensionSpec::SignatureAlgorithms(algorithms) => {
                    features.signature_algorithms = values(algorithms);
                }
                ExtensionSpec::SupportedVersions(versions) => {
                    features.versions = Some(values(versions));
                }
                ExtensionSpec::Alpn(protocols) => {
                    let first = protocols.first();
                    features.protocol = first.map(|protocol| protocol.clone().into_bytes());
                }
                _ => {}
            }
        }
        features
    }
}

impl Http2Spec {
    /// The Akamai fingerprint.
    pub fn akamai(&self) -> Akamai {
        let pseudo = self.pseudo_order.map(PseudoHeader::letter);
        Akamai::new(&self.settings, self.window_update, &[], &pseudo)
    }
}

impl PseudoHeader {
    fn letter(self) -> &'static str {
        &self.name()[1..2]
    }

    /// Its name, such as `:method`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Method => ":method",
            Self::Authority => ":authority",
            Self::Scheme => ":scheme",
            Self::Path => ":path",
        }
    }

    /// All four, in the order of RFC 9113 section 8.3.1.
    pub(crate) const ALL: [Self; 4] = [Self::Method, Self::Scheme, Self::Authority, Self::Path];

    /// The pseudo-header of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pseudo| pseudo.name() == name)
    }
}

impl ExtensionSpec {
    /// The code point; `None` for GREASE.
    pub fn id(&self) -> Option<u16> {
        Some(match self {
            Self::Grease { .. } => return None,
            Self::ServerName => extension::SERVER_NAME,
            Self::StatusRequest => extension::STATUS_REQUEST,
            Self::SupportedGroups(_) => extension::SUPPORTED_GROUPS,
            Self::EcPointFormats(_) => extension::EC_POINT_FORMATS,
            Self::SignatureAlgorithms(_) => extension::SIGNATURE_ALGORITHMS,
            Self::Alpn(_) => extension::ALPN,
            Self::SignedCertificateTimestamp => extension::SIGNED_CERTIFICATE_TIMESTAMP,
            Self::Padding => extension::PADDING,
            Self::ExtendedMasterSecret => extension::EXTENDED_MASTER_SECRET,
            Self::CompressCertificate(_) => extension::COMPRESS_CERTIFICATE,
            Self::RecordSizeLimit(_) => extension::RECORD_SIZE_LIMIT,
            Self::DelegatedCredentials(_) => extension::DELEGATED_CREDENTIALS,
            Self::SessionTicket => extension::SESSION_TICKET,
            Self::SupportedVersions(_) => extension::SUPPORTED_VERSIONS,
            Self::PskKeyExchangeModes(_) => extension::PSK_KEY_EXCHANGE_MODES,
            Self::KeyShare(_) => extension::KEY_SHARE,
            Self::ApplicationSettings { codepoint, .. } => *codepoint,
            Self::TrustAnchors(_) => extension::TRUST_ANCHORS,
            Self::EchGrease(_) => extension::ENCRYPTED_CLIENT_HELLO,
            Self::RenegotiationInfo => extension::RENEGOTIATION_INFO,
            Self::Other { id, .. } => *id,
        })
    }

    /// The name in the registry, `GREASE`, or the code point as `0x1234`.
    pub fn name(&self) -> String {
        self.id().map_or_else(
            || "GREASE".to_owned(),
            |id| crate::names::Registry::Extension.show(id),
        )
    }

    /// Whether it keeps its place where the others are permuted.
    pub(crate) fn keeps_its_place(&self) -> bool {
        matches!(self, Self::Grease { .. } | Self::Padding)
    }
}

/// Without GREASE.
fn values(slots: &[Slot]) -> Vec<u16> {
    slots.iter().filter_map(|slot| slot.value()).collect()
}

impl Slot {
    /// The code point; `None` for GREASE.
    pub fn value(self) -> Option<u16> {
        match self {
            Self::Grease => None,
            Self::Value(value) => Some(value),
        }
    }

    /// The slot that `code` was sent in.
    pub(crate) fn of(code: u16) -> Self {
        match crate::ja::is_grease(code) {
            true => Self::Grease,
            false => Self::Value(code),
        }
    }

    /// The name in `registry`, `GREASE`, or the code point as `0x1234`.
    pub(crate) fn show(self, registry: crate::names::Registry) -> String {
        self.value()
            .map_or_else(|| "GREASE".to_owned(), |value| registry.show(value))
    }
}
