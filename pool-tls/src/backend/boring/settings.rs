//! From the description of a hello to the settings of BoringSSL that send it.

use std::collections::BTreeMap;
use std::error::Error;

use ::boring::error::ErrorStack;
use ::boring::ssl::{SslCipher, SslContextBuilder, SslOptions, SslSignatureAlgorithm, SslVersion};

use super::base::Base;
use super::hello::{ApplicationSettings, Hello, PerConnection, wire};
use super::{compression, ffi};
use crate::names::Registry;
use crate::names::extension::APPLICATION_SETTINGS_OLD;
use crate::spec::{ClientHelloSpec, ExtensionOrder, ExtensionSpec, Slot};

/// As much of `spec` as BoringSSL can send, and what it cannot.
pub(super) fn hello(spec: &ClientHelloSpec, base: &Base) -> Result<(Hello, Gaps), Unsendable> {
    let mut settings = Settings {
        context: base.context()?,
        per_connection: PerConnection {
            alpn: Some(Vec::new()),
            ..PerConnection::default()
        },
        groups: Vec::new(),
        gaps: Gaps::new(),
    };
    settings.apply(spec)?;
    let hello = Hello::new(settings.context.build(), settings.per_connection);
    Ok((hello, settings.gaps))
}

/// Why BoringSSL cannot send a field as it is wanted, by the field's name in a report.
pub(super) type Gaps = BTreeMap<String, String>;

/// Why BoringSSL can send nothing of a hello.
pub(super) type Unsendable = Box<dyn Error + Send + Sync>;

/// A hello in the making.
struct Settings {
    context: SslContextBuilder,
    per_connection: PerConnection,
    /// The groups that are offered: key shares must be among them.
    groups: Vec<u16>,
    gaps: Gaps,
}

impl Settings {
    fn apply(&mut self, spec: &ClientHelloSpec) -> Result<(), Unsendable> {
        self.context.set_grease_enabled(has_grease(spec));
        self.context
            .set_permute_extensions(spec.extension_order == ExtensionOrder::Permuted);
        self.ciphers(&values(&spec.ciphers))?;
        self.versions(&values(spec.versions()))?;
        if !spec.extensions.contains(&ExtensionSpec::SessionTicket) {
            self.context.set_options(SslOptions::NO_TICKET);
        }
        // The groups first, whatever the order of the extensions: key shares have to be among them.
        self.supported_groups(&values(spec.groups()))?;
        for extension in &spec.extensions {
            self.extension(extension)?;
        }
        Ok(())
    }

    fn extension(&mut self, extension: &ExtensionSpec) -> Result<(), ErrorStack> {
        match extension {
            ExtensionSpec::ServerName => self.per_connection.server_name = true,
            ExtensionSpec::StatusRequest => self.context.enable_ocsp_stapling(),
            ExtensionSpec::SignatureAlgorithms(wanted) => {
                self.signature_algorithms(&values(wanted))?;
            }
            ExtensionSpec::SignedCertificateTimestamp => {
                self.context.enable_signed_cert_timestamps();
            }
            ExtensionSpec::CompressCertificate(algorithms) => {
                for &algorithm in algorithms {
                    if !compression::offer(&mut self.context, algorithm)? {
                        self.gap(
                            "compress_certificate",
                            format!("{} cannot be unpacked here", Registry::CertificateCompression.show(algorithm)),
                        );
                    }
                }
            }
            ExtensionSpec::KeyShare(groups) => self.key_shares(&values(groups)),
            ExtensionSpec::ApplicationSettings {
                codepoint,
                protocols,
            } => {
                // No other code point was ever used, see `ExtensionSpec`.
                self.per_connection.application_settings = Some(ApplicationSettings {
                    new_codepoint: *codepoint != APPLICATION_SETTINGS_OLD,
                    protocols: protocols.clone(),
                });
            }
            ExtensionSpec::TrustAnchors(body) => self.trust_anchors(body)?,
            ExtensionSpec::EchGrease(_) => self.per_connection.ech_grease = true,
            ExtensionSpec::RecordSizeLimit(_) | ExtensionSpec::Other { .. } => {
                self.gap(&extension.name(), "BoringSSL does not have it");
            }
            ExtensionSpec::DelegatedCredentials(_) => {
                self.gap(&extension.name(), "BoringSSL has it for servers alone");
            }
            ExtensionSpec::Alpn(protocols) => match wire(protocols.iter().map(String::as_bytes)) {
                Some(list) => self.per_connection.alpn = Some(list),
                None => self.gap(&extension.name(), "a protocol name has 1 to 255 bytes"),
            },
            // Set already, with what concerns more than one extension.
            ExtensionSpec::Grease { .. }
            | ExtensionSpec::SupportedGroups(_)
            | ExtensionSpec::SupportedVersions(_)
            | ExtensionSpec::SessionTicket
            // BoringSSL's own doing, wherever the versions allow them. What differs, the comparison finds.
            | ExtensionSpec::EcPointFormats(_)
            | ExtensionSpec::Padding
            | ExtensionSpec::ExtendedMasterSecret
            | ExtensionSpec::PskKeyExchangeModes(_)
            | ExtensionSpec::RenegotiationInfo => {}
        }
        Ok(())
    }

    fn ciphers(&mut self, wanted: &[u16]) -> Result<(), ErrorStack> {
        let (known, unknown): (Vec<u16>, Vec<u16>) = wanted
            .iter()
            .partition(|&&code| SslCipher::from_value(code).is_some());
        for code in unknown {
            self.gap(
                "ciphers",
                format!(
                    "BoringSSL does not have {}",
                    Registry::CipherSuite.show(code)
                ),
            );
        }
        // RFC 8446 appendix B.4: those of TLS 1.3 are 0x13nn.
        let (tls13, older): (Vec<u16>, Vec<u16>) =
            known.into_iter().partition(|code| code >> 8 == 0x13);
        if !tls13.is_empty() {
            ffi::set_tls13_ciphers(&mut self.context, &tls13)?;
        }
        if !older.is_empty() {
            let names: Vec<&str> = older
                .into_iter()
                .filter_map(SslCipher::from_value)
                .map(|cipher| cipher.name())
                .collect();
            self.context.set_strict_cipher_list(&names.join(":"))?;
        }
        Ok(())
    }

    fn versions(&mut self, wanted: &[u16]) -> Result<(), Unsendable> {
        let known: Vec<u16> = wanted
            .iter()
            .copied()
            .filter(|&version| VERSIONS.contains(&version))
            .collect();
        let (Some(&oldest), Some(&newest)) = (known.iter().min(), known.iter().max()) else {
            return Err("its versions of TLS are all too old, or unknown".into());
        };
        if known.len() < wanted.len() {
            self.gap(
                "supported_versions",
                "TLS 1.2 and 1.3 are offered, since what is older is broken",
            );
        }
        let version = |code| match code {
            TLS12 => SslVersion::TLS1_2,
            _ => SslVersion::TLS1_3,
        };
        self.context.set_min_proto_version(Some(version(oldest)))?;
        self.context.set_max_proto_version(Some(version(newest)))?;
        Ok(())
    }

    fn supported_groups(&mut self, wanted: &[u16]) -> Result<(), ErrorStack> {
        let mut names = Vec::new();
        for &group in wanted {
            match group_name(group) {
                Some(name) => {
                    names.push(name);
                    self.groups.push(group);
                }
                None => self.gap(
                    "supported_groups",
                    format!("BoringSSL does not have {}", Registry::Group.show(group)),
                ),
            }
        }
        if names.is_empty() {
            return Ok(());
        }
        self.context.set_curves_list(&names.join(":"))
    }

    fn key_shares(&mut self, wanted: &[u16]) {
        // BoringSSL wants the shares in the order of the groups.
        let mut groups = self.groups.iter();
        let shares: Vec<u16> = wanted
            .iter()
            .copied()
            .filter(|share| groups.any(|group| group == share))
            .collect();
        if shares != wanted {
            self.gap(
                "key_share",
                "BoringSSL sends shares of groups that it has, in the order of the groups",
            );
        }
        self.per_connection.key_shares = Some(shares);
    }

    fn signature_algorithms(&mut self, wanted: &[u16]) -> Result<(), ErrorStack> {
        let (known, unknown): (Vec<u16>, Vec<u16>) = wanted
            .iter()
            .partition(|&&code| SslSignatureAlgorithm::from(code).name().is_some());
        for code in unknown {
            self.gap(
                "signature_algorithms",
                format!(
                    "BoringSSL does not have {}",
                    Registry::SignatureScheme.show(code)
                ),
            );
        }
        let known: Vec<SslSignatureAlgorithm> = known.into_iter().map(Into::into).collect();
        self.context.set_verify_algorithm_prefs(&known)
    }

    fn trust_anchors(&mut self, body: &[u8]) -> Result<(), ErrorStack> {
        // The body is a list with two bytes of length before it, which BoringSSL writes itself.
        let list = body
            .split_first_chunk::<2>()
            .filter(|(length, list)| usize::from(u16::from_be_bytes(**length)) == list.len())
            .map(|(_, list)| list);
        let sent = list.map(|list| ffi::set_requested_trust_anchors(&mut self.context, list));
        if !matches!(sent, Some(Ok(()))) {
            self.gap("trust_anchors", "the body is not a list of identifiers");
        }
        Ok(())
    }

    fn gap(&mut self, field: &str, reason: impl Into<String>) {
        let reason = reason.into();
        self.gaps
            .entry(field.to_owned())
            .and_modify(|reasons| {
                reasons.push_str("; ");
                reasons.push_str(&reason);
            })
            .or_insert(reason);
    }
}

const TLS12: u16 = 0x0303;
const VERSIONS: [u16; 2] = [TLS12, 0x0304];

/// BoringSSL's name of a group (`ssl/ssl_key_share.cc`).
fn group_name(group: u16) -> Option<&'static str> {
    Some(match group {
        23 => "P-256",
        24 => "P-384",
        25 => "P-521",
        29 => "X25519",
        0x11ec => "X25519MLKEM768",
        0x0202 => "MLKEM1024",
        _ => return None,
    })
}

/// BoringSSL has one switch: GREASE everywhere it belongs, or nowhere.
fn has_grease(spec: &ClientHelloSpec) -> bool {
    spec.ciphers.contains(&Slot::Grease)
        || spec
            .extensions
            .iter()
            .any(|extension| matches!(extension, ExtensionSpec::Grease { .. }))
}

fn values(slots: &[Slot]) -> Vec<u16> {
    slots.iter().filter_map(|slot| slot.value()).collect()
}
