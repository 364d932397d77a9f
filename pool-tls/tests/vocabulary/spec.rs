//! Specifications made of captures, and how near one capture is to another.

use pool_tls::client_hello::ClientHello;
use pool_tls::fidelity::{Fidelity, FidelityReport, FieldTable, compare_http2};
use pool_tls::spec::{
    ClientHelloSpec, EchGreaseSpec, ExtensionOrder, ExtensionSpec, Http2Spec, Slot,
};

use crate::captures;

const CHROMIUM: &str = "chromium-156.0.8078.79";
const FIREFOX: &str = "firefox-esr-153.7.0";
const RUSTLS: &str = "rustls-0.23-default-ring";

fn hellos(client: &str) -> Vec<ClientHello> {
    captures::of(client)
        .into_iter()
        .map(|one| one.hello)
        .collect()
}

fn spec(client: &str) -> ClientHelloSpec {
    ClientHelloSpec::from_hellos(&hellos(client)).expect(client)
}

fn ech(spec: &ClientHelloSpec) -> &EchGreaseSpec {
    let found = spec
        .extensions
        .iter()
        .find_map(|extension| match extension {
            ExtensionSpec::EchGrease(ech) => Some(ech),
            _ => None,
        });
    found.expect("it has one")
}

#[test]
fn several_hellos_show_what_a_client_varies() {
    let chromium = spec(CHROMIUM);
    assert_eq!(chromium.extension_order, ExtensionOrder::Permuted);
    let drawn = ech(&chromium);
    assert_eq!((&drawn.kdfs[..], &drawn.aeads[..]), (&[1][..], &[1][..]));
    // 144 of the fourth one: the sixth, which has it too, resumes.
    assert_eq!(drawn.payload_lengths, [144, 208, 240]);
    let greases: Vec<usize> = (0..chromium.extensions.len())
        .filter(|&at| chromium.extensions[at].id().is_none())
        .collect();
    assert_eq!(greases, [0, chromium.extensions.len() - 1]);
    assert_eq!(
        chromium.signature_algorithms()[..2],
        [Slot::Grease, Slot::Value(0x0904)]
    );
    assert_eq!(chromium.alpn(), ["h2", "http/1.1"]);

    let firefox = spec(FIREFOX);
    assert_eq!(firefox.extension_order, ExtensionOrder::Fixed);
    assert_eq!(
        (&ech(&firefox).aeads[..], &ech(&firefox).payload_lengths[..]),
        (&[1, 3][..], &[239][..])
    );
    assert_eq!(spec(RUSTLS).extension_order, ExtensionOrder::Permuted);
    assert_eq!(
        spec("curl-7.88.1-debian").extension_order,
        ExtensionOrder::Fixed
    );
}

#[test]
fn a_resumed_hello_makes_no_specification_and_does_not_disturb_one() {
    let mut hellos = hellos(CHROMIUM);
    let resumed = hellos.pop().expect("the last one");
    assert!(resumed.offers_psk());
    let error = ClientHelloSpec::from_hellos(std::slice::from_ref(&resumed)).unwrap_err();
    assert_eq!(error.field(), "hello");
    let without = ClientHelloSpec::from_hellos(&hellos);
    hellos.insert(0, resumed);
    assert_eq!(ClientHelloSpec::from_hellos(&hellos), without);
    assert!(ClientHelloSpec::from_hellos(&[]).is_err());
}

#[test]
fn hellos_of_two_clients_are_refused_by_what_differs() {
    let mixed = |one: &str, other: &str| {
        let hellos = [hellos(one).remove(0), hellos(other).remove(0)];
        let error = ClientHelloSpec::from_hellos(&hellos).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        mixed(CHROMIUM, FIREFOX),
        "hello.ciphers: differs between hello 1 and hello 2"
    );
    // The same cipher suites, other groups.
    assert_eq!(
        mixed(RUSTLS, "rustls-0.23-default-awslc"),
        "hello.supported_groups: differs between hello 1 and hello 2"
    );
}

#[test]
fn a_specification_has_the_names_of_its_captures() {
    for client in [CHROMIUM, FIREFOX, RUSTLS, "curl-7.88.1-debian"] {
        let spec = spec(client);
        let first = &hellos(client)[0];
        assert_eq!(spec.ja4(), first.ja4(), "{client}");
        assert_eq!(spec.ja3_sorted(), first.ja3_sorted(), "{client}");
        // In the order of the first one.
        assert_eq!(spec.ja3(), first.ja3(), "{client}");
    }
}

#[test]
fn some_hellos_of_a_client_equal_all_of_them_exactly() {
    for (client, some) in [(CHROMIUM, 1..3), (FIREFOX, 0..1), (RUSTLS, 0..2)] {
        let sent = ClientHelloSpec::from_hellos(&hellos(client)[some]).expect(client);
        let report = FidelityReport::compare(&spec(client), &sent);
        assert_eq!(
            (report.grade, report.summary()),
            (Fidelity::Exact, String::new()),
            "{report}"
        );
    }
}

#[test]
fn another_client_is_told_apart_by_its_fields() {
    let report = FidelityReport::compare(&spec(CHROMIUM), &spec(RUSTLS));
    assert_eq!(report.grade, Fidelity::Native);
    for field in [
        "ciphers",
        "GREASE 1",
        "GREASE 2",
        "trust_anchors",
        "renegotiation_info",
    ] {
        assert!(
            report.differences().any(|one| one.field == field),
            "{field}: {report}"
        );
    }
    let alpn = "application_layer_protocol_negotiation";
    assert!(
        report
            .fields
            .iter()
            .any(|one| one.field == alpn && one.equal),
        "{report}"
    );
    let between = FidelityReport::compare(&spec(RUSTLS), &spec("rustls-0.23-default-awslc"));
    assert_eq!(between.grade, Fidelity::CiphersOnly, "{between}");
}

#[test]
fn an_opening_with_a_request_makes_a_specification() {
    let openings = |client| {
        captures::of(client)
            .into_iter()
            .filter_map(|one| one.opening)
    };
    let chromium = Http2Spec::from_opening(&openings(CHROMIUM).next().unwrap()).unwrap();
    assert_eq!(
        (chromium.first_stream_id, chromium.stream_window_update),
        (1, None)
    );
    let mut firefox = openings(FIREFOX);
    let error = Http2Spec::from_opening(&firefox.next().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "http2.request: the opening has none");
    let firefox = Http2Spec::from_opening(&firefox.next().unwrap()).unwrap();
    assert_eq!(
        (firefox.first_stream_id, firefox.stream_window_update),
        (3, Some(0x00be_0000))
    );
    let priority = firefox.priority.expect("it has one");
    assert_eq!((priority.weight, priority.exclusive), (42, false));
}

#[test]
fn two_openings_are_compared_field_by_field() {
    let of = |client| {
        let openings = captures::of(client)
            .into_iter()
            .filter_map(|one| one.opening);
        let mut specs = openings.filter_map(|opening| Http2Spec::from_opening(&opening).ok());
        specs.next().expect(client)
    };
    let (chromium, firefox) = (of(CHROMIUM), of(FIREFOX));
    assert!(
        compare_http2(&firefox, &firefox)
            .iter()
            .all(|field| field.equal)
    );
    let fields = compare_http2(&chromium, &firefox);
    assert!(fields.iter().all(|field| !field.equal));
    assert_eq!(
        FieldTable(&fields[1..]).to_string(),
        "\
field                 wanted                               sent
window_update         15663105                             12517377
first_stream_id       1                                    3
pseudo_order          … :authority, :scheme, :path         … :path, :authority, :scheme
priority              weight 256, depends on 0, exclusive  weight 42, depends on 0
stream_window_update  absent                               12451840
"
    );
}
