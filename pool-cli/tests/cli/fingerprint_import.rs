//! `pool fingerprint import`: bytes that somebody else captured.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use pool_tls::client_hello::ClientHello;
use pool_tls::fidelity::{FidelityReport, compare_http2};
use pool_tls::http2_opening::Http2Opening;
use pool_tls::spec::{ClientHelloSpec, Http2Spec, Profile};
use tempfile::TempDir;

use super::support::{Ended, Pool};

const CLIENTS: [&str; 5] = [
    "chromium-156.0.8078.79",
    "curl-7.88.1-debian",
    "firefox-esr-153.7.0",
    "rustls-0.23-default-awslc",
    "rustls-0.23-default-ring",
];

/// The captures of a client whose names begin like this, in order.
fn captures(client: &str, prefix: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pool-tls/tests/captures");
    let files = std::fs::read_dir(folder.join(client)).expect(client);
    let mut files: Vec<PathBuf> = files
        .map(|file| file.expect(client).path())
        .filter(|file| file.extension().is_some_and(|kind| kind == "bin"))
        .filter(|file| {
            file.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{client}");
    files
}

fn contents(files: &[PathBuf]) -> Vec<Vec<u8>> {
    files
        .iter()
        .map(|file| std::fs::read(file).expect("as the tests have it"))
        .collect()
}

fn import(files: &[PathBuf], args: &[&str]) -> Ended {
    let files: Vec<&str> = files
        .iter()
        .map(|file| file.to_str().expect("as the tests have it"))
        .collect();
    Pool::new(&["fingerprint", "import"])
        .args(args)
        .args(&files)
        .run()
}

/// The only profile that was printed.
#[track_caller]
fn profile(ended: &Ended) -> Profile {
    Profile::from_toml(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// What the vocabulary itself makes of the hellos.
fn spec(hellos: &[Vec<u8>]) -> ClientHelloSpec {
    let hellos: Vec<_> = hellos
        .iter()
        .map(|hello| ClientHello::parse(hello).expect("as the tests have it"))
        .collect();
    ClientHelloSpec::from_hellos(&hellos).expect("as the tests have it")
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        let after = match at % 16 {
            15 => '\n',
            7 => ' ',
            _ => ':',
        };
        write!(text, "{byte:02x}{after}").expect("as the tests have it");
    }
    text
}

fn put(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("as the tests have it");
    path
}

#[test]
fn every_captured_client_is_one_profile_from_its_bytes_and_from_their_digits() {
    for client in CLIENTS {
        let hellos = captures(client, "ch");
        let openings: Vec<PathBuf> = captures(client, "h2");
        let wanted = spec(&contents(&hellos));
        let with_request = contents(&openings)
            .iter()
            .map(|bytes| Http2Opening::parse(bytes).unwrap())
            .find(|opening| opening.request.is_some());
        let http2 = Http2Spec::from_opening(&with_request.expect(client)).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let files = [hellos, openings].concat();
        let digits: Vec<PathBuf> = contents(&files)
            .iter()
            .enumerate()
            .map(|(at, bytes)| put(&folder, &at.to_string(), hexadecimal(bytes)))
            .collect();
        for files in [files, digits] {
            let ended = import(&files, &["--name", "it"]).code(0);
            let profile = profile(&ended);
            let report = FidelityReport::compare(&wanted, &profile.hello.unwrap());
            assert_eq!(report.summary(), "", "{client}: {report}");
            let fields = compare_http2(&http2, &profile.http2.unwrap());
            assert!(
                fields.iter().all(|field| field.equal),
                "{client}: {fields:?}"
            );
            let resumed = ended.stderr.contains("1 hellos resume a session");
            assert_eq!(resumed, client.starts_with("chromium"), "{ended:?}");
        }
    }
}

#[test]
fn two_clients_are_two_profiles_and_no_opening_is_given_to_either() {
    let files = [
        captures("curl-7.88.1-debian", "ch"),
        captures("firefox-esr-153.7.0", "ch"),
        captures("firefox-esr-153.7.0", "h2"),
    ]
    .concat();
    let record = import(&files, &["--json"]).code(0).record();
    let names = |at: usize| record["profiles"][at]["name"].clone();
    assert_eq!(
        (names(0), names(1)),
        ("imported-1".into(), "imported-2".into())
    );
    assert_eq!(record["profiles"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&record["hellos"], &record["openings"]),
        (&6.into(), &4.into())
    );
    assert!(
        record["profiles"][1]
            .get("http2")
            .is_none_or(|http2| http2.is_null())
    );

    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();
    let ended = import(&files, &["-o", to, "--name", "some"]).code(0);
    let ended = ended.says("openings are left out");
    assert_eq!(ended.stdout, "");
    for (name, client) in [
        ("some-1", "curl-7.88.1-debian"),
        ("some-2", "firefox-esr-153.7.0"),
    ] {
        let text = std::fs::read_to_string(folder.path().join(format!("{name}.toml"))).unwrap();
        let profile = Profile::from_toml(&text).unwrap();
        assert_eq!(profile.id.as_str(), name);
        let wanted = spec(&contents(&captures(client, "ch")));
        let report = FidelityReport::compare(&wanted, &profile.hello.unwrap());
        assert_eq!(report.summary(), "", "{report}");
    }
}

/// How packets are wrapped in a capture.
#[derive(Clone, Copy, Debug)]
enum Link {
    Null,
    Ethernet,
    Raw,
    Sll,
    Sll2,
}

const LINKS: [Link; 5] = [Link::Null, Link::Ethernet, Link::Raw, Link::Sll, Link::Sll2];

impl Link {
    fn number(self) -> u16 {
        match self {
            Self::Null => 0,
            Self::Ethernet => 1,
            Self::Raw => 101,
            Self::Sll => 113,
            Self::Sll2 => 276,
        }
    }

    fn frame(self, ip: &[u8]) -> Vec<u8> {
        let kind: [u8; 2] = if ip[0] >> 4 == 6 {
            [0x86, 0xdd]
        } else {
            [8, 0]
        };
        let head = match self {
            Self::Null => vec![2, 0, 0, 0],
            Self::Ethernet => [&[0; 12][..], &kind].concat(),
            Self::Raw => Vec::new(),
            Self::Sll => [&[0; 14][..], &kind].concat(),
            Self::Sll2 => [&kind[..], &[0; 18]].concat(),
        };
        // Ethernet pads short frames.
        let tail = match self {
            Self::Ethernet => vec![0; 46_usize.saturating_sub(ip.len())],
            _ => Vec::new(),
        };
        [&head, ip, &tail].concat()
    }
}

/// A client's packets: SYN, and what it sends in pieces.
fn packets(port: u16, v6: bool, content: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let segment = |sequence: u32, flags: u8, content: &[u8]| {
        let mut tcp = [port.to_be_bytes(), 443_u16.to_be_bytes()].concat();
        tcp.extend(sequence.to_be_bytes());
        tcp.extend([0, 0, 0, 0, 5 << 4, flags, 255, 255, 0, 0, 0, 0]);
        tcp.extend(content);
        let length = u16::try_from(tcp.len()).expect("as the tests have it");
        let mut ip = Vec::new();
        if v6 {
            ip.extend([0x60, 0, 0, 0]);
            ip.extend(length.to_be_bytes());
            ip.extend([6, 64]);
            ip.extend([0x20; 16]);
            ip.extend([0x21; 16]);
        } else {
            ip.extend([0x45, 0]);
            ip.extend((length + 20).to_be_bytes());
            ip.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        }
        ip.extend(tcp);
        ip
    };
    let mut packets = vec![segment(999, 2, b"")];
    let mut sequence = 1000;
    for piece in content.chunks(piece) {
        packets.push(segment(sequence, 0x18, piece));
        sequence += u32::try_from(piece.len()).expect("as the tests have it");
    }
    packets
}

/// 2026-11-22 12:00 UTC.
const NOON: u32 = 1_795_348_800;

fn pcap(link: Link, big_endian: bool, packets: &[Vec<u8>]) -> Vec<u8> {
    let number = |number: u32| match big_endian {
        true => number.to_be_bytes(),
        false => number.to_le_bytes(),
    };
    let version = match big_endian {
        true => [0, 2, 0, 4],
        false => [2, 0, 4, 0],
    };
    let link_type = number(link.number().into());
    let zone = [0; 8];
    let mut file = [
        &number(0xa1b2_c3d4),
        &version,
        &zone[..],
        &number(65_535),
        &link_type,
    ]
    .concat();
    for packet in packets {
        let frame = link.frame(packet);
        let length = number(u32::try_from(frame.len()).expect("as the tests have it"));
        file.extend([number(NOON), number(0), length, length].concat());
        file.extend(frame);
    }
    file
}

fn pcapng(link: Link, packets: &[Vec<u8>]) -> Vec<u8> {
    let block = |kind: u32, content: &[u8]| {
        let padding = vec![0; content.len().next_multiple_of(4) - content.len()];
        let length =
            u32::try_from(12 + content.len() + padding.len()).expect("as the tests have it");
        let length = length.to_le_bytes();
        [&kind.to_le_bytes(), &length, content, &padding, &length].concat()
    };
    let section = [
        &0x1a2b_3c4d_u32.to_le_bytes()[..],
        &[1, 0, 0, 0],
        &[0xff; 8],
    ]
    .concat();
    let interface = [&link.number().to_le_bytes()[..], &[0; 6]].concat();
    let mut file = [block(0x0a0d_0d0a, &section), block(1, &interface)].concat();
    let time = u64::from(NOON) * 1_000_000;
    let (high, low) = ((time >> 32) as u32, time as u32);
    for packet in packets {
        let frame = link.frame(packet);
        let length = u32::try_from(frame.len()).expect("as the tests have it");
        let head: Vec<u8> = [0, high, low, length, length]
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        file.extend(block(6, &[head, frame].concat()));
    }
    file
}

/// All connections of a client, one after another.
fn traffic(client: &str, v6: bool) -> (Vec<Vec<u8>>, ClientHelloSpec) {
    let hellos = contents(&captures(client, "ch"));
    let mut all = Vec::new();
    for (port, hello) in (40_000..).zip(&hellos) {
        let mut packets = packets(port, v6, hello, 700);
        // One that overtakes another, and one that comes twice.
        let last = packets.len() - 1;
        packets.swap(1, last);
        packets.push(packets[1].clone());
        all.extend(packets);
    }
    (all, spec(&hellos))
}

#[test]
fn captures_of_every_link_type_have_their_hellos() {
    let folder = tempfile::tempdir().unwrap();
    for v6 in [false, true] {
        let (packets, wanted) = traffic("chromium-156.0.8078.79", v6);
        for link in LINKS {
            let files = [
                pcap(link, false, &packets),
                pcap(link, true, &packets),
                pcapng(link, &packets),
            ];
            for file in files {
                let file = put(&folder, "some.pcap", file);
                let ended = import(&[file], &[]).code(0);
                let profile = profile(&ended);
                let report = FidelityReport::compare(&wanted, &profile.hello.unwrap());
                assert_eq!(report.summary(), "", "{link:?}, {report}");
                let captured = profile.captured.unwrap();
                assert_eq!(captured.date, "2026-11-22");
                assert!(captured.source.ends_with("5 full handshakes in some.pcap"));
            }
        }
    }
}

#[test]
fn a_capture_that_is_cut_off_gives_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let (packets, _) = traffic("curl-7.88.1-debian", false);
    for whole in [
        pcap(Link::Ethernet, false, &packets),
        pcapng(Link::Ethernet, &packets),
    ] {
        // The last hello is sent twice, and this cuts into the second time.
        let file = put(&folder, "cut", &whole[..whole.len() - 10]);
        let ended = import(&[file], &[]).code(0).says("ends inside a block");
        assert!(profile(&ended).hello.is_some());
        // Into each place of its beginning, where there is no hello yet.
        for length in 4..100 {
            let file = put(&folder, "cut", &whole[..length]);
            let ended = import(&[file], &[]);
            assert!(matches!(ended.code, Some(1 | 2)), "{length}: {ended:?}");
            assert!(ended.stderr.contains("hint: ") && !ended.stderr.contains("panicked"));
        }
    }
}

#[test]
fn a_capture_of_something_else_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let web = packets(40_000, false, b"GET / HTTP/1.1\r\n\r\n", 5);
    let file = put(&folder, "web", pcap(Link::Raw, false, &web));
    import(&[file], &[])
        .code(1)
        .says("no ClientHello of a full handshake");
    // Link type 147 is private.
    let mut private = pcap(Link::Raw, false, &web);
    private[20] = 147;
    let file = put(&folder, "private", private);
    import(&[file], &[])
        .code(1)
        .says("5 packets of link type 147 are left out");
}

#[test]
fn a_file_that_is_nothing_says_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let hello = contents(&captures("curl-7.88.1-debian", "ch")).remove(0);
    let opening = contents(&captures("curl-7.88.1-debian", "h2")).remove(0);
    let cases: [(&[u8], &str); 8] = [
        (b"", "empty"),
        (b"hello", "byte 0 is 'h'"),
        (b"16030", "odd number"),
        (b"ffff", "not a TLS handshake"),
        (
            &hello[..100],
            "the ClientHello goes on for at least 417 bytes",
        ),
        (&opening[..30], "the HTTP/2 opening goes on"),
        (&[0xa1; 100], "neither a ClientHello nor HTTP/2"),
        (&vec![b'1'; 1 << 20], "longer than any ClientHello"),
    ];
    for (bytes, said) in cases {
        let file = put(&folder, "it", bytes);
        import(&[file], &[]).code(2).says(said).says("it: ");
    }
    let missing = folder.path().join("missing");
    import(&[missing], &[]).code(2).says("cannot read");
}

#[test]
fn standard_input_is_a_file_too() {
    let hello = contents(&captures("curl-7.88.1-debian", "ch")).remove(0);
    let ended = Pool::new(&["fingerprint", "import", "-"]).run_with(&hexadecimal(&hello));
    let profile = profile(&ended.code(0));
    assert_eq!(profile.captured.unwrap().date, "unknown");
}
