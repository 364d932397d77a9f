//! The hellos that the connector sends, beside those that the clients themselves sent.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use pool_tls::client_hello::ClientHello;
use pool_tls::fidelity::Fidelity;
use pool_tls::spec::{ClientHelloSpec, ExtensionOrder, ExtensionSpec, Profile, Slot};
use pool_tls::{
    BoringConnector, BoxedIo, Plan, TlsConnector, TlsContext, TlsErrorKind, conformance, self_check,
};

use crate::support::{Ca, NAME, Server, exchange_under};
use crate::tap::Tap;

const CHROMIUM: &str = "chromium-156.0.8078.79";

pub(crate) fn chromium(connector: &BoringConnector) -> Plan {
    planned(connector, "chromium-156")
}

fn planned(connector: &BoringConnector, name: &str) -> Plan {
    let profile = Profile::built_in(name).unwrap();
    connector.plan(&Arc::new(profile)).unwrap()
}

#[tokio::test]
async fn sixteen_hellos_of_chromium_are_chromiums_field_by_field() {
    let captures = captured(CHROMIUM);
    let (ja4, ja3) = (captures[0].ja4(), captures[0].ja3_sorted());
    let wanted = ClientHelloSpec::from_hellos(&captures).unwrap();

    let connector = Ca::new().trusted().build().unwrap();
    let plan = chromium(&connector);
    let mut sent = Vec::new();
    for _ in 0..16 {
        let hello = sent_by(&connector, &plan).await;
        assert_eq!(hello.ja4(), ja4);
        assert_eq!(hello.ja3_sorted().hash(), ja3.hash());
        sent.push(hello);
    }
    let found = ClientHelloSpec::from_hellos(&sent).unwrap();
    assert_eq!(found.session_id, wanted.session_id);
    assert_eq!(found.ciphers, wanted.ciphers);
    assert_eq!(wanted.extension_order, ExtensionOrder::Permuted);
    assert_eq!(found.extension_order, ExtensionOrder::Permuted);
    for (found, wanted) in sorted(&found).iter().zip(&sorted(&wanted)) {
        match (found, wanted) {
            (ExtensionSpec::EchGrease(found), ExtensionSpec::EchGrease(wanted)) => {
                assert_eq!(found.kdfs, wanted.kdfs);
                assert_eq!(found.aeads, wanted.aeads);
                // Drawn for each connection; Chromium was seen with all of these.
                for length in &found.payload_lengths {
                    assert!([144, 176, 208, 240].contains(length), "{length}");
                }
            }
            _ => assert_eq!(found, wanted),
        }
    }
    assert_eq!(found.extensions.len(), wanted.extensions.len());
    let ends = |spec: &ClientHelloSpec| {
        let grease = |at: usize| matches!(spec.extensions[at], ExtensionSpec::Grease { .. });
        grease(0) && grease(spec.extensions.len() - 1)
    };
    assert!(ends(&wanted) && ends(&found), "GREASE comes first and last");
}

#[tokio::test]
async fn the_connector_conforms_under_a_browsers_profile() {
    let ca = Ca::new();
    let connector = ca.trusted().build().unwrap();
    let server = Server::new(&ca.leaf(&[NAME])).alpn(&[b"http/1.1"]);
    let open = || -> BoxedIo { server.open() };
    let profiles = ["chromium-156", "firefox-esr-153"];
    let profiles = profiles.map(|name| Arc::new(Profile::built_in(name).unwrap()));
    conformance::connector(&connector, NAME, &profiles, &open).await;
}

#[tokio::test]
async fn chromiums_extensions_come_in_another_order_each_time() {
    let connector = Ca::new().trusted().build().unwrap();
    let plan = chromium(&connector);
    let one = sent_by(&connector, &plan).await;
    let other = sent_by(&connector, &plan).await;
    assert_ne!(one.ja3().hash(), other.ja3().hash());
}

#[tokio::test]
async fn a_resumed_hello_of_chromium_has_the_shape_of_chromiums() {
    let captured = captured(CHROMIUM).into_iter().find(ClientHello::offers_psk);
    let captured = captured.unwrap();
    let ca = Ca::new();
    let connector = ca.trusted().build().unwrap();
    let plan = chromium(&connector);
    let server = Server::new(&ca.leaf(&[NAME])).alpn(&[b"h2"]);

    let session = exchange_under(&connector, &server, &plan).await;
    assert_eq!(session.alpn.as_deref(), Some(&b"h2"[..]));
    assert!(!session.resumed);

    let (tap, written) = Tap::new(server.open());
    let cx = TlsContext::new(NAME, &plan);
    let session = connector.connect(&cx, Box::new(tap)).await.unwrap();
    assert!(session.resumed);
    let hello = written.hello();
    assert_eq!(hello.ja4(), captured.ja4());
    assert_eq!(
        hello.ja4().to_string(),
        "t13d1518h2_8daaf6152771_e2d80978ab2e"
    );
    assert_eq!(hello.ja3_sorted().hash(), captured.ja3_sorted().hash());
    let last = hello.extensions().last().unwrap();
    assert_eq!(last.id, 41, "pre_shared_key comes last");
    assert_eq!(captured.extensions().last().unwrap().id, 41);
}

#[tokio::test]
async fn a_profile_keeps_its_protocols_whatever_the_caller_offers() {
    let connector = Ca::new().trusted().build().unwrap();
    let plan = chromium(&connector);
    let (tap, written) = Tap::new(tokio::io::empty());
    let cx = TlsContext::new(NAME, &plan).with_alpn(&[b"gopher"]);
    let error = connector.connect(&cx, Box::new(tap)).await.unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::Closed);
    assert_eq!(written.hello().alpn(), [&b"h2"[..], b"http/1.1"]);
}

#[tokio::test]
async fn the_native_hello_has_no_grease_and_what_the_caller_offers() {
    let connector = Ca::new().trusted().build().unwrap();
    let plan = Plan::native(connector.config_id());
    let (tap, written) = Tap::new(tokio::io::empty());
    let cx = TlsContext::new(NAME, &plan).with_alpn(&[b"http/1.1"]);
    connector.connect(&cx, Box::new(tap)).await.unwrap_err();
    let hello = written.hello();
    assert_eq!(hello.alpn(), [b"http/1.1"]);
    assert_eq!(hello.server_name(), Some(NAME));
    let spec = ClientHelloSpec::from_hellos(&[hello]).unwrap();
    assert!(!spec.ciphers.contains(&Slot::Grease));
}

#[tokio::test]
async fn chromium_is_graded_exact_and_sent_as_planned() {
    let connector = Ca::new().trusted().build().unwrap();
    let plan = chromium(&connector);
    let report = plan.report().unwrap();
    assert_eq!(report.grade, Fidelity::Exact, "{report}");
    assert!(plan.is_faithful());
    let sent = self_check(&connector, &plan, 8).await.unwrap().unwrap();
    assert_eq!(sent.grade, Fidelity::Exact, "{sent}");
}

#[tokio::test]
async fn firefox_is_claimed_for_its_ciphers_alone_and_every_difference_has_a_reason() {
    let connector = Ca::new().trusted().build().unwrap();
    let plan = planned(&connector, "firefox-esr-153");
    let report = plan.report().unwrap();
    assert_eq!(report.grade, Fidelity::CiphersOnly, "{report}");
    let reasons: Vec<String> = report
        .differences()
        .map(|field| {
            let reason = field.reason.as_deref();
            format!("{}: {}", field.field, reason.unwrap_or("no reason"))
        })
        .collect();
    assert_eq!(
        reasons,
        [
            "extension_order: BoringSSL has one of its own, or draws it",
            "supported_groups: BoringSSL does not have ffdhe2048; BoringSSL does not have ffdhe3072",
            "delegated_credentials: BoringSSL has it for servers alone",
            "record_size_limit: BoringSSL does not have it",
            "compress_certificate: zstd cannot be unpacked here",
            "encrypted_client_hello: BoringSSL draws its parts itself",
        ]
    );
    let sent = self_check(&connector, &plan, 8).await.unwrap().unwrap();
    assert_eq!(sent.summary(), report.summary(), "sent as planned");
}

/// A hello, sent to a peer that closes at once.
async fn sent_by(connector: &BoringConnector, plan: &Plan) -> ClientHello {
    let (tap, written) = Tap::new(tokio::io::empty());
    let cx = TlsContext::new(NAME, plan);
    let error = connector.connect(&cx, Box::new(tap)).await.unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::Closed);
    written.hello()
}

/// The extensions by number, GREASE among them as one or two of the same.
fn sorted(spec: &ClientHelloSpec) -> Vec<ExtensionSpec> {
    let mut extensions = spec.extensions.clone();
    extensions.sort_by_key(|extension| format!("{:?}", extension.id()));
    extensions
}

fn captured(client: &str) -> Vec<ClientHello> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut files: Vec<_> = fs::read_dir(folder.join(client))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("ch") && name.ends_with(".bin")
        })
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| ClientHello::parse(&fs::read(path).unwrap()).unwrap())
        .collect()
}
