//! Combinations that no client sends, or no server accepts.

use std::collections::BTreeSet;

use super::{
    ClientHelloSpec, ExtensionSpec, Http2Spec, LEGACY_VERSION, Profile, PseudoHeader, Slot,
    SpecError,
};
use crate::ja::is_grease;
use crate::names::{Registry, extension};

impl Profile {
    /// Checks that the profile can be sent at all.
    ///
    /// Called wherever a profile is read or made, and worth calling on one that was changed.
    ///
    /// # Errors
    ///
    /// The first field that is wrong, and why.
    pub fn validate(&self) -> Result<(), SpecError> {
        let name = self.id.as_str();
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return fail("name", "is empty or has blanks in it");
        }
        if self.hello.is_some() && self.id == crate::ProfileId::native() {
            return fail(
                "name",
                "`native` is the backend's own hello and takes no other",
            );
        }
        if let Some(hello) = &self.hello {
            hello.validate()?;
        }
        if let Some(http2) = &self.http2 {
            http2.validate()?;
        }
        if let (Some(hello), Some(_)) = (&self.hello, &self.http2)
            && !hello.alpn().iter().any(|protocol| protocol == "h2")
        {
            return fail("http2", "the hello's ALPN does not offer `h2`");
        }
        self.headers.iter().try_for_each(header)
    }
}

type Checked = Result<(), SpecError>;

fn fail(field: &str, problem: impl Into<String>) -> Checked {
    Err(SpecError::new(field, problem))
}

/// RFC 9110 section 5 and RFC 9113 section 8.2.
fn header((name, value): &(String, String)) -> Checked {
    let field = format!("headers.{name}");
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return fail(&field, "is no header name");
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return fail(&field, "is not in lower case");
    }
    if OF_CONNECTION.contains(&name.as_str()) {
        return fail(&field, "belongs to the connection or to one request");
    }
    let wrong = |c: char| c != '\t' && c.is_control();
    if value.contains(wrong) || value.trim_matches([' ', '\t']) != value {
        return fail(
            &field,
            "has a value with control characters, or blanks around it",
        );
    }
    Ok(())
}

/// RFC 9113 section 8.2.2, and what says where a request goes and where it ends.
const OF_CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

impl ClientHelloSpec {
    /// The protocols of its `application_layer_protocol_negotiation`, none if it has no such extension.
    pub fn alpn(&self) -> &[String] {
        self.find(|extension| match extension {
            ExtensionSpec::Alpn(protocols) => Some(protocols.as_slice()),
            _ => None,
        })
    }

    /// The groups of its `supported_groups`.
    pub fn groups(&self) -> &[Slot] {
        self.find(|extension| match extension {
            ExtensionSpec::SupportedGroups(groups) => Some(groups.as_slice()),
            _ => None,
        })
    }

    /// The groups of its `key_share`.
    pub fn key_shares(&self) -> &[Slot] {
        self.find(|extension| match extension {
            ExtensionSpec::KeyShare(groups) => Some(groups.as_slice()),
            _ => None,
        })
    }

    /// The signature algorithms of its `signature_algorithms`.
    pub fn signature_algorithms(&self) -> &[Slot] {
        self.find(|extension| match extension {
            ExtensionSpec::SignatureAlgorithms(algorithms) => Some(algorithms.as_slice()),
            _ => None,
        })
    }

    /// The versions of its `supported_versions`; TLS 1.2 without one.
    pub fn versions(&self) -> &[Slot] {
        let found = self
            .extensions
            .iter()
            .find_map(|extension| match extension {
                ExtensionSpec::SupportedVersions(versions) => Some(versions.as_slice()),
                _ => None,
            });
        found.unwrap_or(&[Slot::Value(LEGACY_VERSION)])
    }

    fn find<'a, T>(&'a self, list: impl Fn(&'a ExtensionSpec) -> Option<&'a [T]>) -> &'a [T] {
        self.extensions.iter().find_map(list).unwrap_or_default()
    }

    fn validate(&self) -> Checked {
        slots("hello.ciphers", &self.ciphers, 0xfffe)?;
        if !self.ciphers.iter().any(|slot| slot.value().is_some()) {
            return fail("hello.ciphers", "offers no cipher suite");
        }
        let mut seen = BTreeSet::new();
        for extension in &self.extensions {
            if let Some(id) = extension.id()
                && !seen.insert(id)
            {
                return fail(&field(extension), "is there twice");
            }
            extension.validate()?;
        }
        if self
            .extensions
            .iter()
            .filter(|one| one.id().is_none())
            .count()
            > 16
        {
            return fail(
                "hello.extensions",
                "more GREASE extensions than there are values",
            );
        }
        let offers = |version| self.versions().contains(&Slot::Value(version));
        if !offers(TLS12) && !offers(TLS13) {
            return fail(
                "hello.supported_versions",
                "offers neither TLS 1.2 nor TLS 1.3",
            );
        }
        for share in self.key_shares() {
            if !self.groups().contains(share) {
                let group = share.show(Registry::Group);
                let problem = format!("has a share of `{group}`, which is not among the groups");
                return fail("hello.key_share", problem);
            }
        }
        if offers(TLS13)
            && !self
                .key_shares()
                .iter()
                .any(|share| share.value().is_some())
        {
            return fail("hello.key_share", "TLS 1.3 is offered without a share");
        }
        if offers(TLS13) && self.signature_algorithms().is_empty() {
            return fail(
                "hello.signature_algorithms",
                "TLS 1.3 is offered without any",
            );
        }
        Ok(())
    }
}

const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;

fn field(extension: &ExtensionSpec) -> String {
    format!("hello.{}", extension.name())
}

impl ExtensionSpec {
    fn validate(&self) -> Checked {
        let field = &field(self);
        match self {
            Self::SupportedGroups(list)
            | Self::SignatureAlgorithms(list)
            | Self::KeyShare(list) => slots(field, list, 0xfffe),
            Self::SupportedVersions(list) => slots(field, list, 0xfe),
            Self::DelegatedCredentials(list) => filled(field, list, 0xfffe / 2),
            Self::CompressCertificate(list) => filled(field, list, 0xfe / 2),
            Self::EcPointFormats(list) | Self::PskKeyExchangeModes(list) => {
                filled(field, list, 0xff)
            }
            Self::Alpn(protocols) => protocol_names(field, protocols),
            Self::ApplicationSettings {
                codepoint,
                protocols,
            } => {
                let drafts = [
                    extension::APPLICATION_SETTINGS_OLD,
                    extension::APPLICATION_SETTINGS,
                ];
                match drafts.contains(codepoint) {
                    true => protocol_names(field, protocols),
                    false => fail(field, "application settings are 17513 or 17613"),
                }
            }
            // RFC 8449 section 4; one more than a record's content in TLS 1.3.
            Self::RecordSizeLimit(limit) => match (64..=16385).contains(limit) {
                true => Ok(()),
                false => fail(field, "is not from 64 to 16385"),
            },
            Self::EchGrease(ech) => {
                filled(field, &ech.kdfs, 0xff)?;
                filled(field, &ech.aeads, 0xff)?;
                filled(field, &ech.payload_lengths, 0xff)
            }
            Self::TrustAnchors(body) | Self::Other { body, .. } if body.len() > 0xffff => {
                fail(field, "is longer than 65535 bytes")
            }
            Self::Other { id, .. } if is_grease(*id) => fail(field, "write it as GREASE"),
            Self::Other { id, .. } if OWN_FORM.contains(id) => {
                fail(field, "has a form of its own, or is of no full handshake")
            }
            _ => Ok(()),
        }
    }
}

/// Extensions that fingerprints look into, so that they must be readable, and those of other handshakes.
const OWN_FORM: &[u16] = &[
    extension::SERVER_NAME,
    extension::SUPPORTED_GROUPS,
    extension::EC_POINT_FORMATS,
    extension::SIGNATURE_ALGORITHMS,
    extension::ALPN,
    extension::SUPPORTED_VERSIONS,
    extension::KEY_SHARE,
    extension::PRE_SHARED_KEY,
    extension::EARLY_DATA,
    extension::COOKIE,
];

/// A list of two-byte code points in at most `bytes` bytes.
fn slots(field: &str, list: &[Slot], bytes: usize) -> Checked {
    if list.is_empty() || list.len() > bytes / 2 {
        return fail(field, "is empty, or longer than fits");
    }
    once(field, list.iter().filter_map(|slot| slot.value()))?;
    let hidden = list.iter().any(|slot| slot.value().is_some_and(is_grease));
    match hidden {
        true => fail(
            field,
            "has a value that RFC 8701 reserves; write it as GREASE",
        ),
        false => Ok(()),
    }
}

/// A list of one to `most` different values.
fn filled<T: Ord + Copy>(field: &str, list: &[T], most: usize) -> Checked {
    if list.is_empty() || list.len() > most {
        return fail(field, "is empty, or longer than fits");
    }
    once(field, list.iter().copied())
}

fn once<T: Ord>(field: &str, mut values: impl Iterator<Item = T>) -> Checked {
    let mut seen = BTreeSet::new();
    match values.all(|value| seen.insert(value)) {
        true => Ok(()),
        false => fail(field, "has a value twice"),
    }
}

fn protocol_names(field: &str, protocols: &[String]) -> Checked {
    let bytes: usize = protocols.iter().map(|protocol| 1 + protocol.len()).sum();
    if protocols.is_empty() || bytes > 0xffff {
        return fail(field, "has no protocol, or more than fit");
    }
    match protocols
        .iter()
        .all(|protocol| (1..=255).contains(&protocol.len()))
    {
        true => Ok(()),
        false => fail(
            field,
            "has a protocol whose name is not 1 to 255 bytes long",
        ),
    }
}

impl Http2Spec {
    fn validate(&self) -> Checked {
        let mut seen = BTreeSet::new();
        for &(id, value) in &self.settings {
            let field = format!("http2.settings.{}", Registry::Http2Setting.show(id));
            if !seen.insert(id) {
                return fail(&field, "is there twice");
            }
            // RFC 9113 section 6.5.2 and RFC 8441 section 3.
            let (range, text) = match id {
                2 | 8 | 9 => (0..=1, "0 or 1"),
                4 => (0..=MAX_31, "at most 2147483647"),
                5 => (16384..=16_777_215, "from 16384 to 16777215"),
                _ => (0..=u32::MAX, ""),
            };
            if !range.contains(&value) {
                return fail(&field, format!("{value} is not {text}"));
            }
        }
        for (field, increment) in [
            ("http2.window_update", self.window_update),
            ("http2.stream_window_update", self.stream_window_update),
        ] {
            if increment.is_some_and(|increment| !(1..=MAX_31).contains(&increment)) {
                return fail(field, "is not from 1 to 2147483647");
            }
        }
        if self.first_stream_id.is_multiple_of(2) || self.first_stream_id > MAX_31 {
            return fail(
                "http2.first_stream_id",
                "is not an odd number up to 2147483647",
            );
        }
        if PseudoHeader::ALL
            .iter()
            .any(|one| !self.pseudo_order.contains(one))
        {
            return fail("http2.pseudo_order", "does not name each of the four once");
        }
        if let Some(priority) = self.priority {
            if !(1..=256).contains(&priority.weight) {
                return fail("http2.priority.weight", "is not from 1 to 256");
            }
            if priority.depends_on > MAX_31 || priority.depends_on == self.first_stream_id {
                return fail("http2.priority.depends_on", "is the stream itself, or none");
            }
        }
        Ok(())
    }
}

const MAX_31: u32 = u32::MAX >> 1;
