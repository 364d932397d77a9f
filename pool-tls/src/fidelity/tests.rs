use super::*;
use crate::spec::{ClientHelloSpec, EchGreaseSpec, ExtensionOrder, ExtensionSpec, Slot};

fn sample() -> ClientHelloSpec {
    let values = |codes: &[u16]| codes.iter().copied().map(Slot::Value).collect::<Vec<_>>();
    ClientHelloSpec {
        session_id: true,
        ciphers: [vec![Slot::Grease], values(&[0x1301, 0x1302, 0xc02b])].concat(),
        extension_order: ExtensionOrder::Fixed,
        extensions: vec![
            ExtensionSpec::Grease { length: 0 },
            ExtensionSpec::ServerName,
            ExtensionSpec::SupportedGroups(values(&[0x11ec, 0x001d])),
            ExtensionSpec::SignatureAlgorithms(values(&[0x0403, 0x0804])),
            ExtensionSpec::SupportedVersions(values(&[0x0304, 0x0303])),
            ExtensionSpec::KeyShare(values(&[0x11ec])),
            ExtensionSpec::EchGrease(EchGreaseSpec {
                kdfs: vec![1],
                aeads: vec![1, 3],
                payload_lengths: vec![144, 208],
            }),
            ExtensionSpec::Grease { length: 1 },
        ],
    }
}

type Change = Box<dyn FnOnce(&mut ClientHelloSpec)>;

/// What changing the hello makes of it: the grade, and the fields that differ.
fn changed(change: impl FnOnce(&mut ClientHelloSpec)) -> (Fidelity, String) {
    let mut sent = sample();
    change(&mut sent);
    let report = FidelityReport::compare(&sample(), &sent);
    (report.grade, report.summary())
}

#[test]
fn grades_have_an_order_and_names_that_can_be_read() {
    assert!(Fidelity::ALL.is_sorted());
    assert!(Fidelity::Exact > Fidelity::Ja3Equal && Fidelity::Ja4Equal > Fidelity::CiphersOnly);
    for grade in Fidelity::ALL {
        assert_eq!(grade.to_string().parse(), Ok(grade));
    }
    let error = "Exact".parse::<Fidelity>().unwrap_err().to_string();
    assert!(
        error.ends_with("native, ciphers-only, ja4-equal, ja3-equal, exact"),
        "{error}"
    );
}

#[test]
fn what_the_client_itself_varies_is_no_difference() {
    assert_eq!(changed(|_| {}), (Fidelity::Exact, String::new()));
    let fewer = |spec: &mut ClientHelloSpec| {
        spec.extensions[6] = ExtensionSpec::EchGrease(EchGreaseSpec {
            kdfs: vec![1],
            aeads: vec![3],
            payload_lengths: vec![208],
        });
    };
    assert_eq!(changed(fewer), (Fidelity::Exact, String::new()));
    let permuted = |spec: &mut ClientHelloSpec| spec.extension_order = ExtensionOrder::Permuted;
    let (mut wanted, mut sent) = (sample(), sample());
    permuted(&mut wanted);
    permuted(&mut sent);
    sent.extensions.swap(1, 4);
    let report = FidelityReport::compare(&wanted, &sent);
    assert_eq!(report.grade, Fidelity::Exact, "{report}");
    // A client that permutes never sends one order only, and its GREASE stays at the ends.
    sent.extension_order = ExtensionOrder::Fixed;
    let report = FidelityReport::compare(&wanted, &sent);
    assert_eq!(
        (report.grade, report.summary().as_str()),
        (Fidelity::Ja3Equal, "extension_order")
    );
    permuted(&mut sent);
    sent.extensions.swap(0, 1);
    let report = FidelityReport::compare(&wanted, &sent);
    assert_eq!(
        (report.grade, report.summary().as_str()),
        (Fidelity::Ja3Equal, "extension_order")
    );
}

#[test]
fn each_change_is_found_and_graded_by_what_it_shows() {
    use ExtensionSpec::{EchGrease, Grease, KeyShare, Padding, SignatureAlgorithms};

    let ech = |lengths: &[u16]| {
        EchGrease(EchGreaseSpec {
            kdfs: vec![1],
            aeads: vec![1],
            payload_lengths: lengths.to_vec(),
        })
    };
    let cases: Vec<(Change, Fidelity, &str)> = vec![
        (
            Box::new(|s| s.session_id = false),
            Fidelity::Ja3Equal,
            "session_id",
        ),
        (
            Box::new(move |s| s.extensions[6] = ech(&[144, 176])),
            Fidelity::Ja3Equal,
            "encrypted_client_hello",
        ),
        (
            Box::new(|s| s.extensions[5] = KeyShare(vec![Slot::Value(0x001d)])),
            Fidelity::Ja3Equal,
            "key_share",
        ),
        (
            Box::new(|s| s.extensions[7] = Grease { length: 0 }),
            Fidelity::Ja3Equal,
            "GREASE 2",
        ),
        (
            Box::new(|s| s.extensions.truncate(7)),
            Fidelity::Ja3Equal,
            "GREASE 2",
        ),
        (
            Box::new(|s| s.ciphers.retain(|&slot| slot != Slot::Grease)),
            Fidelity::Ja3Equal,
            "ciphers",
        ),
        (
            Box::new(|s| s.ciphers.swap(1, 2)),
            Fidelity::Ja4Equal,
            "ciphers",
        ),
        (
            Box::new(|s| s.extensions.swap(1, 2)),
            Fidelity::Ja4Equal,
            "extension_order",
        ),
        (
            Box::new(|s| s.extension_order = ExtensionOrder::Permuted),
            Fidelity::Ja4Equal,
            "extension_order",
        ),
        (
            Box::new(|s| s.extensions.push(Padding)),
            Fidelity::CiphersOnly,
            "padding",
        ),
        (
            Box::new(|s| s.extensions[3] = SignatureAlgorithms(vec![Slot::Value(0x0403)])),
            Fidelity::CiphersOnly,
            "signature_algorithms",
        ),
        (
            Box::new(|s| drop(s.extensions.remove(1))),
            Fidelity::CiphersOnly,
            "server_name",
        ),
        (
            Box::new(|s| s.ciphers.truncate(3)),
            Fidelity::Native,
            "ciphers",
        ),
    ];
    for (change, grade, fields) in cases {
        assert_eq!(changed(change), (grade, fields.to_owned()));
    }
}

#[test]
fn the_table_says_what_differs_and_why() {
    let mut sent = sample();
    sent.ciphers[2] = Slot::Value(0xabcd);
    sent.extensions.remove(6);
    sent.extensions.push(ExtensionSpec::Padding);
    let report = FidelityReport::compare(&sample(), &sent)
        .with_reason("encrypted_client_hello", "needs TLS 1.3 alone")
        .with_reason("session_id", "of a field that is equal");
    assert_eq!(
        report.to_string(),
        "\
field                   wanted                                                     sent
session_id              32 bytes                                                   equal
ciphers                 … TLS_AES_256_GCM_SHA384 …                                 … 0xabcd …
extension_order         GREASE 1, server_name, supported_groups, signature_algor…  equal
GREASE 1                0 bytes                                                    equal
server_name             present                                                    equal
supported_groups        X25519MLKEM768, x25519                                     equal
signature_algorithms    ecdsa_secp256r1_sha256, rsa_pss_rsae_sha256                equal
supported_versions      TLS1.3, TLS1.2                                             equal
key_share               X25519MLKEM768                                             equal
encrypted_client_hello  HKDF-SHA256, AES-128-GCM, ChaCha20Poly1305, payload 144/…  absent  (needs TLS 1.3 alone)
GREASE 2                1 bytes                                                    equal
padding                 absent                                                     present
grade: native"
    );
    assert_eq!(report.summary(), "ciphers, encrypted_client_hello, padding");
    assert_eq!(report.differences().count(), 3);
}
