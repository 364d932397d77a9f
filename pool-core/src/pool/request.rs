//! One request: its key, its tries, its outcome.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Request, Response, Uri};
use pool_health::Outcome;
use tracing::debug;

use super::acquire::{Acquired, Earlier, acquire as acquire_conn};
use super::fresh::{Fresh, acquire_fresh};
use super::last_use::LastUse;
use super::origin::{bad, host_of, origin_of};
use super::{Inner, RequestOptions, finite};
use crate::clock;
use crate::error::{Error, ErrorKind};
use crate::http::{
    Body, Evidence, ExchangeError, ExchangeTerms, HttpConn, PoolBody, RetryLimits, RetryVerdict,
};
use crate::http::{exchange, retry_verdict};
use crate::info::ConnInfo;
use crate::key::{Key, Protocols};
use crate::manager::{CloseReason, ConnRef, HostHandle, Seen};
use crate::observe::Event;

/// Sends the request, as often as the retry rules allow.
pub(super) async fn send(
    inner: &Arc<Inner>,
    mut request: Request<Body>,
) -> Result<Response<PoolBody>, Error> {
    let options = request
        .extensions_mut()
        .remove::<RequestOptions>()
        .unwrap_or_default();
    let host = host_of(inner, request.uri(), &options)?;
    inner.env.retries.deposit();
    let mut tries = Tries {
        inner,
        host,
        options,
        earlier: Earlier::NONE,
        resent: false,
        wants: Wants::Any,
    };
    loop {
        let acquired = tries.acquire().await?;
        match tries.exchange(acquired, &mut request).await {
            Ok(response) => return Ok(response),
            Err(failed) => match tries.again(*failed)? {
                Next::Answer(response) => return Ok(*response),
                Next::Again(delay) if delay.is_zero() => {}
                Next::Again(delay) => tokio::time::sleep(delay).await,
            },
        }
    }
}

/// Waits for one connection to the URL's origin.
pub(super) async fn acquire(
    inner: &Arc<Inner>,
    url: &str,
    options: &RequestOptions,
) -> Result<PooledLease, Error> {
    let uri: Uri = url
        .parse()
        .map_err(|error: http::uri::InvalidUri| bad(url, error))?;
    let host = host_of(inner, &uri, options)?;
    let mut acquired = acquire_conn(inner, &host, options, Earlier::NONE).await?;
    // There is no telling when it will be used.
    acquired.looked_at = false;
    Ok(PooledLease {
        inner: inner.clone(),
        key: host.key().clone(),
        acquired,
    })
}

/// The tries of one request. Its host may have been forgotten meanwhile, or its origin want another.
struct Tries<'a> {
    inner: &'a Arc<Inner>,
    host: HostHandle<HttpConn>,
    options: RequestOptions,
    earlier: Earlier,
    /// Whether it was sent once more although the peer may have processed it.
    resent: bool,
    wants: Wants,
}

/// Which connections will do for the next try.
#[derive(Clone, Copy)]
enum Wants {
    Any,
    /// A peer said 421 on one: no connection that was open then.
    Fresh(Fresh),
}

/// A failed try, with what the retry rules go by.
struct FailedTry {
    error: ExchangeError,
    method: http::Method,
    fresh: bool,
    host: HostHandle<HttpConn>,
    conn: ConnRef,
}

/// What comes after a failed try.
enum Next {
    /// The response after all.
    Answer(Box<Response<PoolBody>>),
    /// The request once more, after a delay.
    Again(Duration),
}

impl Tries<'_> {
    async fn acquire(&mut self) -> Result<Acquired, Error> {
        let (inner, host, options, earlier) = (self.inner, &self.host, &self.options, self.earlier);
        let acquired = match self.wants {
            Wants::Any => acquire_conn(inner, host, options, earlier).await,
            // Rare, and large: on the heap, so that every other request is smaller.
            Wants::Fresh(fresh) => {
                Box::pin(acquire_fresh(inner, host, options, earlier, fresh)).await
            }
        };
        let acquired = acquired.map_err(|error| error.with_attempts(self.earlier.attempts))?;
        self.earlier = Earlier {
            attempts: acquired.info.attempts,
            waited: acquired.info.wait,
            avoid: Some(acquired.lease.target()),
        };
        Ok(acquired)
    }

    async fn exchange(
        &self,
        acquired: Acquired,
        request: &mut Request<Body>,
    ) -> Result<Response<PoolBody>, Box<FailedTry>> {
        let method = request.method().clone();
        let (fresh, host, target, conn) = (
            acquired.fresh,
            acquired.lease.host(),
            acquired.lease.target(),
            acquired.lease.conn_ref(),
        );
        let outcome = exchange_once(self.inner, &self.options, acquired, request).await;
        outcome.map_err(|error| {
            Box::new(FailedTry {
                error,
                method,
                // One address that greets and hangs up says nothing about the others.
                fresh: fresh && !host.has_another_address(target),
                host,
                conn,
            })
        })
    }

    /// The request to send again and after which delay, or the response or the error to give up with.
    fn again(&mut self, failed: FailedTry) -> Result<Next, Error> {
        let FailedTry {
            error:
                ExchangeError {
                    mut evidence,
                    resendable,
                    error,
                    answer,
                },
            method,
            fresh,
            host,
            conn,
        } = failed;
        if let Evidence::Misdirected { again } = &mut evidence {
            *again = matches!(self.wants, Wants::Fresh(_));
        }
        let error = error
            .with_host(self.host.key().to_string())
            .with_attempts(self.earlier.attempts);
        let env = &self.inner.env;
        // What a connection dies of on this side says nothing about the peer.
        let fresh = fresh && error.kind() != ErrorKind::LocalAddr;
        let limits = if self.options.no_retry {
            RetryLimits::ONCE
        } else {
            RetryLimits {
                max_attempts: env.live().config.retry.max_attempts,
                ..RetryLimits::default()
            }
        };
        // Another try would be told the same.
        let only_http2 = self.host.key().allowed_protocols() == Protocols::Http2;
        if evidence == Evidence::Http1Required && only_http2 {
            return Err(error.with_detail("the request allows HTTP/2 only"));
        }
        let verdict = retry_verdict(
            &evidence,
            &method,
            resendable,
            self.earlier.attempts,
            self.resent,
            fresh,
            &limits,
        );
        match verdict {
            RetryVerdict::Retry { delay }
                if !evidence.costs_the_peer() || env.retries.try_withdraw() =>
            {
                debug!(key = %self.host.key(), ?evidence, attempts = self.earlier.attempts, "request sent again");
                env.plugins.tell(&Event::Retried {
                    key: self.host.key(),
                    kind: error.kind(),
                    attempts: self.earlier.attempts,
                });
                self.resent |= evidence == Evidence::SentNoReply;
                if matches!(evidence, Evidence::Misdirected { .. }) {
                    // Not used again by others either: it would tell them the same.
                    host.drain(conn, CloseReason::Misdirected);
                    self.wants = Wants::Fresh(Fresh {
                        since: clock::now(),
                        target: error
                            .target()
                            .expect("the peer at this address has answered"),
                    });
                }
                Ok(Next::Again(delay))
            }
            RetryVerdict::MaybeProcessed => Err(maybe_processed(error)),
            // Out of budget: what is known about the peer's part still has to be said.
            RetryVerdict::Retry { .. } if evidence == Evidence::SentNoReply => {
                Err(maybe_processed(error))
            }
            RetryVerdict::Retry { .. } | RetryVerdict::Fail => match answer {
                Some(answer) => Ok(Next::Answer(answer)),
                None => Err(error),
            },
        }
    }
}

fn maybe_processed(error: Error) -> Error {
    error.into_kind(ErrorKind::MaybeProcessed)
}

/// For how long the response asks to be left alone.
fn retry_after(response: &Response<PoolBody>) -> Option<Duration> {
    let asked = response.headers().get(http::header::RETRY_AFTER)?;
    pool_health::parse_retry_after(asked.to_str().ok()?, SystemTime::now())
}

/// One try, with its outcome counted against the address.
async fn exchange_once(
    inner: &Arc<Inner>,
    options: &RequestOptions,
    acquired: Acquired,
    request: &mut Request<Body>,
) -> Result<Response<PoolBody>, ExchangeError> {
    let env = &inner.env;
    let Acquired {
        lease,
        info,
        looked_at,
        ..
    } = acquired;
    let host = lease.host();
    let (target, conn) = (lease.target(), lease.conn_ref());
    let live = env.live();
    let configured = &live.config.timeouts;
    let terms = ExchangeTerms {
        response_head: finite(
            options
                .response_head_timeout
                .unwrap_or(configured.response_head),
        ),
        body_idle: finite(options.body_idle_timeout.unwrap_or(configured.body_idle)),
        looked_at,
    };
    let gauge = inner.manager.selects().then(|| host.endpoints());
    let judged = !live.outlier.is_empty();
    let began = (judged || gauge.is_some()).then(clock::now);
    let last = LastUse::of(&lease, &host).map(|last| last.announce(request));
    let mut result = exchange(lease, request, &terms, info).await;
    if let Some(last) = last {
        last.take_back(request);
    }
    let took = began.map(|began| {
        let now = clock::now();
        (now.saturating_duration_since(began), now)
    });
    if let Some((latency, now)) = took
        && let Some(gauge) = gauge.as_ref().and_then(|endpoints| endpoints.gauge(target))
    {
        gauge.note_latency(latency, now);
    }
    if live.config.conn_info {
        let answer = match &mut result {
            Ok(response) => Some(response),
            Err(failed) => failed.answer.as_deref_mut(),
        };
        if let Some(response) = answer {
            let info = response.body().conn_info().clone();
            response.extensions_mut().insert(info);
        }
    }
    match &result {
        Ok(response) => {
            let seen = Seen {
                outcome: Outcome::Status(response.status().as_u16()),
                latency: took.map(|(latency, _)| latency),
                retry_after: judged.then(|| retry_after(response)).flatten(),
            };
            host.note(env, target, seen);
        }
        Err(failed) => match failed.evidence {
            Evidence::SentNoReply | Evidence::ReplyStarted => {
                host.note(env, target, Outcome::Reset)
            }
            Evidence::Deadline => host.note(env, target, Outcome::TimedOut),
            Evidence::Misdirected { .. } => host.note(env, target, Outcome::Status(421)),
            Evidence::CalmAsked { .. } => host.leave_alone(env, target),
            // Where the key allows nothing else there is nothing to learn.
            Evidence::Http1Required if host.key().allowed_protocols() == Protocols::Auto => {
                host.require_http1();
                host.drain(conn, CloseReason::Http1Required);
            }
            // No word about the address: it closed an idle connection, or said which requests it left out.
            Evidence::NotSent
            | Evidence::Refused
            | Evidence::GoAwayUnprocessed { .. }
            | Evidence::Http1Required
            | Evidence::RequestFailed => {}
        },
    }
    result
}

/// A claimed connection, for one request.
///
/// Dropping it unused gives the connection to the next waiter.
#[derive(Debug)]
#[must_use = "dropping it gives the connection back"]
#[doc(alias("UTLSConnection", "PutConnection", "ReleaseConnection"))]
pub struct PooledLease {
    inner: Arc<Inner>,
    key: Key,
    acquired: Acquired,
}

impl PooledLease {
    /// Which connection this is.
    pub fn conn_info(&self) -> &ConnInfo {
        &self.acquired.info
    }

    /// Sends one request on this connection, once: nothing is tried again.
    ///
    /// The request's URI may be absolute, of this lease's origin, or only a path. Of its [`RequestOptions`] only the
    /// timeouts of the exchange matter: the connection has been chosen.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Request`] for a URI of another origin; else as [`Pool::request`](crate::Pool::request).
    ///
    /// # Cancel safety
    ///
    /// As [`Pool::request`](crate::Pool::request).
    pub async fn send<B: Into<Body>>(
        self,
        request: Request<B>,
    ) -> Result<Response<PoolBody>, Error> {
        let mut request = request.map(Into::into);
        let options = request
            .extensions_mut()
            .remove::<RequestOptions>()
            .unwrap_or_default();
        let uri = request.uri();
        if uri.scheme().is_none() && uri.host().is_none() {
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            if !path.starts_with('/') {
                return Err(bad(uri, "a path begins with a slash"));
            }
            let absolute = format!("{}{path}", self.key);
            *request.uri_mut() = absolute
                .parse()
                .map_err(|error: http::uri::InvalidUri| bad(&absolute, error))?;
        } else if !self.is_for(uri)? {
            return Err(bad(uri, format!("this connection is for {}", self.key)));
        }
        self.inner.env.retries.deposit();
        let method = request.method().clone();
        let outcome = Box::pin(exchange_once(
            &self.inner,
            &options,
            self.acquired,
            &mut request,
        ))
        .await;
        outcome.or_else(|failed| {
            if let Some(answer) = failed.answer {
                return Ok(*answer);
            }
            let error = failed
                .error
                .with_host(self.key.to_string())
                .with_attempts(1);
            match retry_verdict(
                &failed.evidence,
                &method,
                false,
                1,
                false,
                false,
                &RetryLimits::ONCE,
            ) {
                RetryVerdict::MaybeProcessed => Err(maybe_processed(error)),
                RetryVerdict::Retry { .. } | RetryVerdict::Fail => Err(error),
            }
        })
    }

    /// Whether the URI names this lease's origin. Not whether it has the same key: a fingerprint source may choose
    /// another profile for every request.
    fn is_for(&self, uri: &Uri) -> Result<bool, Error> {
        let (scheme, host, port) = origin_of(uri)?;
        let named = Key::new(scheme, host, port);
        let key = &self.key;
        Ok((key.scheme(), key.host(), key.port()) == (scheme, named.host(), port))
    }
}
