//! What only a peer of the same library can answer.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ::boring::pkey::PKey;
use ::boring::ssl::{
    AlpnError, CertificateCompressionAlgorithm, CertificateCompressor, Ssl, SslContext,
    SslContextBuilder, SslMethod, select_next_proto,
};
use ::boring::x509::X509;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_boring::SslStreamBuilder;

use super::compression::{Brotli, Zlib};
use super::{BoringConnector, ffi, fidelity, settings};
use crate::client_hello::ClientHello;
use crate::fidelity::Fidelity;
use crate::spec::{ClientHelloSpec, EchGreaseSpec, ExtensionOrder, ExtensionSpec, Profile, Slot};
use crate::{ProfileId, Roots, TlsConnector, TlsContext, TlsErrorKind};

/// A hello with everything that a server of BoringSSL can answer.
fn profile(codepoint: u16, compression: u16) -> Arc<Profile> {
    let values = |codes: &[u16]| codes.iter().copied().map(Slot::Value).collect::<Vec<_>>();
    Arc::new(Profile {
        id: ProfileId::new("made up"),
        hello: Some(ClientHelloSpec {
            session_id: true,
            ciphers: values(&[0x1302, 0x1301, 0xc02b]),
            extension_order: ExtensionOrder::Permuted,
            extensions: vec![
                ExtensionSpec::ServerName,
                ExtensionSpec::KeyShare(values(&[0x11ec])),
                ExtensionSpec::SupportedGroups(values(&[0x11ec, 29, 23])),
                ExtensionSpec::SupportedVersions(values(&[0x0304, 0x0303])),
                ExtensionSpec::SignatureAlgorithms(values(&[0x0403, 0x0804])),
                ExtensionSpec::Alpn(vec!["h2".to_owned()]),
                ExtensionSpec::CompressCertificate(vec![compression]),
                ExtensionSpec::ApplicationSettings {
                    codepoint,
                    protocols: vec!["h2".to_owned()],
                },
                ExtensionSpec::EchGrease(EchGreaseSpec {
                    kdfs: vec![1],
                    aeads: vec![1],
                    payload_lengths: vec![144],
                }),
            ],
        }),
        ..Profile::native()
    })
}

/// What a server saw of a connection.
#[derive(Debug, PartialEq)]
struct Seen {
    application_settings: bool,
    group: Option<u16>,
}

async fn handshake(profile: &Arc<Profile>, server: &Server, new_codepoint: bool) -> Seen {
    let builder = BoringConnector::builder().roots(Roots::None);
    let connector = builder.add_ca_pem(&server.pem).unwrap().build().unwrap();
    handshake_of(&connector, profile, server, new_codepoint).await
}

async fn handshake_of(
    connector: &BoringConnector,
    profile: &Arc<Profile>,
    server: &Server,
    new_codepoint: bool,
) -> Seen {
    let plan = connector.plan(profile).unwrap();
    let (ours, theirs) = tokio::io::duplex(16 * 1024);
    let mut ssl = Ssl::new(&server.context).unwrap();
    ffi::add_application_settings(&mut ssl, b"h2", new_codepoint).unwrap();
    let accept = async {
        let stream = SslStreamBuilder::new(ssl, theirs).accept().await;
        let mut stream = stream.unwrap();
        stream.write_all(b"hello").await.unwrap();
        Seen {
            application_settings: ffi::has_application_settings(stream.ssl()),
            group: stream.ssl().curve(),
        }
    };
    let connect = async {
        let cx = TlsContext::new("example.com", &plan);
        let mut session = connector.connect(&cx, Box::new(ours)).await.unwrap();
        assert_eq!(session.alpn.as_deref(), Some(&b"h2"[..]));
        let mut greeting = [0; 5];
        session.io.read_exact(&mut greeting).await.unwrap();
    };
    let (seen, ()) = tokio::join!(accept, connect);
    seen
}

#[tokio::test]
async fn application_settings_are_agreed_on_under_either_code_point() {
    let server = Server::new(|_| ());
    for (codepoint, new) in [(17513, false), (17613, true)] {
        let seen = handshake(&profile(codepoint, 2), &server, new).await;
        let expected = Seen {
            application_settings: true,
            group: Some(0x11ec),
        };
        assert_eq!(seen, expected, "{codepoint}");
    }
}

#[tokio::test]
async fn a_compressed_certificate_is_unpacked() {
    // The server compresses with what the client offers, and otherwise not at all; so it has to say that it did.
    let brotli = Server::new(|context| {
        context
            .add_certificate_compression_algorithm(Stored::<2>)
            .unwrap();
    });
    handshake(&profile(17613, 2), &brotli, true).await;
    assert_eq!(STORED.load(Ordering::Relaxed), 1);
    let zlib = Server::new(|context| {
        context
            .add_certificate_compression_algorithm(Stored::<1>)
            .unwrap();
    });
    handshake(&profile(17613, 1), &zlib, true).await;
    assert_eq!(STORED.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn secrets_are_handed_out_only_on_demand() {
    let server = Server::new(|_| ());
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = lines.clone();
    let builder = BoringConnector::builder()
        .roots(Roots::None)
        .key_log(move |line| log.lock().unwrap().push(line.to_owned()));
    assert!(format!("{builder:?}").contains("key_log: true"));
    let connector = builder.add_ca_pem(&server.pem).unwrap().build().unwrap();
    handshake_of(&connector, &profile(17613, 2), &server, true).await;
    let lines = lines.lock().unwrap();
    let traffic = |line: &&String| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ");
    assert_eq!(lines.iter().filter(traffic).count(), 1, "{}", lines.len());
}

#[test]
fn hellos_that_are_padded_now_and_then_are_graded_by_the_farthest() {
    let builder = BoringConnector::builder().roots(Roots::WebPki);
    let connector = builder.build().unwrap();
    let profile = profile(17613, 2);
    let (hello, _) = settings::hello(profile.hello.as_ref().unwrap(), &connector.base).unwrap();
    // Without GREASE at the end, BoringSSL pads whenever the last extension happens to be an empty one, and else not.
    let (mut plain, mut padded) = (Vec::new(), Vec::new());
    while plain.len() < 8 || padded.is_empty() {
        let hello = ClientHello::parse(&hello.draw().unwrap()).unwrap();
        match hello.extension(21) {
            None => plain.push(hello),
            Some(_) => padded.push(hello),
        }
    }
    let wanted = ClientHelloSpec::from_hellos(&plain).unwrap();
    let grade = |hellos: &[&ClientHello]| {
        let hellos: Vec<ClientHello> = hellos.iter().copied().cloned().collect();
        fidelity::compared(&wanted, &hellos).unwrap().grade
    };
    assert_eq!(grade(&plain.iter().collect::<Vec<_>>()), Fidelity::Exact);
    assert_eq!(grade(&[&plain[0], &padded[0]]), Fidelity::CiphersOnly);
    assert_eq!(grade(&[&padded[0], &plain[0]]), Fidelity::CiphersOnly);
}

#[test]
fn a_hello_without_a_ticket_extension_gets_none() {
    let builder = BoringConnector::builder().roots(Roots::WebPki);
    let connector = builder.build().unwrap();
    let plan = connector.plan(&profile(17613, 2)).unwrap();
    let summary = plan.report().unwrap().summary();
    assert!(!summary.contains("session_ticket"), "{summary}");
}

#[test]
fn what_a_profile_asks_for_in_vain_is_reported_with_the_reason() {
    let mut wanted = Profile::clone(&profile(17613, 9));
    let hello = wanted.hello.as_mut().unwrap();
    hello.session_id = true;
    hello.extension_order = ExtensionOrder::Fixed;
    hello
        .ciphers
        .extend([0x1305, 0xc0ac, 0x00ff].map(Slot::Value));
    for extension in &mut hello.extensions {
        match extension {
            ExtensionSpec::SupportedGroups(list) => list.push(Slot::Value(0x0100)),
            ExtensionSpec::SignatureAlgorithms(list) => list.push(Slot::Value(0x0809)),
            ExtensionSpec::SupportedVersions(list) => list.push(Slot::Value(0x0302)),
            ExtensionSpec::KeyShare(list) => list.insert(0, Slot::Value(29)),
            _ => {}
        }
    }
    let (id, body) = (0x1234, vec![1, 2]);
    hello.extensions.extend([
        ExtensionSpec::Grease { length: 0 },
        ExtensionSpec::EcPointFormats(vec![0, 1, 2]),
        ExtensionSpec::PskKeyExchangeModes(vec![0]),
        ExtensionSpec::RecordSizeLimit(0x4001),
        ExtensionSpec::DelegatedCredentials(vec![0x0403]),
        ExtensionSpec::TrustAnchors(vec![1]),
        ExtensionSpec::Padding,
        ExtensionSpec::Other { id, body },
    ]);
    let builder = BoringConnector::builder().roots(Roots::WebPki);
    let connector = builder.build().unwrap();
    let plan = connector.plan(&Arc::new(wanted)).unwrap();
    let report = plan.report().unwrap();
    assert_eq!(report.grade, Fidelity::Native);
    let unexplained: Vec<_> = report
        .differences()
        .filter(|field| field.reason.is_none())
        .collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    let reason = |name: &str| {
        let mut fields = report.differences();
        let found = fields.find(|field| field.field == name);
        found.and_then(|field| field.reason.as_deref())
    };
    assert_eq!(reason("0x1234"), Some("BoringSSL does not have it"));
    let ciphers = reason("ciphers").unwrap();
    assert!(ciphers.contains("TLS_AES_128_CCM_8_SHA256"), "{ciphers}");
}

#[test]
fn grease_in_some_places_only_is_reported_where_it_is_missed_or_too_much() {
    // As Chromium did before it had GREASE among its signature algorithms.
    let mut wanted = Profile::clone(&profile(17613, 2));
    let hello = wanted.hello.as_mut().unwrap();
    hello.ciphers.insert(0, Slot::Grease);
    let builder = BoringConnector::builder().roots(Roots::WebPki);
    let connector = builder.build().unwrap();
    let plan = connector.plan(&Arc::new(wanted)).unwrap();
    let report = plan.report().unwrap();
    let mut fields = report.differences();
    let field = fields.find(|field| field.field == "signature_algorithms");
    let reason = field.unwrap().reason.as_deref();
    assert_eq!(reason, Some("BoringSSL has GREASE everywhere or nowhere"));
}

#[test]
fn a_profile_of_versions_that_nobody_should_speak_is_refused() {
    let mut old = Profile::clone(&profile(17613, 2));
    let extensions = &mut old.hello.as_mut().unwrap().extensions;
    extensions.retain(|extension| !matches!(extension, ExtensionSpec::SupportedVersions(_)));
    extensions.push(ExtensionSpec::SupportedVersions(vec![Slot::Value(0x0302)]));
    let builder = BoringConnector::builder().roots(Roots::WebPki);
    let error = builder.build().unwrap().plan(&Arc::new(old)).unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::UnknownProfile);
}

/// How often a certificate was packed.
static STORED: AtomicUsize = AtomicUsize::new(0);

/// Packs without making anything smaller.
struct Stored<const ALGORITHM: u16>;

impl<const ALGORITHM: u16> CertificateCompressor for Stored<ALGORITHM> {
    const ALGORITHM: CertificateCompressionAlgorithm = if ALGORITHM == 1 {
        CertificateCompressionAlgorithm::ZLIB
    } else {
        CertificateCompressionAlgorithm::BROTLI
    };
    const CAN_COMPRESS: bool = true;
    const CAN_DECOMPRESS: bool = false;

    fn compress<W: Write>(&self, input: &[u8], output: &mut W) -> io::Result<()> {
        STORED.fetch_add(1, Ordering::Relaxed);
        output.write_all(&stored(ALGORITHM, input))
    }
}

/// `input` as zlib (1) or brotli (2) that takes more room than it did, which both formats allow.
fn stored(algorithm: u16, input: &[u8]) -> Vec<u8> {
    let length = u16::try_from(input.len()).unwrap();
    if algorithm == 1 {
        // RFC 1950 and 1951: a header, a last and stored block, and Adler-32.
        let mut output = vec![0x78, 0x01, 0x01];
        output.extend(length.to_le_bytes());
        output.extend((!length).to_le_bytes());
        output.extend(input);
        let (mut a, mut b) = (1_u32, 0_u32);
        for byte in input {
            a = (a + u32::from(*byte)) % 65521;
            b = (b + a) % 65521;
        }
        output.extend((b << 16 | a).to_be_bytes());
        return output;
    }
    // RFC 7932 section 9: a window of 16 bits; then a meta-block that is not the last, with four nibbles of length less
    // one, uncompressed; then an empty last one. Bits from the lowest.
    let bits = u32::from(length - 1) << 4 | 1 << 20;
    let mut output = bits.to_le_bytes()[..3].to_vec();
    output.extend(input);
    output.push(3);
    output
}

#[test]
fn a_certificate_that_unpacks_to_more_than_it_says_is_refused() {
    let input = [7; 64];
    for (room, fits) in [(64, true), (63, false), (0, false)] {
        let mut output = vec![0; room];
        let unpacked = Brotli.decompress(&stored(2, &input), &mut output.as_mut_slice());
        assert_eq!(unpacked.is_ok(), fits, "brotli into {room}");
        let mut output = vec![0; room];
        let unpacked = Zlib.decompress(&stored(1, &input), &mut output.as_mut_slice());
        assert_eq!(unpacked.is_ok(), fits, "zlib into {room}");
    }
}

struct Server {
    context: SslContext,
    pem: Vec<u8>,
}

impl Server {
    fn new(edit: impl FnOnce(&mut SslContextBuilder)) -> Self {
        let made = rcgen::generate_simple_self_signed(["example.com".to_owned()]).unwrap();
        let mut context = SslContextBuilder::new(SslMethod::tls()).unwrap();
        let cert = X509::from_der(made.cert.der()).unwrap();
        let key = made.signing_key.serialize_pem();
        context.set_certificate(&cert).unwrap();
        context
            .set_private_key(&PKey::private_key_from_pem(key.as_bytes()).unwrap())
            .unwrap();
        context.set_alpn_select_callback(|_, offered| {
            select_next_proto(b"\x02h2", offered).ok_or(AlpnError::NOACK)
        });
        edit(&mut context);
        Self {
            context: context.build(),
            pem: made.cert.pem().into_bytes(),
        }
    }
}
