//! What each health check asks, and what it makes of the answers.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use pool_health::{
    CertificateExpiry, H2Ping, HealthCheck, HttpCheck, Liveness, NoCheck, Probe, ProbeError,
    ProbeFacts, ProbeRequest, ProbeResponse, StatusSet,
};

/// A peer that answers with one status and writes down what it was asked.
#[derive(Debug)]
struct Peer {
    facts: ProbeFacts,
    status: Option<u16>,
    headers: Vec<(String, Vec<u8>)>,
    body: &'static [u8],
    asked: Vec<String>,
}

impl Peer {
    fn answering(status: u16) -> Self {
        Self {
            facts: ProbeFacts::new("example.com"),
            status: Some(status),
            headers: Vec::new(),
            body: b"",
            asked: Vec::new(),
        }
    }

    fn closed() -> Self {
        Self {
            status: None,
            ..Self::answering(0)
        }
    }
}

#[async_trait]
impl Probe for Peer {
    fn facts(&self) -> &ProbeFacts {
        &self.facts
    }

    fn is_open(&self) -> bool {
        self.status.is_some()
    }

    async fn ping(&mut self) -> Result<Duration, ProbeError> {
        self.asked.push("ping".to_owned());
        self.status
            .map(|_| Duration::from_millis(1))
            .ok_or_else(ProbeError::timeout)
    }

    async fn request(&mut self, request: &ProbeRequest<'_>) -> Result<ProbeResponse, ProbeError> {
        let ProbeRequest {
            method,
            path,
            headers,
            max_body,
            ..
        } = *request;
        self.asked
            .push(format!("{method} {path} {headers:?} {max_body}"));
        let mut response = ProbeResponse::new(self.status.ok_or_else(ProbeError::closed)?);
        response.headers.clone_from(&self.headers);
        response.body = self.body[..self.body.len().min(max_body)].to_vec();
        response.cut = self.body.len() > max_body;
        Ok(response)
    }
}

fn multiplexed(multiplexed: bool) -> ProbeFacts {
    let mut facts = ProbeFacts::new("example.com");
    facts.multiplexed = multiplexed;
    facts
}

#[test]
fn no_check_applies_to_nothing() {
    assert!(!NoCheck.applies(&multiplexed(true)) && !NoCheck.applies(&multiplexed(false)));
}

#[tokio::test]
async fn liveness_looks_and_does_not_write() {
    let mut peer = Peer::answering(500);
    assert!(Liveness.check(&mut peer).await.is_ok());
    assert!(peer.asked.is_empty());
    let unhealthy = Liveness.check(&mut Peer::closed()).await.unwrap_err();
    assert_eq!(unhealthy.reason(), "closed");
}

#[tokio::test]
async fn a_ping_is_for_http2_and_finds_a_silent_peer() {
    assert!(H2Ping.applies(&multiplexed(true)) && !H2Ping.applies(&multiplexed(false)));
    let mut peer = Peer::answering(200);
    assert!(H2Ping.check(&mut peer).await.is_ok());
    assert_eq!(peer.asked, ["ping"]);
    let unhealthy = H2Ping.check(&mut Peer::closed()).await.unwrap_err();
    assert_eq!(unhealthy.reason(), "timeout");
    assert_eq!(unhealthy.source().unwrap().to_string(), "no answer in time");
}

#[tokio::test]
async fn an_http_check_sends_what_it_was_built_with() {
    let check = HttpCheck::new("/healthz?full=1")
        .method("HEAD")
        .header("x-probe", "pool")
        .max_body(10);
    let mut peer = Peer::answering(204);
    check.check(&mut peer).await.unwrap();
    assert_eq!(
        peer.asked,
        [r#"HEAD /healthz?full=1 [("x-probe", "pool")] 10"#]
    );
}

#[tokio::test]
async fn an_http_check_takes_200_to_399_unless_told_otherwise() {
    for (status, healthy) in [(200, true), (399, true), (403, false), (199, false)] {
        let verdict = HttpCheck::new("/")
            .check(&mut Peer::answering(status))
            .await;
        assert_eq!(verdict.is_ok(), healthy, "{status}");
    }
    let forbidden = HttpCheck::new("/").accept(StatusSet::range(403, 403));
    assert!(forbidden.check(&mut Peer::answering(403)).await.is_ok());
    let unhealthy = forbidden
        .check(&mut Peer::answering(200))
        .await
        .unwrap_err();
    assert_eq!(unhealthy.status(), Some(200));
    assert_eq!(unhealthy.to_string(), "unhealthy: status 200");
}

#[tokio::test]
async fn an_http_check_without_an_answer_is_unhealthy_without_a_status() {
    let unhealthy = HttpCheck::new("/")
        .check(&mut Peer::closed())
        .await
        .unwrap_err();
    assert_eq!((unhealthy.reason(), unhealthy.status()), ("closed", None));
}

#[test]
#[should_panic(expected = "a path that begins with")]
fn a_path_that_would_smuggle_a_header_is_refused() {
    let _ = HttpCheck::new("/ HTTP/1.1\r\nx: y");
}

#[test]
#[should_panic(expected = "without control characters")]
fn a_header_that_would_smuggle_another_is_refused() {
    let _ = HttpCheck::new("/").header("x", "y\r\nz: 1");
}

/// The reason, and the error underneath, with which a check refuses a page with this body and header.
async fn refusal(check: &HttpCheck) -> Option<(&'static str, String)> {
    let mut peer = Peer::answering(200);
    peer.headers = vec![
        ("server".to_owned(), b"gunicorn".to_vec()),
        ("server".to_owned(), b"nginx/1.29".to_vec()),
    ];
    peer.body = b"all is well";
    let unhealthy = check.check(&mut peer).await.err()?;
    let source = unhealthy.source().map(ToString::to_string);
    Some((unhealthy.reason(), source.unwrap_or_default()))
}

#[tokio::test]
async fn an_http_check_may_have_wishes_about_headers_and_body() {
    let check = || HttpCheck::new("/");
    for (check, healthy) in [
        (check().expect_header("Server", "nginx"), true),
        (check().expect_header("server", "gunicorn"), true),
        (check().expect_header("server", "apache"), false),
        (check().expect_header("via", ""), false),
        (
            check()
                .expect_header("server", "nginx")
                .expect_header("via", "x"),
            false,
        ),
        (check().min_body(11), true),
        (check().min_body(12), false),
        (check().max_body(5).min_body(6), false),
        (check().max_body(11).refuse_longer(), true),
        (check().max_body(10).refuse_longer(), false),
        (check().max_body(10), true),
        (check().body_contains("is well"), true),
        (check().body_contains("is ill"), false),
        (check().max_body(6).body_contains("is well"), false),
        // As another implementation says.
        (check().body_hash(0x0bf2_ed76_0671_3ae4), true),
        (check().body_hash(0), false),
    ] {
        let refused = refusal(&check).await;
        assert_eq!(refused.is_none(), healthy, "{check:?}: {refused:?}");
    }
    let (reason, why) = refusal(&check().body_hash(0)).await.unwrap();
    assert_eq!(reason, "body");
    assert_eq!(why, "its hash is 0bf2ed7606713ae4, not 0000000000000000");
    let (reason, why) = refusal(&check().expect_header("via", "1.1")).await.unwrap();
    assert_eq!(
        (reason, &why[..]),
        ("header", r#"no header "via" contains "1.1""#)
    );
}

#[tokio::test]
async fn a_certificate_is_too_old_at_exactly_its_time_and_nothing_is_sent() {
    let day = Duration::from_secs(24 * 3600);
    let check = CertificateExpiry::new(day);
    let mut peer = Peer::answering(500);
    assert!(!check.applies(peer.facts()), "nothing is known");
    for (left, healthy) in [
        (day + Duration::from_nanos(1), true),
        (day, false),
        (Duration::ZERO, false),
    ] {
        peer.facts.certificate_left = Some(left);
        assert!(check.applies(peer.facts()));
        let verdict = check.check(&mut peer).await;
        assert_eq!(verdict.is_ok(), healthy, "{left:?}");
        assert!(verdict.is_ok() || verdict.unwrap_err().reason() == "certificate");
    }
    assert!(peer.asked.is_empty());
}

#[tokio::test]
async fn both_checks_must_pass_and_one_that_does_not_apply_has_no_say() {
    let check = H2Ping.and(HttpCheck::new("/a")).and(HttpCheck::new("/b"));
    let mut peer = Peer::answering(200);
    assert!(check.applies(peer.facts()));
    check.check(&mut peer).await.unwrap();
    assert_eq!(peer.asked.len(), 2, "no PING on HTTP/1.1: {:?}", peer.asked);
    peer.facts.multiplexed = true;
    check.check(&mut peer).await.unwrap();
    assert_eq!(peer.asked.len(), 5);
    let mut ill = Peer::answering(503);
    assert_eq!(check.check(&mut ill).await.unwrap_err().status(), Some(503));
    assert_eq!(ill.asked.len(), 1, "the first answer was enough");
    assert!(!NoCheck.and(NoCheck).applies(peer.facts()));
}

#[tokio::test]
async fn either_check_may_pass() {
    let teapot = HttpCheck::new("/tea").accept(StatusSet::range(418, 418));
    let check = teapot.or(HttpCheck::new("/"));
    let mut peer = Peer::answering(200);
    check.check(&mut peer).await.unwrap();
    assert_eq!(peer.asked.len(), 2);
    let mut peer = Peer::answering(418);
    check.check(&mut peer).await.unwrap();
    assert_eq!(peer.asked.len(), 1);
    let mut peer = Peer::answering(503);
    assert_eq!(
        check.check(&mut peer).await.unwrap_err().status(),
        Some(503)
    );

    let either = H2Ping.or(Liveness);
    let mut peer = Peer::answering(200);
    either.check(&mut peer).await.unwrap();
    assert!(peer.asked.is_empty(), "what does not apply is not asked");
    assert!(H2Ping.or(NoCheck).check(&mut Peer::closed()).await.is_err());
}

#[test]
fn a_check_is_due_once_in_each_interval_of_a_connections_life() {
    let check = Liveness.every(Duration::from_secs(10));
    let due = |age: u64, ago: Option<u64>| {
        let mut facts = ProbeFacts::new("example.com");
        facts.age = Duration::from_secs(age);
        facts.checked = ago.map(Duration::from_secs);
        check.applies(&facts)
    };
    assert!(due(0, None) && due(5, None), "at the first look");
    assert!(!due(9, Some(1)) && due(10, Some(1)) && !due(11, Some(1)));
    assert!(due(19, Some(10)), "a look was missed");
    // Whatever the rhythm of the rounds, and however many other checks share them, once in ten seconds.
    for rhythm in 1..10 {
        let asked = (0..1_000).filter(|round| due((round + 1) * rhythm, Some(rhythm)));
        assert_eq!(asked.count() as u64, 1_000 * rhythm / 10, "{rhythm}");
    }
    let mut facts = ProbeFacts::new("example.com");
    facts.checked = Some(Duration::ZERO);
    assert!(Liveness.every(Duration::ZERO).applies(&facts), "each time");
}

#[test]
fn a_check_may_leave_alone_what_was_used_lately() {
    let check = Liveness.after_idle(Duration::from_secs(5));
    let mut facts = ProbeFacts::new("example.com");
    facts.idle = Duration::from_secs(5) - Duration::from_nanos(1);
    assert!(!check.applies(&facts));
    facts.idle = Duration::from_secs(5);
    assert!(check.applies(&facts));
    assert!(!check.every(Duration::from_secs(9)).applies(&{
        facts.checked = Some(Duration::ZERO);
        facts
    }));
}
