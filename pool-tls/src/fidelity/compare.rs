//! Comparing two hellos.

use std::fmt::Write;

use super::{Fidelity, FidelityReport, FieldReport};
use crate::names::Registry;
use crate::spec::{ClientHelloSpec, EchGreaseSpec, ExtensionOrder, ExtensionSpec, Slot};
use crate::wire::hex;

impl FidelityReport {
    /// Compares `sent` with `wanted`, field by field.
    ///
    /// What the client itself varies is not compared: GREASE values, and what a GREASE `encrypted_client_hello` is drawn
    /// from, as long as it is drawn from the same. A permuted order equals another one if that one is permuted too: make
    /// `sent` of several hellos.
    pub fn compare(wanted: &ClientHelloSpec, sent: &ClientHelloSpec) -> Self {
        let mut fields = vec![
            plain("session_id", session_id(wanted), session_id(sent)),
            plain("ciphers", ciphers(wanted), ciphers(sent)),
            order(wanted, sent),
        ];
        let theirs = named(sent);
        let ours = named(wanted);
        for (name, extension) in &ours {
            let other = theirs.iter().find(|(theirs, _)| theirs == name);
            fields.push(pair(name, Some(extension), other.map(|(_, other)| *other)));
        }
        for (name, extension) in &theirs {
            if !ours.iter().any(|(ours, _)| ours == name) {
                fields.push(pair(name, None, Some(extension)));
            }
        }
        let grade = grade(wanted, sent, fields.iter().all(|field| field.equal));
        Self { fields, grade }
    }
}

fn grade(wanted: &ClientHelloSpec, sent: &ClientHelloSpec, nothing_differs: bool) -> Fidelity {
    if nothing_differs {
        return Fidelity::Exact;
    }
    let (ours, theirs) = (wanted.ja4(), sent.ja4());
    if ours.b() != theirs.b() {
        return Fidelity::Native;
    }
    if ours != theirs {
        return Fidelity::CiphersOnly;
    }
    let ja3_equal = match (wanted.extension_order, sent.extension_order) {
        (ExtensionOrder::Permuted, _) => wanted.ja3_sorted() == sent.ja3_sorted(),
        (ExtensionOrder::Fixed, ExtensionOrder::Fixed) => wanted.ja3() == sent.ja3(),
        // It may be equal now and then, which is not enough.
        (ExtensionOrder::Fixed, ExtensionOrder::Permuted) => false,
    };
    match ja3_equal {
        true => Fidelity::Ja3Equal,
        false => Fidelity::Ja4Equal,
    }
}

/// The extensions with names that are different: the second GREASE extension is `GREASE 2`.
fn named(spec: &ClientHelloSpec) -> Vec<(String, &ExtensionSpec)> {
    let mut greases = 0;
    let extensions = spec.extensions.iter().map(|extension| {
        let mut name = extension.name();
        if extension.id().is_none() {
            greases += 1;
            write!(name, " {greases}").expect("a string takes everything");
        }
        (name, extension)
    });
    extensions.collect()
}

pub(super) fn plain(field: &str, wanted: String, sent: String) -> FieldReport {
    FieldReport {
        field: field.to_owned(),
        equal: wanted == sent,
        wanted,
        sent,
        reason: None,
    }
}

fn session_id(spec: &ClientHelloSpec) -> String {
    let length = if spec.session_id { "32 bytes" } else { "empty" };
    length.to_owned()
}

fn ciphers(spec: &ClientHelloSpec) -> String {
    slots(&spec.ciphers, Registry::CipherSuite)
}

/// The order of the extensions that both have; which ones are missing is said at each of those.
fn order(wanted: &ClientHelloSpec, sent: &ClientHelloSpec) -> FieldReport {
    let (ours, theirs) = (named(wanted), named(sent));
    let common = |list: &[(String, &ExtensionSpec)], other: &[(String, &ExtensionSpec)]| {
        let both = list
            .iter()
            .filter(|(name, _)| other.iter().any(|(theirs, _)| theirs == name));
        let names = both.map(|(name, extension)| match wanted.extension_order {
            ExtensionOrder::Permuted if !extension.keeps_its_place() => "·".to_owned(),
            _ => name.clone(),
        });
        names.collect::<Vec<_>>().join(", ")
    };
    let (in_ours, in_theirs) = (common(&ours, &theirs), common(&theirs, &ours));
    let equal = wanted.extension_order == sent.extension_order && in_ours == in_theirs;
    let show = |order, names: &str| match order {
        ExtensionOrder::Permuted if in_ours == in_theirs => "permuted".to_owned(),
        ExtensionOrder::Permuted => format!("permuted, {names}"),
        ExtensionOrder::Fixed if wanted.extension_order == ExtensionOrder::Permuted => {
            "fixed".to_owned()
        }
        ExtensionOrder::Fixed => names.to_owned(),
    };
    FieldReport {
        field: "extension_order".to_owned(),
        wanted: show(wanted.extension_order, &in_ours),
        sent: show(sent.extension_order, &in_theirs),
        equal,
        reason: None,
    }
}

fn pair(name: &str, wanted: Option<&ExtensionSpec>, sent: Option<&ExtensionSpec>) -> FieldReport {
    let equal = match (wanted, sent) {
        (Some(ExtensionSpec::EchGrease(wanted)), Some(ExtensionSpec::EchGrease(sent))) => {
            is_drawn_from(sent, wanted)
        }
        (wanted, sent) => wanted == sent,
    };
    let show = |extension: Option<&ExtensionSpec>| {
        extension.map_or_else(|| "absent".to_owned(), show_extension)
    };
    FieldReport {
        field: name.to_owned(),
        wanted: show(wanted),
        sent: show(sent),
        equal,
        reason: None,
    }
}

/// Whether whatever `sent` draws, `wanted` draws too.
fn is_drawn_from(sent: &EchGreaseSpec, wanted: &EchGreaseSpec) -> bool {
    let within = |sent: &[u16], wanted: &[u16]| sent.iter().all(|value| wanted.contains(value));
    within(&sent.kdfs, &wanted.kdfs)
        && within(&sent.aeads, &wanted.aeads)
        && within(&sent.payload_lengths, &wanted.payload_lengths)
}

/// What is in an extension, in one line.
fn show_extension(extension: &ExtensionSpec) -> String {
    match extension {
        ExtensionSpec::Grease { length } => format!("{length} bytes"),
        ExtensionSpec::SupportedGroups(list) | ExtensionSpec::KeyShare(list) => {
            slots(list, Registry::Group)
        }
        ExtensionSpec::EcPointFormats(list) => bytes(list, Registry::PointFormat),
        ExtensionSpec::SignatureAlgorithms(list) => slots(list, Registry::SignatureScheme),
        ExtensionSpec::Alpn(protocols) | ExtensionSpec::ApplicationSettings { protocols, .. } => {
            protocols.join(", ")
        }
        ExtensionSpec::CompressCertificate(list) => codes(list, Registry::CertificateCompression),
        ExtensionSpec::RecordSizeLimit(limit) => limit.to_string(),
        ExtensionSpec::DelegatedCredentials(list) => codes(list, Registry::SignatureScheme),
        ExtensionSpec::SupportedVersions(list) => slots(list, Registry::Version),
        ExtensionSpec::PskKeyExchangeModes(list) => bytes(list, Registry::PskMode),
        ExtensionSpec::EchGrease(ech) => {
            let lengths: Vec<String> = ech.payload_lengths.iter().map(u16::to_string).collect();
            format!(
                "{}, {}, payload {}",
                codes(&ech.kdfs, Registry::Kdf),
                codes(&ech.aeads, Registry::Aead),
                lengths.join("/")
            )
        }
        ExtensionSpec::TrustAnchors(body) | ExtensionSpec::Other { body, .. } => match body[..] {
            [] => "present".to_owned(),
            _ => format!("{} bytes {}", body.len(), hex(body)),
        },
        ExtensionSpec::ServerName
        | ExtensionSpec::StatusRequest
        | ExtensionSpec::SignedCertificateTimestamp
        | ExtensionSpec::Padding
        | ExtensionSpec::ExtendedMasterSecret
        | ExtensionSpec::SessionTicket
        | ExtensionSpec::RenegotiationInfo => "present".to_owned(),
    }
}

fn slots(list: &[Slot], registry: Registry) -> String {
    let names: Vec<String> = list.iter().map(|slot| slot.show(registry)).collect();
    names.join(", ")
}

fn codes(list: &[u16], registry: Registry) -> String {
    let names: Vec<String> = list.iter().map(|&code| registry.show(code)).collect();
    names.join(", ")
}

fn bytes(list: &[u8], registry: Registry) -> String {
    let names: Vec<String> = list
        .iter()
        .map(|&code| registry.show(code.into()))
        .collect();
    names.join(", ")
}
