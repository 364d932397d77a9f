//! The pool: requests in, responses out, over connections that are already open.

mod acquire;
mod builder;
mod close;
mod connector;
mod dialler;
mod env;
mod familiar;
mod fresh;
mod last_use;
mod live;
mod options;
mod origin;
mod plugins;
mod profiles;
mod request;
mod service;
mod snapshot;
mod sources;
mod suspend;
mod sweeper;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::uri::InvalidUri;
use pool_tls::Plan;
use tokio::runtime::Handle;

pub use self::builder::{BuildError, PoolBuilder};
pub use self::close::Closed;
pub use self::connector::{ConnectorIo, PoolConnector};
use self::dialler::Dialler;
pub(crate) use self::dialler::open_greeted;
pub(crate) use self::env::{Env, finite};
use self::familiar::Familiar;
pub(crate) use self::live::Live;
pub use self::live::ReconfigureError;
pub use self::options::RequestOptions;
pub(crate) use self::origin::{bad, key_of, without_secrets};
pub(crate) use self::plugins::Plugins;
pub use self::request::PooledLease;
pub use self::service::PoolClient;
pub use self::snapshot::PoolSnapshot;
use crate::config::Config;
use crate::error::Error;
use crate::http::{Body, HttpConn, PoolBody};
use crate::manager::ConnectionManager;
use crate::upkeep::{self, Warm, WarmReport};

/// A pool of hot connections: a cheap handle to clone and pass around.
///
/// When the last handle is dropped the pool closes: upkeep ends, waiters get [`ErrorKind::Closed`], idle connections
/// close, and those in use close when their response bodies end.
///
/// [`ErrorKind::Closed`]: crate::ErrorKind::Closed
#[derive(Clone)]
#[doc(alias = "UTLSHotConnPool")]
pub struct Pool {
    handle: Arc<LastHandle>,
}

/// Closes the pool when the last [`Pool`] goes. Bodies and tasks hold [`Inner`] or less.
struct LastHandle {
    inner: Arc<Inner>,
}

impl Drop for LastHandle {
    fn drop(&mut self) {
        self.inner.close();
    }
}

pub(crate) struct Inner {
    pub(crate) manager: ConnectionManager<HttpConn>,
    pub(crate) env: Arc<Env>,
    familiar: Familiar,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("manager", &self.manager)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Refuses what is new and ends the upkeep; what is in flight goes on.
    fn close(&self) {
        // Waiters first: they shall hear of the close, not of the dials that it ends.
        self.manager.close();
        self.familiar.clear();
        self.env.closing.send_replace(true);
    }

    /// Makes sure that dials and upkeep have a runtime to run on.
    pub(crate) fn settle(self: &Arc<Self>) {
        if self.env.settle(|| Handle::try_current().ok()) {
            upkeep::start(self);
        }
    }

    fn settle_on(self: &Arc<Self>, runtime: Handle) {
        if self.env.settle(|| Some(runtime)) {
            upkeep::start(self);
        }
    }
}

impl Pool {
    /// Chooses how the pool works.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.handle.inner
    }

    /// Sends a GET to an absolute URL.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    ///
    /// # Cancel safety
    ///
    /// As [`request`](Self::request).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = pool_core::Pool::builder().build()?;
    /// let response = pool.get("https://example.com/").await?;
    /// println!("{} over {:?}", response.status(), response.extensions().get::<pool_core::ConnInfo>());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(&self, url: &str) -> Result<http::Response<PoolBody>, Error> {
        let uri: http::Uri = url.parse().map_err(|error: InvalidUri| bad(url, error))?;
        let mut get = http::Request::new(Body::empty());
        *get.uri_mut() = uri;
        self.request(get).await
    }

    /// Sends a request with an absolute URI and waits for the head of the response; the body streams.
    ///
    /// The response's extensions hold the [`ConnInfo`](crate::ConnInfo), unless [`Config::conn_info`] says otherwise;
    /// [`RequestOptions`] may be put into the request's. The connection goes back to the pool when both bodies have ended: read the response body to its
    /// end or drop it.
    ///
    /// # Errors
    ///
    /// [`Error`] names what failed, in which phase and at which address. A request that may have been processed and
    /// was not sent again is [`ErrorKind::MaybeProcessed`](crate::ErrorKind::MaybeProcessed).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue, or resets the stream (HTTP/2), or closes the connection
    /// (HTTP/1.1). The server may have seen the request.
    pub async fn request<B: Into<Body>>(
        &self,
        request: http::Request<B>,
    ) -> Result<http::Response<PoolBody>, Error> {
        request::send(self.inner(), request.map(Into::into)).await
    }

    /// Waits for a connection to the origin of `url`, to send one request on it.
    ///
    /// # Errors
    ///
    /// As for [`request`](Self::request), up to the connection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue; a connection granted meanwhile goes to the next waiter.
    #[doc(alias = "GetConnection")]
    pub async fn acquire(&self, url: &str) -> Result<PooledLease, Error> {
        request::acquire(self.inner(), url, &RequestOptions::new()).await
    }

    /// The pool as a `tower_service::Service` of HTTP requests.
    pub fn client(&self) -> PoolClient {
        PoolClient::new(self.clone())
    }

    /// The pool's way of dialling as a `tower_service::Service` of URIs, for hyper-util's and tonic's clients.
    pub fn connector(&self) -> PoolConnector {
        PoolConnector::new(self.clone())
    }

    /// Opens what is missing of the wanted connections, and checks each fresh one if an HTTP check is set.
    ///
    /// Live connections are left alone. One address that does not answer does not fail the others: the report has
    /// a cell for each wanted connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Request`](crate::ErrorKind::Request) for a plan that the limits forbid; it names both numbers.
    /// [`ErrorKind::Resolve`](crate::ErrorKind::Resolve) or a timeout of that phase if the name has no address;
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the pool is closed. A pool that closes meanwhile says so in the
    /// cells that were not open yet.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops opening more; connections opened so far stay, those under a check included. Nobody else
    /// is disturbed.
    #[doc(alias = "PreWarmConnections")]
    pub async fn warm(&self, plan: &Warm) -> Result<WarmReport, Error> {
        upkeep::warm(self.inner(), plan).await
    }

    /// How many connections a plan wants, those that are open included, with the addresses and sources of the moment. Opens
    /// none.
    ///
    /// To be asked before several plans are carried out that have to fit into [`Limits::total`](crate::config::Limits::total)
    /// together: each plan alone is held against the limits by [`warm`](Self::warm) too.
    ///
    /// # Errors
    ///
    /// As [`warm`](Self::warm).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the lookup.
    pub async fn warm_size(&self, plan: &Warm) -> Result<usize, Error> {
        upkeep::warm_size(self.inner(), plan).await
    }

    /// Runs the clean-up of idle connections now. Returns how many it took out of the pool.
    #[doc(alias = "CleanupIdleConnections")]
    pub fn evict_idle(&self) -> usize {
        upkeep::evict(self.inner(), |name| name != upkeep::LIFETIME)
    }

    /// Runs the clean-up by lifetime now. Returns how many it took out of the pool.
    #[doc(alias = "CleanupExpiredConnections")]
    pub fn evict_expired(&self) -> usize {
        upkeep::evict(self.inner(), |name| name == upkeep::LIFETIME)
    }

    /// Checks every idle connection now. Returns how many failed and were closed.
    #[doc(alias = "CheckConnection")]
    pub async fn check_health(&self) -> usize {
        upkeep::check_all(self.inner()).await
    }

    /// Takes the addresses that an access list denies by now out of their hosts, as each clean-up of idle connections does:
    /// idle connections to them close, busy ones with their last request. Returns how many addresses it took out.
    ///
    /// One that is allowed again joins with the next lookup of its host, which the end of a ban brings about, with a health check of the
    /// address if there is one.
    pub fn enforce_access(&self) -> usize {
        upkeep::enforce_access(self.inner())
    }

    /// Puts another configuration in force while the pool runs: every limit, timeout, interval and budget, and the
    /// eviction, health and outlier policies and access lists it names. Policies given to the builder stay.
    ///
    /// Raised limits serve those who wait; lowered ones close idle connections and let busy ones finish. A request under
    /// way keeps the timeouts it began with, and an open connection the windows and buffers it was opened with; PINGs
    /// follow at once. Intervals count from the round before.
    ///
    /// # Errors
    ///
    /// [`ReconfigureError`] if the configuration contradicts itself, names an unknown policy, or changes what open
    /// connections depend on: `selector`, `localip`, `tls` and `fingerprint`. Nothing has changed then.
    #[doc(alias = "UpdateConfig")]
    pub fn reconfigure(&self, config: Config) -> Result<(), ReconfigureError> {
        live::reconfigure(self.inner(), config)
    }

    /// Every fingerprint profile of this pool as its TLS connector planned it, the backend's own hello among them, in no
    /// order.
    pub fn plans(&self) -> Vec<Plan> {
        self.inner().env.plugins.profiles.plans().cloned().collect()
    }

    /// The configuration in force.
    pub fn config(&self) -> Config {
        self.inner().env.live().config.clone()
    }

    /// What there is now, and what has happened so far.
    #[doc(alias = "GetStats")]
    pub fn snapshot(&self) -> PoolSnapshot {
        snapshot::take(self.inner())
    }

    /// Closes the pool: waiters are refused, idle connections close, requests in flight get until `deadline` and are
    /// then cut. Returns when no socket and no dial is left, or five seconds after the cut.
    ///
    /// # Cancel safety
    ///
    /// The pool is closed from the first poll on. Dropping the future only stops waiting; nothing in flight is cut.
    pub async fn close(&self, deadline: Duration) -> Closed {
        close::close(self.inner(), deadline).await
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("manager", &self.inner().manager)
            .finish_non_exhaustive()
    }
}
