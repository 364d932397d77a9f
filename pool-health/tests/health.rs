//! What each health check asks, and what it makes of the answers.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use pool_health::{
    H2Ping, HealthCheck, HttpCheck, Liveness, NoCheck, Probe, ProbeError, ProbeFacts, ProbeRequest,
    ProbeResponse, StatusSet,
};

/// A peer that answers with one status and writes down what it was asked.
#[derive(Debug)]
struct Peer {
    facts: ProbeFacts,
    status: Option<u16>,
    asked: Vec<String>,
}

impl Peer {
    fn answering(status: u16) -> Self {
        Self {
            facts: ProbeFacts::new("example.com"),
            status: Some(status),
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
        self.status
            .map(ProbeResponse::new)
            .ok_or_else(ProbeError::closed)
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
