//! How many connections a load needs, and which limits follow: plain functions of numbers.
//!
//! A [`Demand`] says what is asked of a pool; [`Demand::plan`] answers with a [`Plan`]. Nothing is opened, measured or
//! guessed from the machine. Every number of a plan says whether it holds [by law](Basis::Law) or is an
//! [estimate](Basis::Estimate).
//!
//! ```
//! use std::time::Duration;
//! use pool_core::Config;
//! use pool_core::capacity::Demand;
//!
//! // 2000 requests a second that take 80 ms each, over HTTP/1.1, from a server that closes after 1000 requests.
//! let demand = Demand::new(2000.0, Duration::from_millis(80)).requests_per_conn(1000);
//! let plan = demand.plan()?;
//! assert_eq!(plan.in_flight.value, 160.0); // Little's law
//! assert_eq!(plan.open.value, 200); // and a margin for arrivals that come in bunches
//! assert_eq!(plan.dials_per_second.value, 2.0);
//! assert!(plan.waiting_share.value < 0.002);
//!
//! let mut config = Config::default();
//! config.limits = plan.limits(&config.limits);
//! config.validate().expect("the limits of a plan agree with each other");
//!
//! // The same over HTTP/2 with 100 streams on a connection.
//! let plan = demand.http2(100).plan()?;
//! assert_eq!(plan.open.value, 2);
//! # Ok::<(), pool_core::capacity::DemandError>(())
//! ```
//!
//! # The model
//!
//! **In flight.** By Little's law `λ` requests a second that keep a stream for `W` on average are `L = λ·W` at a time,
//! whatever the distribution of either. `W` runs from the connection granted to the end of the body: what a request
//! waits for a connection is not in it.
//!
//! **Margin.** `L` is a mean. Independent requests arrive as a Poisson process, and then the number at a time is
//! Poisson distributed too, with the variance `L`, whatever the latencies: only their mean counts (the M/G/∞ queue). So
//! the slots provided are `L + z·√L + z²/6`: `z` standard deviations, and a constant for the skew of the distribution
//! at small loads (the Cornish-Fisher expansion has `(z²-1)/6`). The relative margin shrinks as the load grows. What
//! share of arrivals then finds no free slot is Erlang's C formula, which [`waiting_share`] computes and
//! [`Plan::waiting_share`] states.
//!
//! **Connections.** A slot is a connection of HTTP/1.1 and a stream of HTTP/2. Replacements that are being dialled count
//! against the limits as well and get places of their own. Where several addresses or sources are given, each pair of
//! them gets the same number, at least one, as [`Warm`](crate::Warm) opens them.
//!
//! A connection that [`Http2::connections`](crate::config::Http2::connections) opens for throughput takes one of these
//! places, and is not opened where there is none.
//!
//! **Dials.** A connection that serves `N` requests is replaced `λ/N` times a second, one that lives for `T` adds at
//! most `1/T`, and only connections beyond the mean load are ever idle for long. No more is dialled than is requested.
//!
//! **Waiters.** The queue has room for whichever is more: everybody who arrives while a cold host is opened, and
//! everybody who arrives while all connections are stuck for a 99th percentile of the latency.
//!
//! What the margin does not cover: arrivals that are correlated (retries, cron jobs, a crowd at the full hour), a mean
//! latency that grows with the load, a mean rate that is not that of the busiest hour, hosts that get more than their
//! equal part, and streams that a peer allows fewer of than was said. Plan for the busiest minute, not for the day.

mod error;
mod plan;
mod queue;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::config::Limits;
pub use error::{DemandError, Field};
pub use plan::{Basis, Figure, Fit, HEAP_PER_HTTP1, HEAP_PER_HTTP2, Plan};
use plan::{estimate, law};
use queue::upper;
pub use queue::waiting_share;

/// What is asked of a pool.
///
/// Rates are over all hosts together, each of which gets an equal part. Nothing is checked before
/// [`plan`](Self::plan).
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a demand does nothing until it is planned for"]
pub struct Demand {
    rate: f64,
    latency: Duration,
    p99: Option<Duration>,
    /// `None` for HTTP/1.1.
    streams: Option<usize>,
    requests_per_conn: Option<u64>,
    lifetime: Duration,
    idle_close: Duration,
    handshake: Duration,
    hosts: usize,
    addresses: usize,
    sources: usize,
    margin: f64,
    open_files: Option<u64>,
}

impl Demand {
    /// `rate` requests a second over HTTP/1.1, each of which keeps its connection for `latency` on average, to one
    /// address of one host, on connections that nobody closes.
    pub fn new(rate: f64, latency: Duration) -> Self {
        Self {
            rate,
            latency,
            p99: None,
            streams: None,
            requests_per_conn: None,
            lifetime: Duration::MAX,
            idle_close: Duration::MAX,
            handshake: HANDSHAKE,
            hosts: 1,
            addresses: 1,
            sources: 1,
            margin: MARGIN,
            open_files: None,
        }
    }

    /// The latency that one request in a hundred exceeds. It decides how many may have to wait, not how many
    /// connections there are: for those the mean alone counts.
    ///
    /// Defaults to 4.6 times the mean, as it is where latencies are exponentially distributed (the logarithm of 100).
    pub fn p99(mut self, latency: Duration) -> Self {
        self.p99 = Some(latency);
        self
    }

    /// HTTP/2 with so many requests at a time on one connection: the lower one of `limits.streams_per_conn` and what
    /// the peer allows.
    pub fn http2(mut self, streams: usize) -> Self {
        self.streams = Some(streams);
        self
    }

    /// After how many requests the server closes a connection. Defaults to never.
    pub fn requests_per_conn(mut self, requests: u64) -> Self {
        self.requests_per_conn = Some(requests);
        self
    }

    /// After what time a connection is closed, by whichever side. Defaults to `Duration::MAX`, which is never.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// After what time without a request a connection is closed, by whichever side. Defaults to `Duration::MAX`, which
    /// is never.
    pub fn idle_close(mut self, idle: Duration) -> Self {
        self.idle_close = idle;
        self
    }

    /// How long it takes to open a connection: TCP, TLS, and the name if it has to be looked up.
    ///
    /// Defaults to 100 ms: two round trips of 50 ms, one for TCP and one for TLS 1.3.
    pub fn handshake(mut self, handshake: Duration) -> Self {
        self.handshake = handshake;
        self
    }

    /// Hosts that share the rate equally. Defaults to 1.
    pub fn hosts(mut self, hosts: usize) -> Self {
        self.hosts = hosts;
        self
    }

    /// Addresses of each host that are to have connections. Defaults to 1.
    pub fn addresses(mut self, addresses: usize) -> Self {
        self.addresses = addresses;
        self
    }

    /// Local addresses from which each address of a host is to have connections. Defaults to 1.
    pub fn sources(mut self, sources: usize) -> Self {
        self.sources = sources;
        self
    }

    /// The margin `z`, in standard deviations of the number of requests in flight, from 0 to 10.
    ///
    /// Defaults to 3, with which at least 998 of 1000 arrivals find a free slot at any load; with 2 it is 965, with 4
    /// more than 999.9. What it covers and what not is said [above](self#the-model).
    pub fn margin(mut self, standard_deviations: f64) -> Self {
        self.margin = standard_deviations;
        self
    }

    /// How many files the process may have open, of which 64 are left for other things than connections. Without it
    /// [`Plan::fit`] is not decided.
    pub fn open_files(mut self, files: u64) -> Self {
        self.open_files = Some(files);
        self
    }

    /// Computes what it takes.
    ///
    /// # Errors
    ///
    /// A value that makes no sense, or so large a one that more than 10⁹ connections, dials or waiters come of it; the
    /// error names the field and what to do.
    pub fn plan(&self) -> Result<Plan, DemandError> {
        self.check()?;
        let Sizes {
            rate,
            in_flight,
            slots,
            open,
            closed_by_requests,
            closed_by_age,
            closed_by_idleness,
            dials,
            dialling,
            dial_places,
            per_cell,
            per_host,
            in_all,
        } = self.sizes(self.rate)?;
        let streams = self.streams.unwrap_or(1);
        let hosts = self.hosts as f64;

        let dials_per_host = per_host
            .div_ceil(COLD_ROUNDS)
            .max(Limits::default().dials_per_host)
            .max(dial_places)
            .min(per_host);
        let dials_at_a_time = count(upper(dialling * hosts, self.margin), Field::Rate)?;
        let dials_total = dials_at_a_time
            .max(Limits::default().dials_total)
            .max(dials_per_host);
        let rounds = per_host
            .div_ceil(dials_per_host)
            .max(in_all.div_ceil(dials_total));
        let cold_start = self.handshake.as_secs_f64() * rounds as f64;
        let stall = match self.p99 {
            Some(p99) => p99.max(self.latency).as_secs_f64(),
            None => self.latency.as_secs_f64() * EXPONENTIAL_P99,
        };
        let arriving = rate * stall.max(cold_start);
        let waiters_per_host = count(upper(arriving, self.margin), Field::Rate)?;
        let waiters_total = count(upper(arriving * hosts, self.margin), Field::Rate)?;

        let by_law = self.lifetime == Duration::MAX && self.idle_close == Duration::MAX;
        let dial_basis = if by_law { Basis::Law } else { Basis::Estimate };
        let heap = self.streams.map_or(HEAP_PER_HTTP1, |_| HEAP_PER_HTTP2);
        Ok(Plan {
            rate_per_host: law(rate),
            in_flight: law(in_flight),
            slots: estimate(slots),
            waiting_share: estimate(waiting_share(in_flight, open.saturating_mul(streams))),
            open: estimate(open),
            closed_by_requests: law(closed_by_requests),
            closed_by_age: estimate(closed_by_age),
            closed_by_idleness: estimate(closed_by_idleness),
            dials_per_second: Figure {
                value: dials,
                basis: dial_basis,
            },
            dialling: Figure {
                value: dialling,
                basis: dial_basis,
            },
            dial_places: estimate(dial_places),
            dialling_share: estimate(dials / rate),
            per_cell: estimate(per_cell),
            per_host: estimate(per_host),
            in_all: estimate(in_all),
            cold_start: estimate(seconds(cold_start, Field::Handshake)?),
            stall: estimate(seconds(stall, Field::P99)?),
            dials_per_host: estimate(dials_per_host),
            dials_total: estimate(dials_total),
            waiters_per_host: estimate(waiters_per_host),
            waiters_total: estimate(waiters_total),
            open_files: estimate(in_all as u64 + OTHER_FILES),
            heap_bytes: estimate(in_all as u64 * heap),
            fit: self.fit(in_all),
            streams: self.streams,
            hosts: self.hosts,
        })
    }

    /// How many connections `rate` takes. None of the counts falls as the rate rises.
    fn sizes(&self, rate: f64) -> Result<Sizes, DemandError> {
        let rate = rate / self.hosts as f64;
        let streams = self.streams.unwrap_or(1);
        let in_flight = rate * self.latency.as_secs_f64();
        let wanted = upper(in_flight, self.margin);
        let slots = count(wanted, Field::Rate)?;
        let open = slots.div_ceil(streams);

        let closed_by_requests = self.requests_per_conn.map_or(0.0, |n| rate / n as f64);
        // Connections that stand for their address and source alone grow old as well.
        let cells = self.addresses.saturating_mul(self.sources);
        let closed_by_age = open.max(cells) as f64 * per_second(self.lifetime);
        let closed_by_idleness =
            (wanted - in_flight) / streams as f64 * per_second(self.idle_close);
        let dials = (closed_by_requests + closed_by_age + closed_by_idleness).min(rate);
        let dialling = dials * self.handshake.as_secs_f64();
        // Without the term for the skew: it would keep two places for what hardly ever happens.
        let dial_places = count(dialling + self.margin * dialling.sqrt(), Field::Handshake)?;

        let per_cell = (open + dial_places).div_ceil(cells);
        let per_host = count(per_cell as f64 * cells as f64, Field::Addresses)?;
        let in_all = count(per_host as f64 * self.hosts as f64, Field::Hosts)?;
        Ok(Sizes {
            rate,
            in_flight,
            slots,
            open,
            closed_by_requests,
            closed_by_age,
            closed_by_idleness,
            dials,
            dialling,
            dial_places,
            per_cell,
            per_host,
            in_all,
        })
    }

    fn fit(&self, in_all: usize) -> Fit {
        let Some(available) = self.open_files else {
            return Fit::Unknown;
        };
        let needed = in_all as u64 + OTHER_FILES;
        if needed <= available {
            return Fit::Fits { available };
        }
        Fit::TooFewFiles {
            needed,
            available,
            rate: self.rate_within(available.saturating_sub(OTHER_FILES)),
        }
    }

    /// The highest rate below the one asked for that needs no more than so many connections, to one part in a million.
    fn rate_within(&self, connections: u64) -> Option<f64> {
        let fits = |rate: f64| {
            let sizes = self.sizes(rate);
            sizes.is_ok_and(|sizes| sizes.in_all as u64 <= connections)
        };
        let (mut low, mut high) = (LEAST_RATE * self.hosts as f64, self.rate);
        if !fits(low) {
            return None;
        }
        // By ratio: the answer may be many orders of magnitude away.
        while high / low > 1.0 + 1e-6 {
            let middle = (low * high).sqrt();
            if fits(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(low)
    }

    fn check(&self) -> Result<(), DemandError> {
        let Self {
            rate,
            latency,
            p99,
            streams,
            requests_per_conn,
            lifetime,
            idle_close,
            handshake: _,
            hosts,
            addresses,
            sources,
            margin,
            open_files: _,
        } = *self;
        for (field, count) in [
            (Field::Hosts, hosts),
            (Field::Addresses, addresses),
            (Field::Sources, sources),
            (Field::Streams, streams.unwrap_or(1)),
        ] {
            DemandError::unless(count > 0, field, count, "is none", "give 1 or more")?;
        }
        let served = requests_per_conn.unwrap_or(1);
        let (wrong, fix) = (
            "is none",
            "give 1 or more, or leave it out if nobody closes connections",
        );
        DemandError::unless(served > 0, Field::RequestsPerConn, served, wrong, fix)?;
        for (field, duration) in [
            (Field::Latency, latency),
            (Field::P99, p99.unwrap_or(latency)),
            (Field::Lifetime, lifetime),
            (Field::IdleClose, idle_close),
        ] {
            let (wrong, fix) = ("is no time", "give a time above zero");
            DemandError::unless(!duration.is_zero(), field, "0s", wrong, fix)?;
        }
        // A NaN is in no range.
        let (wrong, fix) = (
            "is no rate",
            "give requests per second, a number above zero",
        );
        DemandError::unless(
            rate > 0.0 && rate.is_finite(),
            Field::Rate,
            rate,
            wrong,
            fix,
        )?;
        let (wrong, fix) = (
            "is less than a request in 30 years",
            "give requests per second",
        );
        DemandError::unless(
            rate / hosts as f64 >= LEAST_RATE,
            Field::Rate,
            rate,
            wrong,
            fix,
        )?;
        let (wrong, fix) = (
            "is no number of standard deviations",
            "give 0 to 10, such as 3",
        );
        DemandError::unless(
            (0.0..=10.0).contains(&margin),
            Field::Margin,
            margin,
            wrong,
            fix,
        )
    }
}

/// What a rate takes, for each host but for the last.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    rate: f64,
    in_flight: f64,
    slots: usize,
    open: usize,
    closed_by_requests: f64,
    closed_by_age: f64,
    closed_by_idleness: f64,
    dials: f64,
    dialling: f64,
    dial_places: usize,
    per_cell: usize,
    per_host: usize,
    in_all: usize,
}

/// A count of whole things that is at least `number`.
fn count(number: f64, field: Field) -> Result<usize, DemandError> {
    // 2000 × 0.08 is a little more than 160, and does not take 161.
    let whole = (number * (1.0 - 1e-12)).ceil();
    if whole <= MOST {
        Ok(whole as usize)
    } else {
        Err(DemandError::absurd(field, whole))
    }
}

fn seconds(seconds: f64, field: Field) -> Result<Duration, DemandError> {
    Duration::try_from_secs_f64(seconds).or(Err(DemandError::absurd(field, seconds)))
}

/// How often per second something happens that happens every `interval`.
fn per_second(interval: Duration) -> f64 {
    if interval == Duration::MAX {
        0.0
    } else {
        interval.as_secs_f64().recip()
    }
}

/// The margin, if none is asked for.
const MARGIN: f64 = 3.0;

/// The handshake, if none is given.
const HANDSHAKE: Duration = Duration::from_millis(100);

/// In how many rounds of handshakes a cold host is opened.
const COLD_ROUNDS: usize = 4;

/// The 99th percentile of an exponential distribution, by its mean: the natural logarithm of 100.
const EXPONENTIAL_P99: f64 = 4.605_170_185_988_092;

/// Files that are not connections, as in `pool`.
const OTHER_FILES: u64 = 64;

/// More than this of anything is a mistake in the units.
const MOST: f64 = 1e9;

/// Requests per second and host.
const LEAST_RATE: f64 = 1e-9;
