//! What every pool relies on in a health check.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use super::assert_named;
use crate::{HealthCheck, Probe, ProbeError, ProbeFacts, ProbeRequest, ProbeResponse, Unhealthy};

/// Checks that a health check keeps its promises.
///
/// Works on any executor, and on none: it needs nothing but to be polled.
///
/// # Panics
///
/// If its name is empty, changes, or is no lower-case word; if [`applies`](HealthCheck::applies) answers differently for the same facts;
/// if the check panics, does not finish although the probe answers each time, or calls a closed connection healthy.
pub async fn health_check(check: &dyn HealthCheck) {
    let name = assert_named("health check", || check.name());
    let who = format!("health check {name:?}");
    let known = [None, Some(Duration::ZERO), Some(Duration::MAX)];
    for (at, multiplexed) in [false, true].into_iter().cycle().take(6).enumerate() {
        let mut facts = ProbeFacts::new("example.com");
        facts.multiplexed = multiplexed;
        facts.age = Duration::MAX;
        facts.idle = Duration::MAX;
        facts.certificate_left = known[at / 2];
        facts.checked = known[at / 2];
        let applies = check.applies(&facts);
        assert!(
            (0..100).all(|_| check.applies(&facts) == applies),
            "{who} changes its mind about whether it applies to {facts:?}"
        );
        if !applies {
            continue;
        }
        for script in SCRIPTS {
            let mut probe = Scripted {
                facts: facts.clone(),
                script,
            };
            let verdict = finish(&who, check, &mut probe).await;
            assert!(
                script != Script::Closed || verdict.is_err(),
                "{who} calls a closed connection healthy, though nothing it asked was answered"
            );
        }
        let mut probe = Scripted {
            facts,
            script: Script::Silent,
        };
        give_up(&who, check, &mut probe).await;
    }
}

/// How a peer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    /// Answers with this status, and a PING.
    Answers(u16),
    /// Has closed.
    Closed,
    /// Every question fails for want of time.
    TimesOut,
    /// Understands no question.
    Unsupported,
    /// Breaks at every question.
    Fails,
    /// Never answers, and nothing ends the wait.
    Silent,
}

const SCRIPTS: [Script; 7] = [
    Script::Answers(200),
    Script::Answers(503),
    Script::Answers(0),
    Script::Closed,
    Script::TimesOut,
    Script::Unsupported,
    Script::Fails,
];

#[derive(Debug)]
struct Scripted {
    facts: ProbeFacts,
    script: Script,
}

impl Scripted {
    async fn status(&self) -> Result<u16, ProbeError> {
        // Pending once per question: a check that asks for ever is then polled for ever, which can be counted.
        let mut asked = false;
        let silent = self.script == Script::Silent;
        poll_fn(|cx| {
            if asked && !silent {
                return Poll::Ready(());
            }
            asked = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        match self.script {
            Script::Answers(status) => Ok(status),
            Script::Closed => Err(ProbeError::closed()),
            Script::TimesOut => Err(ProbeError::timeout()),
            Script::Unsupported => Err(ProbeError::unsupported()),
            Script::Fails | Script::Silent => Err(ProbeError::failed("scripted")),
        }
    }
}

#[async_trait]
impl Probe for Scripted {
    fn facts(&self) -> &ProbeFacts {
        &self.facts
    }

    fn is_open(&self) -> bool {
        self.script != Script::Closed
    }

    async fn ping(&mut self) -> Result<Duration, ProbeError> {
        self.status().await?;
        Ok(Duration::from_millis(1))
    }

    async fn request(&mut self, request: &ProbeRequest<'_>) -> Result<ProbeResponse, ProbeError> {
        let mut response = ProbeResponse::new(self.status().await?);
        response.body = vec![b'x'; request.max_body.min(1_000)];
        Ok(response)
    }
}

/// Runs the check to its end.
async fn finish(who: &str, check: &dyn HealthCheck, probe: &mut Scripted) -> Result<(), Unhealthy> {
    let script = probe.script;
    let mut future = check.check(probe);
    let mut polls = 0;
    poll_fn(|cx| {
        let poll = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
            .unwrap_or_else(|_| panic!("{who} panics on a peer that does this: {script:?}"));
        if poll.is_pending() {
            polls += 1;
            assert!(
                polls < MAX_POLLS,
                "{who} has not finished after {polls} polls, with a peer that does this: {script:?}"
            );
            // The check may be waiting for something that never wakes it: that must be found, not waited for.
            cx.waker().wake_by_ref();
        }
        poll
    })
    .await
}

/// Begins the check on a peer that never answers, and drops it, as the pool does when time is up.
async fn give_up(who: &str, check: &dyn HealthCheck, probe: &mut Scripted) {
    let mut future = check.check(probe);
    let dropped = catch_unwind(AssertUnwindSafe(|| {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..3 {
            if future.as_mut().poll(&mut cx).is_ready() {
                break;
            }
        }
        drop(future);
    }));
    assert!(dropped.is_ok(), "{who} panics when it is given up");
}

const MAX_POLLS: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::future::pending;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::{CertificateExpiry, H2Ping, HttpCheck, Liveness, NoCheck};

    #[tokio::test]
    async fn every_built_in_check_conforms() {
        health_check(&NoCheck).await;
        health_check(&Liveness).await;
        health_check(&H2Ping).await;
        health_check(&HttpCheck::new("/")).await;
        let picky = HttpCheck::new("/").expect_header("a", "b").body_hash(1);
        health_check(&picky.min_body(1).body_contains("c").refuse_longer()).await;
        health_check(&CertificateExpiry::new(Duration::ZERO)).await;
        health_check(&CertificateExpiry::new(Duration::MAX)).await;
        health_check(&H2Ping.and(Liveness)).await;
        health_check(&H2Ping.or(HttpCheck::new("/"))).await;
        let second = Duration::from_secs(1);
        health_check(&Liveness.every(second).after_idle(second)).await;
    }

    #[derive(Debug, Clone, Copy)]
    enum Lie {
        NeverEnds,
        AsksForEver,
        CallsTheDeadHealthy,
        Panics,
        PanicsWhenDropped,
        ChangesItsMind,
    }

    struct Liar(Lie, AtomicBool);

    impl fmt::Debug for Liar {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }

    struct Bomb {
        armed: bool,
    }

    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.armed, "dropped before the answer");
        }
    }

    #[async_trait]
    impl HealthCheck for Liar {
        fn name(&self) -> &'static str {
            "liar"
        }

        fn applies(&self, _: &ProbeFacts) -> bool {
            match self.0 {
                Lie::ChangesItsMind => self.1.fetch_not(Ordering::Relaxed),
                _ => true,
            }
        }

        async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
            match self.0 {
                Lie::NeverEnds => pending().await,
                Lie::AsksForEver => {
                    while probe.request(&ProbeRequest::new("GET", "/")).await.is_err() {}
                }
                Lie::CallsTheDeadHealthy => {
                    let _status = probe.request(&ProbeRequest::new("GET", "/")).await;
                }
                Lie::Panics => {
                    let response = probe.request(&ProbeRequest::new("GET", "/")).await?;
                    assert!(response.status >= 100, "a status has three digits");
                }
                Lie::PanicsWhenDropped => {
                    let mut bomb = Bomb { armed: true };
                    let answer = probe.ping().await;
                    bomb.armed = false;
                    answer?;
                }
                Lie::ChangesItsMind => {}
            }
            Ok(())
        }
    }

    async fn ask(lie: Lie) {
        health_check(&Liar(lie, AtomicBool::new(false))).await;
    }

    #[tokio::test]
    #[should_panic(expected = "has not finished")]
    async fn a_check_that_never_ends_is_found() {
        ask(Lie::NeverEnds).await;
    }

    #[tokio::test]
    #[should_panic(expected = "has not finished")]
    async fn a_check_that_asks_for_ever_is_found() {
        ask(Lie::AsksForEver).await;
    }

    #[tokio::test]
    #[should_panic(expected = "calls a closed connection healthy")]
    async fn a_check_that_calls_the_dead_healthy_is_found() {
        ask(Lie::CallsTheDeadHealthy).await;
    }

    #[tokio::test]
    #[should_panic(expected = "panics on a peer")]
    async fn a_check_that_panics_on_an_odd_answer_is_found() {
        ask(Lie::Panics).await;
    }

    #[tokio::test]
    #[should_panic(expected = "panics when it is given up")]
    async fn a_check_that_panics_when_time_is_up_is_found() {
        ask(Lie::PanicsWhenDropped).await;
    }

    #[tokio::test]
    #[should_panic(expected = "changes its mind")]
    async fn a_check_that_changes_its_mind_is_found() {
        ask(Lie::ChangesItsMind).await;
    }
}
