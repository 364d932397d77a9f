//! Making a profile of what a client was seen to send.

use std::collections::BTreeSet;

use super::{
    Captured, ClientHelloSpec, EchGreaseSpec, ExtensionOrder, ExtensionSpec, Http2Spec,
    LEGACY_VERSION, Profile, PseudoHeader, RECORD_VERSION, Slot, SpecError,
};
use crate::ProfileId;
use crate::client_hello::extensions::{
    bytes_behind_u8, protocols, u16s_behind_u8, u16s_behind_u16,
};
use crate::client_hello::{ClientHello, Extension};
use crate::fidelity::compare_http2;
use crate::http2_opening::{FirstRequest, Http2Opening};
use crate::ja::is_grease;
use crate::names::extension;
use crate::wire::{Reader, whole};

impl Profile {
    /// The profile of one client, made of several of its connections.
    ///
    /// The headers are those of the first request that was captured, without the pseudo-headers and without what
    /// belongs to one request only (cookies, referrer, credentials, conditions).
    ///
    /// # Errors
    ///
    /// As [`ClientHelloSpec::from_hellos`], [`Http2Spec::from_opening`] and [`Profile::validate`], and if two openings
    /// differ.
    pub fn from_captures(
        id: ProfileId,
        captured: Captured,
        hellos: &[ClientHello],
        openings: &[Http2Opening],
    ) -> Result<Self, SpecError> {
        let hello = Some(ClientHelloSpec::from_hellos(hellos)?);
        let mut with_requests = openings.iter().filter(|opening| opening.request.is_some());
        let first = with_requests.next();
        let http2 = first.map(Http2Spec::from_opening).transpose()?;
        for other in with_requests {
            let other = Http2Spec::from_opening(other)?;
            let fields = http2.iter().flat_map(|first| compare_http2(first, &other));
            if let Some(differs) = fields.into_iter().find(|field| !field.equal) {
                let field = format!("http2.{}", differs.field);
                return Err(SpecError::new(field, "differs between two openings"));
            }
        }
        let request = first.and_then(|opening| opening.request.as_ref());
        let profile = Self {
            id,
            captured: Some(captured),
            hello,
            http2,
            headers: request.map(default_headers).unwrap_or_default(),
        };
        profile.validate()?;
        Ok(profile)
    }
}

fn default_headers(request: &FirstRequest) -> Vec<(String, String)> {
    let headers = request.headers.iter();
    let headers = headers
        .filter(|(name, _)| !name.starts_with(':') && !OF_ONE_REQUEST.contains(&name.as_str()));
    headers.cloned().collect()
}

/// Headers that a client sends for the request's sake, or for its user's.
const OF_ONE_REQUEST: &[&str] = &[
    "authorization",
    "cache-control",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "origin",
    "pragma",
    "proxy-authorization",
    "range",
    "referer",
];

impl ClientHelloSpec {
    /// What hellos of one client have in common.
    ///
    /// Hellos that resume a session are left out. Of the others, extensions in different orders make
    /// [`ExtensionOrder::Permuted`], and what a GREASE `encrypted_client_hello` varies is collected. One hello shows
    /// neither: take several.
    ///
    /// # Errors
    ///
    /// The first field that differs between two hellos, or that a specification has no words for.
    pub fn from_hellos(hellos: &[ClientHello]) -> Result<Self, SpecError> {
        let full = hellos.iter().enumerate();
        let mut full = full.filter(|(_, hello)| !hello.resumes());
        let Some((index, first)) = full.next() else {
            let problem = "no hello of a full handshake among the captures";
            return Err(SpecError::new("hello", problem));
        };
        let mut spec = Self::read(first)?;
        for (other, hello) in full {
            let between = format!(
                "differs between hello {} and hello {}",
                index + 1,
                other + 1
            );
            spec.join(Self::read(hello)?, &between)?;
        }
        Ok(spec)
    }

    fn read(hello: &ClientHello) -> Result<Self, SpecError> {
        if hello
            .record_version()
            .is_some_and(|version| version != RECORD_VERSION)
        {
            return Err(cannot("record_version", "is not 0x0301"));
        }
        if hello.legacy_version() != LEGACY_VERSION {
            return Err(cannot("legacy_version", "is not 0x0303"));
        }
        if hello.compression_methods() != [0] {
            return Err(cannot("compression_methods", "has more than none"));
        }
        let session_id = match hello.session_id_length() {
            0 => false,
            32 => true,
            _ => return Err(cannot("session_id", "has neither 0 nor 32 bytes")),
        };
        let greased = |share: &&crate::client_hello::KeyShare| is_grease(share.group);
        if hello
            .key_shares()
            .iter()
            .filter(greased)
            .any(|share| share.length != 1)
        {
            return Err(cannot(
                "key_share",
                "has a GREASE share of more than a byte",
            ));
        }
        let extensions = hello
            .extensions()
            .iter()
            .map(|sent| extension_spec(sent, hello));
        Ok(Self {
            session_id,
            ciphers: slots(hello.cipher_suites()),
            extension_order: ExtensionOrder::Fixed,
            extensions: extensions.collect::<Result<_, _>>()?,
        })
    }

    /// Takes in another hello of the same client.
    fn join(&mut self, mut other: Self, between: &str) -> Result<(), SpecError> {
        let differs = |field: &str| Err(SpecError::new(format!("hello.{field}"), between));
        if self.session_id != other.session_id {
            return differs("session_id");
        }
        if self.ciphers != other.ciphers {
            return differs("ciphers");
        }
        let order = |spec: &Self| -> Vec<Option<u16>> {
            spec.extensions.iter().map(ExtensionSpec::id).collect()
        };
        let (ours, theirs) = (order(self), order(&other));
        let mut sorted = (ours.clone(), theirs.clone());
        sorted.0.sort_unstable();
        sorted.1.sort_unstable();
        if sorted.0 != sorted.1 {
            let odd = ours.iter().find(|id| !theirs.contains(id));
            let odd = odd.or_else(|| theirs.iter().find(|id| !ours.contains(id)));
            let name = odd
                .copied()
                .flatten()
                .map(|id| crate::names::Registry::Extension.show(id));
            return differs(name.as_deref().unwrap_or("GREASE"));
        }
        if ours != theirs {
            let pinned = |spec: &Self| -> Vec<bool> {
                spec.extensions
                    .iter()
                    .map(ExtensionSpec::keeps_its_place)
                    .collect()
            };
            if pinned(self) != pinned(&other) {
                return differs("extension_order");
            }
            self.extension_order = ExtensionOrder::Permuted;
        }
        for ours in &mut self.extensions {
            // GREASE extensions pair up in their order: each is taken once.
            let at = other
                .extensions
                .iter()
                .position(|theirs| theirs.id() == ours.id());
            let theirs = other
                .extensions
                .remove(at.expect("both have the same extensions"));
            match (ours, theirs) {
                (ExtensionSpec::EchGrease(ours), ExtensionSpec::EchGrease(theirs)) => {
                    ours.join(theirs);
                }
                (ours, theirs) if *ours != theirs => return differs(&ours.name()),
                _ => {}
            }
        }
        Ok(())
    }
}

impl EchGreaseSpec {
    fn join(&mut self, other: Self) {
        join(&mut self.kdfs, other.kdfs);
        join(&mut self.aeads, other.aeads);
        join(&mut self.payload_lengths, other.payload_lengths);
    }
}

/// Both, in ascending order and each once.
fn join(values: &mut Vec<u16>, others: Vec<u16>) {
    let all: BTreeSet<u16> = values.drain(..).chain(others).collect();
    values.extend(all);
}

fn cannot(field: &str, problem: &str) -> SpecError {
    SpecError::new(
        format!("hello.{field}"),
        format!("{problem}, which no profile can say"),
    )
}

fn slots(codes: &[u16]) -> Vec<Slot> {
    codes.iter().copied().map(Slot::of).collect()
}

fn extension_spec(sent: &Extension, hello: &ClientHello) -> Result<ExtensionSpec, SpecError> {
    let Extension { id, body } = sent;
    let name = || crate::names::Registry::Extension.show(*id);
    let malformed = || SpecError::new(format!("hello.{}", name()), "breaks its format");
    let texts = |protocols: Vec<Vec<u8>>| -> Result<Vec<String>, SpecError> {
        let texts = protocols
            .into_iter()
            .map(String::from_utf8)
            .collect::<Result<_, _>>();
        texts.map_err(|_not_utf8| cannot(&name(), "has a protocol that is no UTF-8"))
    };
    Ok(match (*id, body.as_slice()) {
        (id, body) if is_grease(id) => ExtensionSpec::Grease {
            length: u16::try_from(body.len()).expect("read from two bytes"),
        },
        (extension::SERVER_NAME, _) => ExtensionSpec::ServerName,
        // OCSP, no responders, no extensions.
        (extension::STATUS_REQUEST, [1, 0, 0, 0, 0]) => ExtensionSpec::StatusRequest,
        (extension::SUPPORTED_GROUPS, _) => {
            ExtensionSpec::SupportedGroups(slots(&hello.supported_groups()))
        }
        (extension::EC_POINT_FORMATS, _) => ExtensionSpec::EcPointFormats(hello.point_formats()),
        (extension::SIGNATURE_ALGORITHMS, _) => {
            ExtensionSpec::SignatureAlgorithms(slots(&hello.signature_algorithms()))
        }
        (extension::ALPN, _) => ExtensionSpec::Alpn(texts(hello.alpn())?),
        (extension::SIGNED_CERTIFICATE_TIMESTAMP, []) => ExtensionSpec::SignedCertificateTimestamp,
        (extension::PADDING, zeros) if zeros.iter().all(|&byte| byte == 0) => {
            ExtensionSpec::Padding
        }
        (extension::EXTENDED_MASTER_SECRET, []) => ExtensionSpec::ExtendedMasterSecret,
        (extension::COMPRESS_CERTIFICATE, body) => {
            ExtensionSpec::CompressCertificate(u16s_behind_u8(body).ok_or_else(malformed)?)
        }
        (extension::RECORD_SIZE_LIMIT, body) => {
            ExtensionSpec::RecordSizeLimit(whole(body, Reader::u16).ok_or_else(malformed)?)
        }
        (extension::DELEGATED_CREDENTIALS, body) => {
            ExtensionSpec::DelegatedCredentials(u16s_behind_u16(body).ok_or_else(malformed)?)
        }
        (extension::SESSION_TICKET, []) => ExtensionSpec::SessionTicket,
        (extension::SUPPORTED_VERSIONS, body) => {
            ExtensionSpec::SupportedVersions(slots(&u16s_behind_u8(body).ok_or_else(malformed)?))
        }
        (extension::PSK_KEY_EXCHANGE_MODES, body) => ExtensionSpec::PskKeyExchangeModes(
            bytes_behind_u8(body).ok_or_else(malformed)?.to_vec(),
        ),
        (extension::KEY_SHARE, _) => {
            let groups: Vec<u16> = hello.key_shares().iter().map(|share| share.group).collect();
            ExtensionSpec::KeyShare(slots(&groups))
        }
        (
            codepoint @ (extension::APPLICATION_SETTINGS_OLD | extension::APPLICATION_SETTINGS),
            body,
        ) => ExtensionSpec::ApplicationSettings {
            codepoint,
            protocols: texts(protocols(body).ok_or_else(malformed)?)?,
        },
        (extension::TRUST_ANCHORS, body) => ExtensionSpec::TrustAnchors(body.to_vec()),
        (extension::ENCRYPTED_CLIENT_HELLO, body) => {
            ExtensionSpec::EchGrease(ech_grease(body).ok_or_else(malformed)?)
        }
        (extension::RENEGOTIATION_INFO, [0]) => ExtensionSpec::RenegotiationInfo,
        (id, body) => ExtensionSpec::Other {
            id,
            body: body.to_vec(),
        },
    })
}

/// An outer `encrypted_client_hello` with the key of X25519: RFC 9849 section 5. GREASE looks like a real one.
fn ech_grease(body: &[u8]) -> Option<EchGreaseSpec> {
    whole(body, |body| {
        let outer = body.u8()? == 0;
        let (kdf, aead, _config_id) = (body.u16()?, body.u16()?, body.u8()?);
        let key = body.vec16()?.len();
        let payload = u16::try_from(body.vec16()?.len()).ok()?;
        (outer && key == 32).then(|| EchGreaseSpec {
            kdfs: vec![kdf],
            aeads: vec![aead],
            payload_lengths: vec![payload],
        })
    })
}

impl Http2Spec {
    /// The specification of an opening with a request.
    ///
    /// # Errors
    ///
    /// What a specification has no words for: an opening without a request, PRIORITY frames, or a request without one of
    /// the four pseudo-headers.
    pub fn from_opening(opening: &Http2Opening) -> Result<Self, SpecError> {
        let problem = |field: &str, what: &str| Err(SpecError::new(format!("http2.{field}"), what));
        let Some(request) = &opening.request else {
            return problem("request", "the opening has none");
        };
        if !opening.priorities.is_empty() {
            return problem("priority", "PRIORITY frames, which no profile can say");
        }
        let names: Vec<&str> = request
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let regular = names.iter().position(|name| !name.starts_with(':'));
        let (pseudo, regular) = names.split_at(regular.unwrap_or(names.len()));
        if regular.iter().any(|name| name.starts_with(':')) {
            return problem("pseudo_order", "a pseudo-header after other headers");
        }
        let pseudo: Option<Vec<_>> = pseudo
            .iter()
            .map(|name| PseudoHeader::named(name))
            .collect();
        let Some(Ok(pseudo_order)) = pseudo.map(<[PseudoHeader; 4]>::try_from) else {
            return problem("pseudo_order", "not the four pseudo-headers of a request");
        };
        Ok(Self {
            settings: opening.settings.clone(),
            window_update: opening.window_update,
            first_stream_id: request.stream,
            pseudo_order,
            priority: request.priority,
            stream_window_update: request.window_update,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_hello::tests::message;

    type Sent<'a> = (u16, &'a [u8]);
    type Extensions<'a> = &'a [Sent<'a>];

    fn hello(extensions: Extensions<'_>) -> ClientHello {
        ClientHello::parse_message(&message(extensions)).expect("it is well-formed")
    }

    /// What is said of these hellos.
    fn refused(hellos: &[Extensions<'_>]) -> String {
        let hellos: Vec<ClientHello> = hellos.iter().map(|one| hello(one)).collect();
        let error = ClientHelloSpec::from_hellos(&hellos).unwrap_err();
        error.to_string()
    }

    #[test]
    fn grease_that_moves_is_no_permutation() {
        let grease: Sent<'_> = (0x0a0a, b"");
        let (one, other): (Sent<'_>, Sent<'_>) = ((23, b""), (18, b""));
        assert_eq!(
            refused(&[&[grease, one, other], &[one, grease, other]]),
            "hello.extension_order: differs between hello 1 and hello 2"
        );
        let hellos = [hello(&[grease, one, other]), hello(&[grease, other, one])];
        let spec = ClientHelloSpec::from_hellos(&hellos).unwrap();
        assert_eq!(spec.extension_order, ExtensionOrder::Permuted);
    }

    #[test]
    fn an_extension_that_is_not_in_every_hello_is_named() {
        let ticket: Sent<'_> = (35, b"");
        let said = "hello.session_ticket: differs between hello 1 and hello 2";
        assert_eq!(refused(&[&[ticket], &[]]), said);
        assert_eq!(refused(&[&[], &[ticket]]), said);
        let said = "hello.GREASE: differs between hello 1 and hello 3";
        assert_eq!(refused(&[&[], &[], &[(0x1a1a, b"")]]), said);
    }

    #[test]
    fn what_a_profile_has_no_words_for_is_refused() {
        let share = refused(&[&[(51, b"\0\x06\x0a\x0a\0\x02ab")]]);
        assert!(share.starts_with("hello.key_share: "), "{share}");
        let ech = refused(&[&[(0xfe0d, b"\x01")]]);
        assert_eq!(ech, "hello.encrypted_client_hello: breaks its format");
        let alpn = refused(&[&[(16, b"\0\x02\x01\xff")]]);
        assert!(alpn.contains("no UTF-8"), "{alpn}");
        let plain = message(&[]);
        for (at, to, field) in [(5, 1, "legacy_version"), (44, 1, "compression_methods")] {
            let mut changed = plain.clone();
            changed[at] = to;
            let hello = ClientHello::parse_message(&changed).unwrap();
            let error = ClientHelloSpec::from_hellos(&[hello]).unwrap_err();
            assert_eq!(error.field(), format!("hello.{field}"));
        }
        // In a record of TLS 1.2.
        let length = u8::try_from(plain.len()).unwrap();
        let record = [&[22, 3, 3, 0, length][..], &plain].concat();
        let hello = ClientHello::parse(&record).unwrap();
        let error = ClientHelloSpec::from_hellos(&[hello]).unwrap_err();
        assert_eq!(error.field(), "hello.record_version");
    }

    #[test]
    fn an_extension_of_an_unusual_form_is_kept_as_it_was() {
        let spec = ClientHelloSpec::from_hellos(&[hello(&[(5, b"\x02"), (0xff01, b"\x01x")])]);
        let other = |id, body: &[u8]| ExtensionSpec::Other {
            id,
            body: body.to_vec(),
        };
        let expected = [other(5, b"\x02"), other(0xff01, b"\x01x")];
        assert_eq!(spec.unwrap().extensions, expected);
    }
}
