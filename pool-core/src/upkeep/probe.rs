//! A claimed connection as health checks see it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::BodyExt;
use pool_health::{
    HealthCheck, Probe, ProbeError, ProbeFacts, ProbeRequest, ProbeResponse, Unhealthy,
};
use tokio::time::timeout;

use crate::clock;
use crate::error::BoxError;
use crate::http::{Body, ExchangeTerms, HttpConn, PoolBody, exchange};
use crate::info::{ConnInfo, Protocol};
use crate::manager::Lease;
use crate::pool::{Env, finite};

/// Runs every check that applies, and then `extra`. The connection is claimed: nobody else uses it meanwhile.
pub(super) async fn check(
    env: &Env,
    lease: &Lease<HttpConn>,
    extra: Option<&Arc<dyn HealthCheck>>,
) -> Result<(), Unhealthy> {
    let mut probe = LeaseProbe::new(lease);
    let live = env.live();
    for check in live.health.iter().chain(extra) {
        match env.plugins.contain(|| check.applies(&probe.facts)) {
            Some(true) => {}
            Some(false) => continue,
            // Passed over, it would readmit the addresses that it has condemned.
            None => return Err(Unhealthy::new("the check panicked")),
        }
        let limit = live.config.upkeep.health_timeout;
        run(env, check.as_ref(), &mut probe, limit).await?;
    }
    Ok(())
}

/// One check, with its deadline; a panic in it is a bad verdict.
async fn run(
    env: &Env,
    check: &dyn HealthCheck,
    probe: &mut LeaseProbe<'_>,
    limit: Duration,
) -> Result<(), Unhealthy> {
    let verdict = {
        let Some(mut checking) = env.plugins.contain(|| check.check(probe)) else {
            return Err(Unhealthy::new("the check panicked"));
        };
        let contained = std::future::poll_fn(move |cx| {
            match env.plugins.contain(|| checking.as_mut().poll(cx)) {
                Some(poll) => poll,
                None => std::task::Poll::Ready(Err(Unhealthy::new("the check panicked"))),
            }
        });
        match finite(limit) {
            Some(limit) => timeout(limit, contained).await,
            None => Ok(contained.await),
        }
    };
    verdict.unwrap_or_else(|_| Err(Unhealthy::new("the check did not finish in time")))
}

struct LeaseProbe<'a> {
    lease: &'a Lease<HttpConn>,
    facts: ProbeFacts,
}

impl<'a> LeaseProbe<'a> {
    fn new(lease: &'a Lease<HttpConn>) -> Self {
        let now = clock::now();
        let conn = lease.conn().facts();
        let mut facts = ProbeFacts::new(lease.key().host());
        facts.target = Some(conn.target);
        facts.source = conn.source.map(|source| source.ip());
        facts.multiplexed = conn.protocol == Protocol::Http2;
        facts.age = now.saturating_duration_since(lease.created());
        facts.idle = now.saturating_duration_since(lease.last_used_before());
        let checked = lease.last_checked();
        let ends = lease.conn().certificate_ends();
        facts.certificate_left = ends.map(|ends| ends.saturating_duration_since(now));
        facts.checked = checked.map(|at| now.saturating_duration_since(at));
        Self { lease, facts }
    }

    /// Sends one request on the connection and reads at most `max_body` bytes of the answer.
    async fn exchange(&self, request: &ProbeRequest<'_>) -> Result<ProbeResponse, ProbeError> {
        let within = self.lease.within_check().ok_or_else(ProbeError::closed)?;
        let info = ConnInfo {
            id: self.lease.id(),
            facts: self.lease.conn().facts().clone(),
            reused: self.lease.uses_before() > 0,
            age: self.facts.age,
            wait: Duration::ZERO,
            attempts: 1,
        };
        let mut built = self.build(request).map_err(ProbeError::failed)?;
        let terms = ExchangeTerms::default();
        let response = exchange(within, &mut built, &terms, info).await;
        let response = response.map_err(|failed| ProbeError::failed(failed.error))?;
        let mut answer = ProbeResponse::new(response.status().as_u16());
        for (name, value) in response.headers() {
            answer
                .headers
                .push((name.as_str().to_owned(), value.as_bytes().to_vec()));
        }
        (answer.body, answer.cut) = read(response.into_body(), request.max_body).await?;
        Ok(answer)
    }

    fn build(&self, probe: &ProbeRequest<'_>) -> Result<Request<Body>, BoxError> {
        let uri = format!("{}{}", self.lease.key(), probe.path);
        let mut request = Request::builder().method(probe.method).uri(uri);
        for (name, value) in probe.headers {
            request = request.header(HeaderName::try_from(*name)?, HeaderValue::try_from(*value)?);
        }
        Ok(request.body(Body::empty())?)
    }
}

/// The body or its first `max` bytes, and whether there was more; the connection is cut with it where it must.
async fn read(mut body: PoolBody, max: usize) -> Result<(Vec<u8>, bool), ProbeError> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(ProbeError::failed)?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        let room = max - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok((read, true));
        }
    }
    Ok((read, false))
}

#[async_trait]
impl Probe for LeaseProbe<'_> {
    fn facts(&self) -> &ProbeFacts {
        &self.facts
    }

    fn is_open(&self) -> bool {
        self.lease.conn().is_open()
    }

    async fn ping(&mut self) -> Result<Duration, ProbeError> {
        if !self.facts.multiplexed {
            return Err(ProbeError::unsupported());
        }
        self.lease.conn().ping().await.map_err(ProbeError::failed)
    }

    async fn request(&mut self, request: &ProbeRequest<'_>) -> Result<ProbeResponse, ProbeError> {
        self.exchange(request).await
    }
}
