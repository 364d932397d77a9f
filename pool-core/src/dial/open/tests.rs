use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use pool_tls::spec::{ClientHelloSpec, ExtensionOrder, ExtensionSpec};
use pool_tls::{NoTls, ProfileId};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket};

use super::fakes::{CONNECT, FakeTls, HANDSHAKE, Rig, Wire};
use super::*;
use crate::dial::TcpConnector;
use crate::key::Protocols;
use crate::observe::SourceBook;

fn refused() -> ConnectError {
    io::Error::from(io::ErrorKind::ConnectionRefused).into()
}

fn out_of_files() -> ConnectError {
    io::Error::from_raw_os_error(24).into()
}

fn no_port() -> ConnectError {
    ConnectError::NoFreePort(io::ErrorKind::AddrNotAvailable.into())
}

fn not_here() -> ConnectError {
    ConnectError::Unbindable(io::ErrorKind::AddrNotAvailable.into())
}

fn forbidden() -> ConnectError {
    ConnectError::Unbindable(io::ErrorKind::PermissionDenied.into())
}

fn other_network() -> ConnectError {
    io::Error::from(io::ErrorKind::InvalidInput).into()
}

const H2: FakeTls = FakeTls::Agrees(Some(b"h2"));

#[tokio::test(start_paused = true)]
async fn every_failure_has_its_kind_its_outcome_and_its_blame_and_gives_back_after_the_socket() {
    use ErrorKind::{Connect, LocalAddr, Refused, Timeout, Tls};
    use Outcome::{AddrInUse, Connected, TargetFailed, Unbindable};
    let table = [
        (Wire::Fails(refused), H2, Refused, Some(TargetFailed), true),
        (Wire::Fails(out_of_files), H2, Connect, None, false),
        (Wire::Fails(no_port), H2, LocalAddr, Some(AddrInUse), false),
        (Wire::Fails(not_here), H2, LocalAddr, Some(AddrInUse), false),
        (
            Wire::Fails(forbidden),
            H2,
            LocalAddr,
            Some(Unbindable),
            false,
        ),
        (Wire::Fails(other_network), H2, LocalAddr, None, false),
        (
            Wire::Fails(|| ConnectError::FamilyMismatch),
            H2,
            LocalAddr,
            None,
            false,
        ),
        (
            Wire::OpensFrom("127.0.2.2"),
            H2,
            LocalAddr,
            Some(Unbindable),
            false,
        ),
        (
            Wire::Hangs,
            H2,
            Timeout(Phase::Connect),
            Some(TargetFailed),
            true,
        ),
        (
            Wire::Opens,
            FakeTls::Waits,
            Timeout(Phase::Handshake),
            Some(Connected),
            true,
        ),
        (
            Wire::Opens,
            FakeTls::Fails(TlsErrorKind::NotTls),
            Tls,
            Some(Connected),
            true,
        ),
        (
            Wire::Opens,
            FakeTls::Fails(TlsErrorKind::UnknownProfile),
            Tls,
            Some(Connected),
            false,
        ),
        (
            Wire::Opens,
            FakeTls::Agrees(Some(b"h3")),
            Tls,
            Some(Connected),
            true,
        ),
    ];
    for (wire, tls, kind, outcome, blame) in table {
        let case = format!("{wire:?}, {tls:?}");
        let rig = Rig::new(wire, tls);
        let error = rig.open().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{case}");
        assert_eq!(blames_target(&error), blame, "{case}");
        let given_back = ["socket", &format!("lease {outcome:?}"), "guard"];
        assert_eq!(rig.given_back(), given_back, "{case}");
        let text = error.to_string();
        let between = "a.test at 127.0.1.1:443 from 127.0.2.1";
        assert!(text.ends_with(between), "{case}: {text}");
    }
}

#[tokio::test]
async fn an_open_stream_holds_lease_and_guard_until_its_socket_has_closed() {
    let rig = Rig::new(Wire::Opens, H2);
    let opened = rig.open().await.unwrap();
    assert_eq!(rig.given_back(), [""; 0]);
    std::thread::spawn(move || drop(opened.io)).join().unwrap();
    assert_eq!(
        rig.given_back(),
        ["socket", "lease Some(Connected)", "guard"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_dial_given_up_closes_its_socket_before_it_gives_back() {
    for (wire, tls, outcome) in [
        (Wire::Hangs, H2, "lease None"),
        (Wire::Opens, FakeTls::Waits, "lease Some(Connected)"),
    ] {
        let rig = Rig::new(wire, tls);
        {
            let mut dial = pin!(rig.open());
            let first = poll_fn(|cx| Poll::Ready(dial.as_mut().poll(cx))).await;
            assert!(first.is_pending());
        }
        assert_eq!(rig.given_back(), ["socket", outcome, "guard"]);
    }
}

#[tokio::test(start_paused = true)]
async fn each_phase_has_its_own_deadline() {
    for (wire, after) in [(Wire::Hangs, CONNECT), (Wire::Opens, HANDSHAKE)] {
        let before = clock::now();
        Rig::new(wire, FakeTls::Waits).open().await.unwrap_err();
        assert_eq!(clock::now() - before, after);
    }
}

#[tokio::test]
async fn a_profile_whose_hello_may_not_be_sent_opens_no_socket() {
    let mut rig = Rig::new(Wire::Opens, H2);
    rig.hello = Some(ClientHelloSpec {
        session_id: true,
        ciphers: vec![],
        extension_order: ExtensionOrder::Fixed,
        extensions: vec![ExtensionSpec::Alpn(vec!["h2".into(), "http/1.1".into()])],
    });
    rig.key = Key::new(Scheme::Https, "a.test", 443).protocols(Protocols::Http1);
    let error = rig.open().await.unwrap_err();
    assert!(!blames_target(&error));
    let cause = error.source().and_then(|tls| tls.source()).unwrap();
    assert_eq!(
        cause.to_string(),
        "`native` offers h2, http/1.1, of which the first is not allowed here"
    );
    assert!(rig.connect.far.lock().unwrap().is_empty());
    assert_eq!(rig.given_back(), ["lease None", "guard"]);
}

#[tokio::test]
async fn the_handshake_gets_name_protocols_and_profile_of_the_key() {
    let mut rig = Rig::new(Wire::Opens, H2);
    rig.key = Key::new(Scheme::Https, "::1", 443)
        .protocols(Protocols::Auto)
        .profile(ProfileId::new("lynx"));
    let opened = rig.open().await.unwrap();
    assert_eq!(opened.facts.protocol, Protocol::Http2);
    assert_eq!(opened.facts.protocol, Protocol::Http2);
    assert_eq!(opened.facts.profile, Some(ProfileId::new("lynx")));
    assert!(opened.facts.resumed);
    assert!(opened.times.handshake.is_some());
    drop(opened);
    let mut far = rig.connect.far.lock().unwrap().remove(0);
    let mut hello = String::new();
    far.read_to_string(&mut hello).await.unwrap();
    assert_eq!(hello, "::1 h2,http/1.1 lynx\n");
}

#[tokio::test]
async fn plain_text_knows_its_protocol_without_a_handshake() {
    for (protocols, expected) in [
        (Protocols::Auto, Protocol::Http1),
        (Protocols::Http2, Protocol::Http2),
    ] {
        let mut rig = Rig::new(Wire::Opens, FakeTls::Waits);
        rig.key = Key::new(Scheme::Http, "a.test", 80).protocols(protocols);
        let opened = rig.open().await.unwrap();
        assert_eq!(opened.facts.protocol, expected);
        assert_eq!(opened.facts.profile, None);
        assert!(opened.times.handshake.is_none());
    }
}

/// Dials for real over TCP, in plain text.
async fn dial(target: SocketAddr, source: &str) -> Result<Opened, Error> {
    let request = DialRequest {
        key: &Key::new(Scheme::Http, "a.test", target.port()),
        target,
        connect: &TcpConnector::default(),
        tls: &NoTls,
        plan: None,
        buffers: (0, 0),
        connect_timeout: Duration::MAX,
        handshake_timeout: Duration::MAX,
        sources: &SourceBook::default(),
        connected: &|| (),
    };
    let lease = Lease::new(source.parse::<IpAddr>().unwrap(), |_| ());
    open(request, lease, ()).await
}

#[cfg(target_os = "linux")] // Elsewhere 127.0.0.1 is the only local address of 127/8.
#[tokio::test]
async fn the_facts_of_a_connection_agree_with_what_the_peer_sees() {
    let listener = TcpListener::bind("127.0.1.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let (opened, accepted) = tokio::join!(dial(target, "127.0.2.9"), listener.accept());
    let (facts, seen) = (opened.unwrap().facts, accepted.unwrap().1);
    assert_eq!((facts.target, facts.source), (target, Some(seen)));
    assert_eq!(facts.leased, Some(seen.ip()));
    assert_eq!(seen.ip().to_string(), "127.0.2.9");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_refused() {
    // Bound but not listening: the port can belong to nobody else meanwhile.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let error = dial(socket.local_addr().unwrap(), "127.0.0.1")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn a_source_that_is_not_on_this_machine_is_named() {
    let error = dial("127.0.0.1:9".parse().unwrap(), "203.0.113.9")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalAddr);
    assert_eq!(error.local(), Some("203.0.113.9".parse().unwrap()));
    assert!(error.to_string().ends_with("from 203.0.113.9"), "{error}");
}
