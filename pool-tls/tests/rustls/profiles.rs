//! Profiles on a backend that can send part of a browser's hello.

use std::sync::Arc;

use pool_tls::fidelity::Fidelity;
use pool_tls::spec::{ClientHelloSpec, ExtensionOrder, ExtensionSpec, Profile, Slot};
use pool_tls::{
    BoxedIo, ProfileId, TlsConnector, TlsContext, TlsErrorKind, TlsVersion, conformance, self_check,
};

use crate::support::{Ca, NAME, Server, connect, exchange_under};

fn built_in(name: &str) -> Arc<Profile> {
    Arc::new(Profile::built_in(name).unwrap())
}

/// A profile of this name whose hello asks for these.
fn modest(name: &str, versions: &[u16], ciphers: &[u16], groups: &[u16]) -> Arc<Profile> {
    let slots = |values: &[u16]| values.iter().copied().map(Slot::Value).collect::<Vec<_>>();
    Arc::new(Profile {
        id: ProfileId::new(name),
        hello: Some(ClientHelloSpec {
            session_id: true,
            ciphers: slots(ciphers),
            extension_order: ExtensionOrder::Permuted,
            extensions: vec![
                ExtensionSpec::ServerName,
                ExtensionSpec::SupportedGroups(slots(groups)),
                ExtensionSpec::SignatureAlgorithms(slots(&[0x0804, 0x0403])),
                ExtensionSpec::SupportedVersions(slots(versions)),
                ExtensionSpec::KeyShare(slots(&groups[..1])),
                ExtensionSpec::Alpn(vec!["http/1.1".into()]),
            ],
        }),
        ..Profile::native()
    })
}

#[tokio::test]
async fn the_connector_conforms_under_a_browsers_profile() {
    let ca = Ca::new();
    let connector = ca.trusted().build().unwrap();
    let server = Server::new(&ca.leaf(&[NAME])).alpn(&[b"http/1.1"]);
    let open = || -> BoxedIo { server.open() };
    let profiles = [built_in("chromium-156"), built_in("firefox-esr-153")];
    conformance::connector(&connector, NAME, &profiles, &open).await;
}

#[tokio::test]
async fn no_browsers_hello_is_claimed_and_every_difference_has_a_reason() {
    let ca = Ca::new();
    let connector = ca.trusted().build().unwrap();
    for name in ["chromium-156", "firefox-esr-153"] {
        let plan = connector.plan(&built_in(name)).unwrap();
        assert_eq!(plan.fidelity(), Fidelity::Native, "{name}");
        assert!(!plan.is_faithful());
        let report = plan.report().unwrap();
        for field in report.differences() {
            assert!(field.reason.is_some(), "{name}: {} has none", field.field);
        }
        let sent = self_check(&connector, &plan, 8).await.unwrap().unwrap();
        let names = |report: &pool_tls::fidelity::FidelityReport| report.summary();
        assert_eq!(names(&sent), names(report), "{name}: sent as planned");

        let error = plan.require(Fidelity::CiphersOnly).unwrap_err();
        assert_eq!(error.kind(), TlsErrorKind::Unfaithful);
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains("signed_certificate_timestamp"), "{why}");
        plan.require(Fidelity::Native).unwrap();
    }
    let native = connector.plan(&Arc::new(Profile::native())).unwrap();
    assert!(native.is_faithful());
    native.require(Fidelity::Exact).unwrap();
}

#[tokio::test]
async fn what_rustls_can_do_of_a_hello_it_does_in_the_hellos_order() {
    let ca = Ca::new();
    let connector = ca.trusted().build().unwrap();
    let profile = modest("modest", &[0x0304], &[0x1303, 0x1301], &[0x0018, 0x001d]);
    let plan = connector.plan(&profile).unwrap();
    let differing = plan.report().unwrap().summary();
    for field in [
        "ciphers",
        "supported_groups",
        "signature_algorithms",
        "supported_versions",
        "key_share",
        "application_layer_protocol_negotiation",
    ] {
        assert!(!differing.contains(field), "{field} differs: {differing}");
    }

    let server = Server::new(&ca.leaf(&[NAME])).alpn(&[b"h2", b"http/1.1"]);
    // What the caller offers does not change the hello of a profile.
    let cx = TlsContext::new(NAME, &plan).with_alpn(&[b"h2"]);
    let session = connect(&connector, cx, server.open()).await.unwrap();
    assert_eq!(session.profile, profile.id);
    assert_eq!(session.version, TlsVersion::Tls13);
    assert_eq!(session.alpn.as_deref(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn sessions_are_not_resumed_under_another_profile() {
    let ca = Ca::new();
    let connector = ca.trusted().build().unwrap();
    let server = Server::new(&ca.leaf(&[NAME])).alpn(&[b"http/1.1"]);
    let plan = |name| {
        let profile = modest(name, &[0x0304], &[0x1301], &[0x001d]);
        connector.plan(&profile).unwrap()
    };
    let (one, two) = (plan("one"), plan("two"));
    assert!(!exchange_under(&connector, &server, &one).await.resumed);
    assert!(!exchange_under(&connector, &server, &two).await.resumed);
    assert!(exchange_under(&connector, &server, &one).await.resumed);
}

#[tokio::test]
async fn a_hello_of_which_nothing_can_be_sent_is_no_plan() {
    let connector = Ca::new().trusted().build().unwrap();
    for (case, versions, ciphers, groups) in [
        ("no version", &[0x0301][..], &[0x1301][..], &[0x001d][..]),
        ("no cipher suite", &[0x0304], &[0x000a], &[0x001d]),
        ("no group", &[0x0304], &[0x1301], &[0x0100]),
    ] {
        let profile = modest("hopeless", versions, ciphers, groups);
        let error = connector.plan(&profile).unwrap_err();
        assert_eq!(error.kind(), TlsErrorKind::UnknownProfile, "{case}");
    }
}
