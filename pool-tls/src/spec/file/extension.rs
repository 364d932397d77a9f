//! An extension in a profile's file: its name, and the fields of that name.

use serde::{Deserialize, Deserializer, Serialize};

use super::code::{
    self, Aead, CertificateCompression, Extension, Group, Hex, Kdf, Named, Names, PointFormat,
    PskMode, SignatureScheme, SlotName, Version,
};
use crate::names::extension as id;
use crate::spec::{EchGreaseSpec, ExtensionSpec, Slot};

/// An extension that has the fields it needs and no other.
pub(super) struct ExtensionFile(ExtensionSpec);

impl ExtensionFile {
    pub(super) fn into_spec(self) -> ExtensionSpec {
        self.0
    }
}

impl From<&ExtensionSpec> for ExtensionFile {
    fn from(spec: &ExtensionSpec) -> Self {
        Self(spec.clone())
    }
}

impl Serialize for ExtensionFile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Fields::of(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ExtensionFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        let spec = fields.spec().map_err(serde::de::Error::custom)?;
        Ok(Self(spec))
    }
}

/// Every field that some extension has.
// One flat table, and not one form per name: with those, serde forgets which line an error is in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    name: Option<SlotName<Extension>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<SlotName<Group>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    formats: Option<Vec<Named<PointFormat>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithms: Option<Vec<SlotName<SignatureScheme>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocols: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compression: Option<Vec<Named<CertificateCompression>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Vec<SlotName<Version>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modes: Option<Vec<Named<PskMode>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kdfs: Option<Vec<Named<Kdf>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aeads: Option<Vec<Named<Aead>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_lengths: Option<Vec<u16>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Hex>,
}

impl Fields {
    fn of(spec: &ExtensionSpec) -> Self {
        let slot = spec.id().map_or(Slot::Grease, Slot::Value);
        let mut fields = Self {
            name: Some(SlotName::new(slot)),
            ..Self::default()
        };
        match spec {
            ExtensionSpec::Grease { length } => fields.length = Some(*length),
            ExtensionSpec::SupportedGroups(groups) | ExtensionSpec::KeyShare(groups) => {
                fields.groups = Some(code::names(groups));
            }
            ExtensionSpec::EcPointFormats(formats) => fields.formats = Some(code::named(formats)),
            ExtensionSpec::SignatureAlgorithms(algorithms) => {
                fields.algorithms = Some(code::names(algorithms));
            }
            ExtensionSpec::DelegatedCredentials(algorithms) => {
                let slots: Vec<Slot> = algorithms.iter().copied().map(Slot::Value).collect();
                fields.algorithms = Some(code::names(&slots));
            }
            ExtensionSpec::Alpn(protocols)
            | ExtensionSpec::ApplicationSettings { protocols, .. } => {
                fields.protocols = Some(protocols.clone());
            }
            ExtensionSpec::CompressCertificate(algorithms) => {
                fields.compression = Some(code::named(algorithms));
            }
            ExtensionSpec::RecordSizeLimit(limit) => fields.limit = Some(*limit),
            ExtensionSpec::SupportedVersions(versions) => {
                fields.versions = Some(code::names(versions));
            }
            ExtensionSpec::PskKeyExchangeModes(modes) => fields.modes = Some(code::named(modes)),
            ExtensionSpec::EchGrease(ech) => {
                fields.kdfs = Some(code::named(&ech.kdfs));
                fields.aeads = Some(code::named(&ech.aeads));
                fields.payload_lengths = Some(ech.payload_lengths.clone());
            }
            ExtensionSpec::TrustAnchors(body) | ExtensionSpec::Other { body, .. } => {
                fields.body = Some(Hex(body.clone()));
            }
            ExtensionSpec::ServerName
            | ExtensionSpec::StatusRequest
            | ExtensionSpec::SignedCertificateTimestamp
            | ExtensionSpec::Padding
            | ExtensionSpec::ExtendedMasterSecret
            | ExtensionSpec::SessionTicket
            | ExtensionSpec::RenegotiationInfo => {}
        }
        fields
    }

    /// The extension, if the fields are exactly its own.
    fn spec(mut self) -> Result<ExtensionSpec, String> {
        let name = self.name.take().ok_or("an extension without `name`")?;
        let shown = name.to_string();
        let spec = self
            .take(name.slot())
            .map_err(|field| format!("`{shown}` needs `{field}`"))?;
        match self == Self::default() {
            true => Ok(spec),
            false => Err(format!("`{shown}` has a field that is none of its own")),
        }
    }

    /// The extension, with its fields taken; the error is the field that is not there.
    fn take(&mut self, name: Slot) -> Result<ExtensionSpec, &'static str> {
        let Slot::Value(code) = name else {
            let length = self.length.take().ok_or("length")?;
            return Ok(ExtensionSpec::Grease { length });
        };
        // A body, where one is given: what another form has no words for.
        if let Some(Hex(body)) = self.body.take() {
            return Ok(match code {
                id::TRUST_ANCHORS => ExtensionSpec::TrustAnchors(body),
                id => ExtensionSpec::Other { id, body },
            });
        }
        Ok(match code {
            id::SERVER_NAME => ExtensionSpec::ServerName,
            id::STATUS_REQUEST => ExtensionSpec::StatusRequest,
            id::SUPPORTED_GROUPS => ExtensionSpec::SupportedGroups(self.groups()?),
            id::EC_POINT_FORMATS => {
                ExtensionSpec::EcPointFormats(bytes(self.formats.take(), "formats")?)
            }
            id::SIGNATURE_ALGORITHMS => ExtensionSpec::SignatureAlgorithms(self.algorithms()?),
            id::ALPN => ExtensionSpec::Alpn(self.protocols()?),
            id::SIGNED_CERTIFICATE_TIMESTAMP => ExtensionSpec::SignedCertificateTimestamp,
            id::PADDING => ExtensionSpec::Padding,
            id::EXTENDED_MASTER_SECRET => ExtensionSpec::ExtendedMasterSecret,
            id::COMPRESS_CERTIFICATE => {
                let algorithms = self.compression.take().ok_or("compression")?;
                ExtensionSpec::CompressCertificate(code::codes(algorithms))
            }
            id::RECORD_SIZE_LIMIT => {
                ExtensionSpec::RecordSizeLimit(self.limit.take().ok_or("limit")?)
            }
            id::DELEGATED_CREDENTIALS => {
                let values = self.algorithms()?.into_iter().map(Slot::value);
                let values: Option<Vec<u16>> = values.collect();
                ExtensionSpec::DelegatedCredentials(values.ok_or("algorithms without GREASE")?)
            }
            id::SESSION_TICKET => ExtensionSpec::SessionTicket,
            id::SUPPORTED_VERSIONS => {
                let versions = self.versions.take().ok_or("versions")?;
                ExtensionSpec::SupportedVersions(code::slots(versions))
            }
            id::PSK_KEY_EXCHANGE_MODES => {
                ExtensionSpec::PskKeyExchangeModes(bytes(self.modes.take(), "modes")?)
            }
            id::KEY_SHARE => ExtensionSpec::KeyShare(self.groups()?),
            codepoint @ (id::APPLICATION_SETTINGS_OLD | id::APPLICATION_SETTINGS) => {
                ExtensionSpec::ApplicationSettings {
                    codepoint,
                    protocols: self.protocols()?,
                }
            }
            id::ENCRYPTED_CLIENT_HELLO => ExtensionSpec::EchGrease(EchGreaseSpec {
                kdfs: code::codes(self.kdfs.take().ok_or("kdfs")?),
                aeads: code::codes(self.aeads.take().ok_or("aeads")?),
                payload_lengths: self.payload_lengths.take().ok_or("payload_lengths")?,
            }),
            id::RENEGOTIATION_INFO => ExtensionSpec::RenegotiationInfo,
            _ => return Err("body"),
        })
    }

    fn groups(&mut self) -> Result<Vec<Slot>, &'static str> {
        self.groups.take().map(code::slots).ok_or("groups")
    }

    fn algorithms(&mut self) -> Result<Vec<Slot>, &'static str> {
        self.algorithms.take().map(code::slots).ok_or("algorithms")
    }

    fn protocols(&mut self) -> Result<Vec<String>, &'static str> {
        self.protocols.take().ok_or("protocols")
    }
}

/// Code points of one byte.
fn bytes<N: Names>(
    names: Option<Vec<Named<N>>>,
    field: &'static str,
) -> Result<Vec<u8>, &'static str> {
    let codes = code::codes(names.ok_or(field)?).into_iter();
    let bytes: Result<Vec<u8>, _> = codes.map(u8::try_from).collect();
    bytes.map_err(|_above_255| field)
}
