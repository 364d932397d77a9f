//! Whom a connector believes, and whom it shows its own certificate.

use std::error::Error;

use pool_tls::{
    CertificateProblem, Plan, ProfileId, Roots, TlsConfigErrorKind, TlsConnector, TlsContext,
    TlsErrorKind, TlsVersion,
};
use tokio::io::AsyncReadExt;

use crate::Connector;
use crate::support::{Ca, NAME, Server, connect, exchange, failure};

#[tokio::test]
async fn a_server_of_a_trusted_authority_is_accepted() {
    let ca = Ca::new();
    let server = Server::new(&ca.leaf(&[NAME]));
    let session = exchange(&ca.trusted().build().unwrap(), &server, "").await;
    assert_eq!(session.version, TlsVersion::Tls13);
    assert_eq!(session.profile, ProfileId::native());
    assert!(!session.resumed);
}

#[tokio::test]
async fn a_server_that_speaks_only_tls_1_2_is_accepted() {
    let ca = Ca::new();
    let server = Server::of_version(&ca.leaf(&[NAME]), &rustls::version::TLS12);
    let session = exchange(&ca.trusted().build().unwrap(), &server, "").await;
    assert_eq!(session.version, TlsVersion::Tls12);
}

#[tokio::test]
async fn a_certificate_for_an_ip_address_is_accepted_for_that_address_alone() {
    let ca = Ca::new();
    let connector = ca.trusted().build().unwrap();
    let server = Server::new(&ca.leaf(&["192.0.2.1", "2001:db8::1"]));
    for ip in ["192.0.2.1", "2001:db8::1"] {
        let plan = Plan::native(connector.config_id());
        let cx = TlsContext::new(ip, &plan);
        connect(&connector, cx, server.open()).await.unwrap();
    }
    let wrong = TlsErrorKind::Certificate(CertificateProblem::WrongName);
    assert_eq!(failure(&connector, &server, "192.0.2.2").await, wrong);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let ca = Ca::new();
    let server = Server::new(&ca.leaf(&["example.org"]));
    let kind = failure(&ca.trusted().build().unwrap(), &server, NAME).await;
    let wrong = TlsErrorKind::Certificate(CertificateProblem::WrongName);
    assert_eq!(kind, wrong);
}

#[tokio::test]
async fn an_expired_certificate_is_refused_with_the_reason() {
    let ca = Ca::new();
    let leaf = ca.leaf_with(&[NAME], |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let connector = ca.trusted().build().unwrap();
    let plan = Plan::native(connector.config_id());
    let cx = TlsContext::new(NAME, &plan);
    let result = connect(&connector, cx, Server::new(&leaf).open()).await;
    let error = result.unwrap_err();
    let expired = TlsErrorKind::Certificate(CertificateProblem::Expired);
    assert_eq!(error.kind(), expired);
    assert_eq!(error.to_string(), "certificate has expired");
    assert!(error.source().is_some(), "the dates are in the source");
}

#[tokio::test]
async fn a_certificate_of_the_future_is_refused() {
    let ca = Ca::new();
    let leaf = ca.leaf_with(&[NAME], |params| {
        params.not_before = rcgen::date_time_ymd(3000, 1, 1);
    });
    let kind = failure(&ca.trusted().build().unwrap(), &Server::new(&leaf), NAME).await;
    let early = TlsErrorKind::Certificate(CertificateProblem::NotYetValid);
    assert_eq!(kind, early);
}

#[tokio::test]
async fn an_unknown_authority_is_refused_whatever_roots_are_trusted() {
    let (ours, theirs) = (Ca::named("ours"), Ca::named("theirs"));
    let server = Server::new(&theirs.leaf(&[NAME]));
    let unknown = TlsErrorKind::Certificate(CertificateProblem::UnknownIssuer);
    let default = Roots::default();
    for roots in [Roots::None, Roots::WebPki, default] {
        let connector = ours.trusted().roots(roots).build().unwrap();
        let kind = failure(&connector, &server, NAME).await;
        assert_eq!(kind, unknown, "{roots:?}");
    }
}

#[tokio::test]
async fn an_impostor_with_the_name_of_a_trusted_authority_is_refused() {
    let (ours, impostor) = (Ca::named("same"), Ca::named("same"));
    let server = Server::new(&impostor.leaf(&[NAME]));
    let kind = failure(&ours.trusted().build().unwrap(), &server, NAME).await;
    let bad_signature = TlsErrorKind::Certificate(CertificateProblem::Other);
    assert_eq!(kind, bad_signature);
}

#[tokio::test]
async fn an_extra_authority_is_trusted_besides_any_roots() {
    let ca = Ca::new();
    let server = Server::new(&ca.leaf(&[NAME]));
    let default = Roots::default();
    for roots in [Roots::None, Roots::WebPki, default] {
        let connector = ca.trusted().roots(roots).build().unwrap();
        exchange(&connector, &server, "").await;
    }
    let builder = Connector::builder().roots(Roots::None);
    let connector = builder.add_ca_der(&ca.der).unwrap().build().unwrap();
    exchange(&connector, &server, "").await;
}

#[tokio::test]
async fn an_authority_below_a_root_can_be_trusted_alone() {
    let below = Ca::new().below("below");
    let server = Server::new(&below.leaf(&[NAME]));
    exchange(&below.trusted().build().unwrap(), &server, "").await;
}

#[tokio::test]
async fn any_certificate_is_accepted_only_on_demand() {
    let server = Server::new(&Ca::new().leaf(&["example.org"]));
    let connector = Connector::builder()
        .danger_ACCEPT_ANY_CERTIFICATE()
        .build()
        .unwrap();
    exchange(&connector, &server, "").await;
    assert!(format!("{connector:?}").contains("checks_certificates: false"));
}

#[test]
fn a_connector_that_would_trust_nobody_is_not_built() {
    let result = Connector::builder().roots(Roots::None).build();
    assert_eq!(result.unwrap_err().kind(), TlsConfigErrorKind::Roots);
}

#[test]
fn input_that_is_no_certificate_is_refused_where_it_comes_in() {
    let kind = |pem: &[u8]| {
        let result = Connector::builder().add_ca_pem(pem);
        result.unwrap_err().kind()
    };
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(kind(b""), TlsConfigErrorKind::CaCertificate);
    assert_eq!(kind(b"hello"), TlsConfigErrorKind::CaCertificate);
    assert_eq!(kind(broken), TlsConfigErrorKind::CaCertificate);

    let ca = Ca::new();
    let result = Connector::builder().client_cert_pem(b"", b"");
    let kind = result.unwrap_err().kind();
    assert_eq!(kind, TlsConfigErrorKind::ClientCertificate);
    let result = Connector::builder().client_cert_pem(ca.pem.as_bytes(), b"hello");
    assert_eq!(result.unwrap_err().kind(), TlsConfigErrorKind::ClientKey);
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let ca = Ca::new();
    let (one, other) = (ca.leaf(&[NAME]), ca.leaf(&[NAME]));
    let builder = ca.trusted();
    let builder = builder
        .client_cert_pem(
            one.cert.pem().as_bytes(),
            other.key.serialize_pem().as_bytes(),
        )
        .unwrap();
    let error = builder.build().unwrap_err();
    assert_eq!(error.kind(), TlsConfigErrorKind::ClientKey);
}

#[tokio::test]
async fn the_server_sees_the_client_certificate_of_the_connector() {
    let ca = Ca::new();
    let mut server = Server::asking_for_client_certs_of(&ca.leaf(&[NAME]), &ca);
    for client in ["one", "two"] {
        let leaf = ca.leaf(&[client]);
        let connector = ca
            .trusted()
            .client_cert_pem(
                leaf.cert.pem().as_bytes(),
                leaf.key.serialize_pem().as_bytes(),
            )
            .unwrap()
            .build()
            .unwrap();
        exchange(&connector, &server, "").await;
        let seen = server.seen.recv().await.unwrap();
        assert_eq!(seen.as_ref(), Some(leaf.cert.der()), "client {client}");
    }
    exchange(&ca.trusted().build().unwrap(), &server, "").await;
    assert_eq!(server.seen.recv().await.unwrap(), None);
}

#[tokio::test]
async fn a_client_certificate_that_the_server_refuses_fails_the_first_read() {
    let (ca, unknown) = (Ca::named("ours"), Ca::named("unknown"));
    let server = Server::asking_for_client_certs_of(&ca.leaf(&[NAME]), &ca);
    let leaf = unknown.leaf(&["client"]);
    let (cert, key) = (leaf.cert.pem(), leaf.key.serialize_pem());
    let builder = ca
        .trusted()
        .client_cert_pem(cert.as_bytes(), key.as_bytes());
    let connector = builder.unwrap().build().unwrap();

    let plan = Plan::native(connector.config_id());
    let cx = TlsContext::new(NAME, &plan);
    let mut session = connect(&connector, cx, server.open()).await.unwrap();
    let error = session.io.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
}

#[test]
fn debug_output_shows_no_key_and_no_certificate() {
    let ca = Ca::new();
    let leaf = ca.leaf(&["client"]);
    let key = leaf.key.serialize_pem();
    let builder = ca
        .trusted()
        .client_cert_pem(leaf.cert.pem().as_bytes(), key.as_bytes())
        .unwrap();
    assert_eq!(
        nameless(&format!("{builder:?}")),
        "ConnectorBuilder { roots: None, extra_cas: 1, has_client_certificate: true, \
         accept_any_certificate: false, tickets_per_server: 8, \
         servers_with_tickets: 1024, key_log: false }"
    );
    let shown = nameless(&format!("{:?}", builder.build().unwrap()));
    let (before, after) = shown.split_once("TlsConfigId(").unwrap();
    let (_number, after) = after.split_once(')').unwrap();
    assert_eq!(before, "Connector { config_id: ");
    assert_eq!(
        after,
        ", checks_certificates: true, has_client_certificate: true, .. }"
    );
}

/// Without the name of the backend, which comes first.
fn nameless(shown: &str) -> String {
    let at = shown.find("Connector").unwrap();
    shown[at..].to_owned()
}
