//! The tasks behind the manager: lookups, dials, timers. The pool owns them, not the request that caused them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pool_health::Outcome;
use pool_localip::Retired;
use tokio::time::timeout;
use tracing::{Instrument, debug, debug_span};

use super::env::Env;
use super::sources::{self, Departure, Freed};
use crate::clock;
use crate::dial::{self, DialRequest, Opened};
use crate::error::{Error, ErrorKind, Phase};
use crate::http::{ConnEvents, Driver as HttpDriver, HttpConn};
use crate::info::{ConnId, Protocol};
use crate::key::Key;
use crate::manager::{
    CloseReason, Closing, ConnPermit, Driver, Ejection, Entry, HostHandle, Lease, Registered, Seen,
    Ticket,
};
use crate::observe::Event;
use crate::upkeep::follow;

/// Carries out what the manager asks for, on the pool's runtime.
#[derive(Debug)]
pub(crate) struct Dialler {
    pub(crate) env: Arc<Env>,
}

impl Driver<HttpConn> for Dialler {
    fn resolve(&self, host: HostHandle<HttpConn>) {
        let lookup = Lookup { host: Some(host) };
        self.env
            .spawn_until_closed(look_up(self.env.clone(), lookup));
    }

    fn dial(&self, ticket: Ticket<HttpConn>) {
        let span = debug_span!("dial", key = %ticket.host().key(), peer.addr = %ticket.target());
        let env = self.env.clone();
        self.env.spawn_until_closed(
            async move {
                let Some((host, target)) = dial_and_drive(&env, ticket).await else {
                    return;
                };
                host.note(&env, target, Outcome::ConnectFailed);
            }
            .instrument(span),
        );
    }

    fn close(&self, entry: &Entry<HttpConn>, reason: CloseReason) -> Closing {
        entry.value().close(reason);
        Closing::Later
    }

    fn wake_at(&self, host: HostHandle<HttpConn>, at: Instant) {
        let alarm = Alarm { host: Some(host) };
        self.env.spawn_until_closed(alarm.ring(at));
    }

    fn permit_returned(&self) {
        self.env.less_is_open.notify_waiters();
    }

    fn quarantined(&self, host: HostHandle<HttpConn>, offender: ConnId, duration: Duration) {
        let (key, id) = (host.key(), offender);
        debug!(%key, %id, ?duration, "HTTP/1.1 connections are not reused");
        self.env
            .plugins
            .tell(&Event::Quarantined { key, id, duration });
    }
}

/// A timer that waiters depend on; dropped before its time, it says that its runtime is gone.
struct Alarm {
    host: Option<HostHandle<HttpConn>>,
}

impl Alarm {
    async fn ring(mut self, at: Instant) {
        tokio::time::sleep_until(at.into()).await;
        if let Some(host) = self.host.take() {
            host.tick();
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(host) = self.host.take() {
            let error = Error::new(ErrorKind::RuntimeGone).with_host(host.key().to_string());
            host.give_up(error);
        }
    }
}

/// A lookup under way; dropped unanswered, it says that its runtime is gone.
struct Lookup {
    host: Option<HostHandle<HttpConn>>,
}

impl Drop for Lookup {
    fn drop(&mut self) {
        if let Some(host) = self.host.take() {
            let error = Error::new(ErrorKind::RuntimeGone).with_host(host.key().to_string());
            host.lookup_failed(error);
        }
    }
}

async fn look_up(env: Arc<Env>, mut lookup: Lookup) {
    let Some(key) = lookup.host.as_ref().map(|host| host.key().clone()) else {
        return;
    };
    let answer = env.plugins.resolve(&key, &env.live()).await;
    let Some(host) = lookup.host.take() else {
        return;
    };
    match answer {
        Ok(found) => {
            host.set_addresses(&found.addrs);
            follow(&env, &host, found.end);
        }
        Err(error) => {
            debug!(%error, "lookup failed");
            host.lookup_failed(error);
        }
    }
}

/// Opens the connection the ticket asks for and lets it serve. Returns the address to blame if that failed.
async fn dial_and_drive(
    env: &Arc<Env>,
    ticket: Ticket<HttpConn>,
) -> Option<(HostHandle<HttpConn>, SocketAddr)> {
    let (host, target) = (ticket.host(), ticket.target());
    match open(env, ticket).await {
        Ok(fresh) => {
            fresh.serve(env);
            None
        }
        Err(failed) => failed.end().then_some((host, target)),
    }
}

/// A negotiated connection that the manager has not heard of yet.
pub(crate) struct Fresh {
    ticket: Ticket<HttpConn>,
    conn: HttpConn,
    driver: HttpDriver,
    /// Exchanges at a time; `None` while an HTTP/2 peer has not said.
    limit: Option<usize>,
    times: dial::DialTimes,
    departure: Departure,
}

/// A dial that failed, still to be reported.
pub(crate) struct FailedDial {
    ticket: Ticket<HttpConn>,
    pub(crate) error: Error,
}

impl FailedDial {
    /// Reports it. Returns whether the remote address had a part in the failure.
    pub(crate) fn end(self) -> bool {
        if self.error.kind() == ErrorKind::Denied {
            self.ticket.deny(self.error);
            return false;
        }
        let blames_target = dial::blames_target(&self.error);
        if blames_target {
            self.ticket.fail(self.error);
        } else if self.ticket.spreads() {
            // Nothing was lost, and who waits by now may try again at once.
            self.ticket.abandon();
        } else {
            self.ticket.fail_locally(self.error);
        }
        blames_target
    }
}

impl Fresh {
    /// Hands it to the manager, for whoever waits.
    pub(crate) fn serve(self, env: &Arc<Env>) {
        let multiplexed = self.conn.protocol() == Protocol::Http2;
        let registered = match self.limit {
            Some(limit) => self.ticket.succeed(self.conn, limit, multiplexed),
            None => self.ticket.succeed_untold(self.conn),
        };
        if let Some(registered) = registered {
            drive(env, registered, self.driver, self.times, self.departure);
        }
    }

    /// Waits for an HTTP/2 peer's word on how many exchanges it takes: nobody is in a hurry for this connection.
    pub(crate) async fn greeted(mut self, env: &Env) -> Result<Self, FailedDial> {
        let timeouts = env.live().config.timeouts.clone();
        let greeting = timeout(timeouts.handshake, self.driver.greet());
        let late = |_| Err(Error::new(ErrorKind::Timeout(Phase::Handshake)));
        match greeting.await.unwrap_or_else(late) {
            Ok(limit) => {
                self.limit = Some(limit);
                Ok(self)
            }
            Err(error) => {
                let error = error
                    .with_host(self.ticket.host().key().to_string())
                    .with_target(self.ticket.target());
                Err(FailedDial {
                    ticket: self.ticket,
                    error,
                })
            }
        }
    }

    /// Hands it to the manager, claimed for a check.
    pub(crate) fn serve_claimed(self, env: &Arc<Env>) -> Option<Lease<HttpConn>> {
        let multiplexed = self.conn.protocol() == Protocol::Http2;
        let limit = self.limit.unwrap_or(1);
        let (registered, lease) = self.ticket.succeed_claimed(self.conn, limit, multiplexed)?;
        drive(env, registered, self.driver, self.times, self.departure);
        Some(lease)
    }
}

fn drive(
    env: &Arc<Env>,
    registered: Registered<HttpConn>,
    driver: HttpDriver,
    times: dial::DialTimes,
    departure: Departure,
) {
    let facts = registered.entry.value().facts().clone();
    env.connect_time.record(times.connect);
    if let Some(handshake) = times.handshake {
        env.handshake_time.record(handshake);
    }
    env.plugins.tell(&Event::Opened {
        key: registered.host.key(),
        id: registered.entry.id(),
        facts: &facts,
        connect: times.connect,
        handshake: times.handshake,
    });
    debug!(id = %registered.entry.id(), local.addr = ?facts.source, protocol = %facts.protocol, "connection opened");
    if let Some(why) = facts.leased.and_then(|addr| departure.retired(addr)) {
        registered.drain(CloseReason::SourceGone);
        if why == Retired::Gone {
            sources::cut_after_grace(env, vec![registered.entry.clone()]);
        }
    }
    drop(departure);
    let events = Events {
        env: env.clone(),
        registered,
    };
    let needs_a_task = driver.needs_a_task();
    let running = driver.run(Arc::new(events));
    // Without a runtime it is dropped here, closes the socket and says so.
    if needs_a_task {
        env.spawn(running);
    } else {
        env.watch(running);
    }
}

/// Opens a connection that nobody waits for, up to the peer's word on how many exchanges it takes.
pub(crate) async fn open_greeted(
    env: &Arc<Env>,
    ticket: Ticket<HttpConn>,
) -> Result<Fresh, FailedDial> {
    open(env, ticket).await?.greeted(env).await
}

/// Opens the connection the ticket asks for, up to its HTTP handshake.
async fn open(env: &Arc<Env>, mut ticket: Ticket<HttpConn>) -> Result<Fresh, FailedDial> {
    let host = ticket.host();
    let key = host.key().clone();
    let departure = env.retirements.depart();
    let outcome = async {
        let opened = open_from_any_source(env, &mut ticket, &key).await?;
        let runtime = env
            .runtime()
            .ok_or_else(|| Error::new(ErrorKind::RuntimeGone))?;
        let facts = Arc::new(opened.facts);
        let settings = env.http_settings(&key);
        let began = HttpConn::handshake(
            opened.io,
            facts.protocol,
            &settings,
            facts.clone(),
            &runtime,
        );
        let (conn, driver) = began.await?;
        // HTTP/1.1 takes one without a word; an HTTP/2 peer's word comes with its SETTINGS, and the first request need
        // not wait for them.
        let limit = match facts.protocol {
            Protocol::Http1 => Some(1),
            Protocol::Http2 => None,
        };
        Ok::<_, Error>((conn, driver, limit, opened.times))
    }
    .await;
    match outcome {
        Ok((conn, driver, limit, times)) => Ok(Fresh {
            ticket,
            conn,
            driver,
            limit,
            times,
            departure,
        }),
        Err(error) => {
            debug!(%error, "dial failed");
            env.plugins.tell(&Event::DialFailed {
                key: &key,
                target: ticket.target(),
                source: error.local(),
                error: &error,
            });
            Err(FailedDial { ticket, error })
        }
    }
}

/// Connects, from the next local address if one fails for a reason of its own.
async fn open_from_any_source(
    env: &Arc<Env>,
    ticket: &mut Ticket<HttpConn>,
    key: &Key,
) -> Result<Opened, Error> {
    // Shared by the tries: the one that succeeds takes it along.
    let permit = ticket.take_permit().map(Arc::new);
    let mut failed: Vec<IpAddr> = Vec::new();
    let mut last = None;
    loop {
        let lease = match sources::lease(env, ticket, &failed).await {
            Ok(lease) => lease,
            // That no other is left says less than why the ones before did not do.
            Err(none_left) => return Err(last.unwrap_or(none_left)),
        };
        let leased = lease.addr();
        let guard = Guard {
            _permit: permit.clone(),
            freed: Freed(env.source_freed.clone()),
        };
        let live = env.live();
        let (timeouts, sizes) = (&live.config.timeouts, &live.config.dial);
        let request = DialRequest {
            key,
            target: ticket.target(),
            connect: env.plugins.connect.as_ref(),
            tls: env.plugins.tls.as_ref(),
            plan: env.plugins.profiles.plan_for(key.profile_id()),
            buffers: (sizes.send_buffer, sizes.receive_buffer),
            connect_timeout: timeouts.connect,
            handshake_timeout: timeouts.handshake,
            sources: &env.source_book,
            connected: &|| ticket.connected(),
        };
        let error = match env.open(request, lease, guard).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        let has_choice =
            sources::only_source(ticket).is_none() && failed.len() + 1 < sources::MAX_TRIES;
        match leased {
            Some(addr) if has_choice && dial::blames_source(&error) => {
                debug!(%error, local.addr = %addr, "another local address is tried");
                failed.push(addr);
                last = Some(error);
                // The system has looked through all ports of the address, on this thread: others go first now.
                tokio::task::yield_now().await;
            }
            _ => return Err(error),
        }
    }
}

/// Rides below TLS with the socket and is dropped after it: the permit, then the news that a source is free.
struct Guard {
    _permit: Option<Arc<ConnPermit<HttpConn>>>,
    freed: Freed,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("freed", &self.freed.0)
            .finish_non_exhaustive()
    }
}

/// Passes on what a connection's driver sees.
struct Events {
    env: Arc<Env>,
    registered: Registered<HttpConn>,
}

impl ConnEvents for Events {
    fn stream_limit(&self, limit: usize) {
        self.registered.set_stream_limit(limit);
    }

    fn draining(&self, reason: CloseReason) {
        self.registered.drain(reason);
        if reason == CloseReason::CalmAsked {
            let Registered { host, entry, .. } = &self.registered;
            host.leave_alone(&self.env, entry.target());
        }
    }

    fn closed(&self, reason: CloseReason) {
        let Registered { host, entry, .. } = &self.registered;
        // Before the books forget who used it.
        let last = entry.status.read();
        let at = clock::now();
        let reason = self.registered.closed(reason);
        let (key, id) = (host.key(), entry.id());
        debug!(%key, %id, ?reason, "connection closed");
        self.env.plugins.tell(&Event::Closed {
            key,
            id,
            facts: entry.value().facts(),
            reason,
            open: at.saturating_duration_since(last.created),
            idle: (last.in_flight == 0).then(|| at.saturating_duration_since(last.last_used)),
        });
        self.env.less_is_open.notify_waiters();
    }
}

impl HostHandle<HttpConn> {
    /// Counts an outcome against a remote address, and lets the outlier policies judge it.
    pub(crate) fn note(&self, env: &Env, target: SocketAddr, seen: impl Into<Seen>) {
        let seen = seen.into();
        let outcome = seen.outcome;
        let live = env.live();
        let outlier = &live.outlier;
        let answered = live.successes_judged && matches!(outcome, Outcome::Status(_));
        let judged = !outlier.is_empty() && (outcome.is_failure() || answered);
        let Some((endpoint, mut host)) = self.observe(target, seen, judged) else {
            return;
        };
        let now = clock::now();
        let (until, reason) = loop {
            let cx = pool_health::OutlierContext::new(outcome, &endpoint, &host, now)
                .retry_after(seen.retry_after);
            let Some((until, reason)) = env.plugins.ejects(outlier, &cx) else {
                return;
            };
            match self.eject(target, until, &host) {
                Ejection::Done => break (until, reason),
                Ejection::OutAlready => return,
                Ejection::JudgeAgain(known) => {
                    (host.total, host.ejected) = (known.total, known.ejected);
                }
            }
        };
        let duration = Some(until.saturating_duration_since(now));
        debug!(key = %self.key(), peer.addr = %target, ?duration, %reason, "address ejected");
        env.plugins.tell(&Event::Ejected {
            key: self.key(),
            target,
            duration,
            policy: Some(reason),
        });
    }

    /// The remote address has asked for calm: nothing new goes there for a while.
    pub(crate) fn leave_alone(&self, env: &Env, target: SocketAddr) {
        let Some(until) = self.calm_down(target) else {
            return;
        };
        let duration = Some(until.saturating_duration_since(clock::now()));
        debug!(key = %self.key(), peer.addr = %target, ?duration, "address left alone");
        env.plugins.tell(&Event::Ejected {
            key: self.key(),
            target,
            duration,
            policy: None,
        });
    }

    /// Address and leased source of every connection that may be handed out, now or after its check.
    pub(crate) fn present(&self) -> Vec<(SocketAddr, Option<IpAddr>)> {
        let open = self
            .staying()
            .into_iter()
            .filter(|entry| entry.value().is_open());
        open.map(|entry| (entry.target(), entry.value().facts().leased))
            .collect()
    }
}
