use super::*;

/// The example of FoxIO's `technical_details/JA4.md`, with GREASE at each place.
fn example() -> Features {
    let extensions = [
        0x0a0a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023,
        0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0xeaea,
    ];
    let ciphers = [
        0x8a8a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
        0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
    ];
    let algorithms = [
        0x3a3a, 0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601,
    ];
    Features {
        legacy_version: 0x0303,
        ciphers: ciphers.to_vec(),
        extensions: extensions.to_vec(),
        groups: vec![0x1a1a, 0x001d],
        point_formats: vec![0],
        signature_algorithms: algorithms.to_vec(),
        versions: Some(vec![0xfafa, 0x0303, 0x0304]),
        protocol: Some(b"h2".to_vec()),
    }
}

#[test]
fn the_example_of_the_ja4_specification_comes_out() {
    let ja4 = example().ja4();
    assert_eq!(ja4.to_string(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    assert_eq!(
        ja4.raw(),
        "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_\
         0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_\
         0403,0804,0401,0503,0805,0501,0806,0601"
    );
}

#[test]
fn without_signature_algorithms_the_extensions_are_hashed_alone() {
    // The specification's second example.
    let mut features = example();
    features.signature_algorithms.clear();
    let ja4 = features.ja4();
    assert_eq!(ja4.c(), "6d807ffa2a79");
    assert!(ja4.raw().ends_with(",4469,ff01"), "{}", ja4.raw());
}

#[test]
fn the_published_examples_of_other_clients_come_out() {
    // FoxIO's `python/test/testdata/sigalg-grease.pcapng.json`: a GREASE signature algorithm and trust anchors.
    let mut features = example();
    features.extensions = vec![
        0xfe0d, 0x0010, 0x0017, 0x0033, 0x44cd, 0xff01, 0x000a, 0x000d, 0x0023, 0x002b, 0x000b,
        0xca34, 0x002d, 0x0000, 0x0005, 0x001b, 0x0012,
    ];
    features
        .signature_algorithms
        .splice(1..1, [0x0904, 0x0905, 0x0906]);
    let ja4 = features.ja4().to_string();
    assert_eq!(ja4, "t13d1517h2_8daaf6152771_cb7bf5808d99");
}

#[test]
fn nothing_to_hash_is_zeros() {
    let mut features = example();
    features.ciphers = vec![0x0a0a];
    features.extensions = vec![0x0a0a, extension::SERVER_NAME, extension::ALPN];
    features.signature_algorithms.clear();
    let ja4 = features.ja4().to_string();
    assert_eq!(ja4, "t13d0002h2_000000000000_000000000000");
}

#[test]
fn the_version_is_the_highest_offered_or_that_of_the_hello() {
    let version = |legacy_version, versions: Option<&[u16]>| {
        let features = Features {
            legacy_version,
            versions: versions.map(<[u16]>::to_vec),
            ..Features::default()
        };
        features.ja4().a()[1..3].to_owned()
    };
    assert_eq!(version(0x0303, Some(&[0x0303, 0x0304, 0x0302])), "13");
    assert_eq!(version(0x0304, Some(&[0x0a0a, 0x0303])), "12");
    assert_eq!(version(0x0302, None), "11");
    assert_eq!(version(0x0301, None), "10");
    assert_eq!(version(0x0300, None), "s3");
    assert_eq!(version(0x0002, None), "s2");
    assert_eq!(version(0x7f17, None), "00");
}

#[test]
fn without_a_name_the_connection_goes_to_an_address() {
    let mut features = example();
    features
        .extensions
        .retain(|&id| id != extension::SERVER_NAME);
    assert_eq!(features.ja4().a(), "t13i1515h2");
}

#[test]
fn counts_end_at_99() {
    let mut features = example();
    features.ciphers = (1..=120).collect();
    features.extensions = (0..=100).collect();
    assert_eq!(features.ja4().a(), "t13d9999h2");
}

#[test]
fn a_protocol_is_its_first_and_last_character_or_those_of_its_digits() {
    // The specification's table, and the rules around it.
    for (protocol, expected) in [
        (&b"h2"[..], "h2"),
        (b"http/1.1", "h1"),
        (b"Zx", "Zx"),
        (b"", "00"),
        (b"x", "xx"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
        (b"\x0a\x0a", "0a"),
    ] {
        assert_eq!(first_and_last(protocol), expected, "{protocol:?}");
    }
    let mut features = example();
    features.protocol = None;
    assert_eq!(features.ja4().a(), "t13d151600");
}

#[test]
fn grease_is_the_sixteen_values_of_the_rfc() {
    let all: Vec<u16> = (0..=u16::MAX).filter(|&code| is_grease(code)).collect();
    let reserved: Vec<u16> = (0..16).map(|high| 0x0a0a + high * 0x1010).collect();
    assert_eq!(all, reserved);
}

#[test]
fn ja3_leaves_grease_out_and_sorts_extensions_on_request() {
    let features = example();
    let text = features.ja3(Extensions::AsSent).text;
    assert!(text.starts_with("771,4865-4866-4867-49195-"), "{text}");
    assert!(
        text.ends_with(",27-0-51-16-17513-23-45-13-5-35-18-43-65281-11-10-21,29,0"),
        "{text}"
    );
    let sorted = features.ja3(Extensions::Sorted).text;
    assert!(
        sorted.ends_with(",0-5-10-11-13-16-18-21-23-27-35-43-45-51-17513-65281,29,0"),
        "{sorted}"
    );
    // Salesforce's README: empty fields stay.
    let bare = Features {
        legacy_version: 769,
        ciphers: vec![4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99],
        ..Features::default()
    };
    let ja3 = bare.ja3(Extensions::AsSent);
    assert_eq!(ja3.text(), "769,4-5-10-9-100-98-3-6-19-18-99,,,");
    assert_eq!(ja3.to_string(), "de350869b8c85de67a350c8d186f11e6");
}
