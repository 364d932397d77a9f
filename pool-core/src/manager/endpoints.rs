//! The addresses of a host as selectors see them: a list that does not change, over gauges that do.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::state::Endpoint;
use super::sync::{AtomicU64, Ordering, StdArc};

/// One address at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EndpointView {
    /// The address.
    pub target: SocketAddr,
    /// Whether it is in rotation.
    pub active: bool,
    /// Whether an exchange failed there lately and none has succeeded since.
    pub doubted: bool,
    /// Whether it has a connection that takes another request now.
    pub has_room: bool,
    /// Connections to it, of any state.
    pub open: usize,
    /// Requests in flight on them.
    pub in_flight: usize,
    /// The recent peak of the time from request to response head, which decays while nothing new is seen; `None` before
    /// the first answer.
    pub latency: Option<Duration>,
}

/// The addresses of one host. Cheap to share; another one takes its place when an address comes or goes.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    gauges: Vec<StdArc<EndpointGauge>>,
    by_addr: HashMap<SocketAddr, usize>,
}

impl Endpoints {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.gauges.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.gauges.is_empty()
    }

    /// One of them, as it is now.
    pub fn get(&self, at: usize, now: Instant) -> Option<EndpointView> {
        self.gauges.get(at).map(|gauge| gauge.read(now))
    }

    /// Each of them, as it is when it is reached.
    pub fn iter(&self, now: Instant) -> impl Iterator<Item = EndpointView> + '_ {
        self.gauges.iter().map(move |gauge| gauge.read(now))
    }

    /// A list made by hand, to test a selector with.
    pub fn of(views: &[EndpointView], now: Instant) -> Self {
        let gauges = views.iter().map(|view| {
            let gauge = EndpointGauge::new(view.target, now);
            gauge.show(view, now);
            StdArc::new(gauge)
        });
        Self::from_gauges(gauges.collect())
    }

    /// The list over these addresses, with the gauges of those that were in it before.
    pub(super) fn renewed(&self, addrs: impl Iterator<Item = SocketAddr>, now: Instant) -> Self {
        let gauge = |addr| match self.gauge(addr) {
            Some(known) => known.clone(),
            None => StdArc::new(EndpointGauge::new(addr, now)),
        };
        Self::from_gauges(addrs.map(gauge).collect())
    }

    fn from_gauges(gauges: Vec<StdArc<EndpointGauge>>) -> Self {
        let by_addr = gauges.iter().enumerate();
        let by_addr = by_addr.map(|(at, gauge)| (gauge.target, at)).collect();
        Self { gauges, by_addr }
    }

    pub(crate) fn gauge(&self, addr: SocketAddr) -> Option<&StdArc<EndpointGauge>> {
        self.by_addr.get(&addr).map(|&at| &self.gauges[at])
    }
}

/// What is true of one address now. Counts are written under the host's lock, latency by whoever has measured it.
#[derive(Debug)]
pub(crate) struct EndpointGauge {
    target: SocketAddr,
    epoch: Instant,
    in_flight: AtomicU64,
    open: AtomicU64,
    /// Whether it has room, is in rotation, is doubted.
    flags: AtomicU64,
    /// The peak in nanoseconds, plus one; 0: none yet.
    peak: AtomicU64,
    /// When the peak was noted, in nanoseconds since `epoch`.
    peak_at: AtomicU64,
}

const HAS_ROOM: u64 = 1;
const ACTIVE: u64 = 2;
const DOUBTED: u64 = 4;

/// How long a peak takes to fall to 1/e of itself: Finagle's default for its peak EWMA.
const DECAY: Duration = Duration::from_secs(10);

impl EndpointGauge {
    fn new(target: SocketAddr, now: Instant) -> Self {
        Self {
            target,
            epoch: now,
            in_flight: AtomicU64::new(0),
            open: AtomicU64::new(0),
            flags: AtomicU64::new(ACTIVE),
            peak: AtomicU64::new(0),
            peak_at: AtomicU64::new(0),
        }
    }

    pub(super) fn publish(&self, endpoint: &Endpoint) {
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        self.in_flight
            .store(endpoint.in_flight as u64, Ordering::Relaxed);
        self.open
            .store(endpoint.conns_len() as u64, Ordering::Relaxed);
        let flags = flag(endpoint.has_free(), HAS_ROOM)
            | flag(endpoint.is_active(), ACTIVE)
            | flag(endpoint.doubted_until.is_some(), DOUBTED);
        self.flags.store(flags, Ordering::Relaxed);
    }

    /// Notes how long an answer took: a new peak at once, less than the decayed peak by its weight in time.
    pub(crate) fn note_latency(&self, latency: Duration, now: Instant) {
        let sample = nanos(latency);
        let noted = match self.peak(now) {
            Some(peak) if sample < peak => {
                let since = self.since_epoch(now)
                    - self
                        .peak_at
                        .load(Ordering::Relaxed)
                        .min(self.since_epoch(now));
                let old = (-(since as f64) / nanos(DECAY) as f64).exp();
                // At least a little: many quick answers at one moment shall count as well.
                let old = old.min(0.875);
                (peak as f64 * old + sample as f64 * (1.0 - old)) as u64
            }
            Some(_) | None => sample,
        };
        self.peak.store(noted.saturating_add(1), Ordering::Relaxed);
        self.peak_at.store(self.since_epoch(now), Ordering::Relaxed);
    }

    fn read(&self, now: Instant) -> EndpointView {
        let flags = self.flags.load(Ordering::Relaxed);
        EndpointView {
            target: self.target,
            active: flags & ACTIVE != 0,
            doubted: flags & DOUBTED != 0,
            has_room: flags & HAS_ROOM != 0,
            open: self.open.load(Ordering::Relaxed) as usize,
            in_flight: self.in_flight.load(Ordering::Relaxed) as usize,
            latency: self.peak(now).map(Duration::from_nanos),
        }
    }

    fn peak(&self, now: Instant) -> Option<u64> {
        let peak = self.peak.load(Ordering::Relaxed).checked_sub(1)?;
        let at = self.peak_at.load(Ordering::Relaxed);
        let since = self.since_epoch(now).saturating_sub(at);
        Some((peak as f64 * (-(since as f64) / nanos(DECAY) as f64).exp()) as u64)
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.epoch))
    }

    fn show(&self, view: &EndpointView, now: Instant) {
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        self.in_flight
            .store(view.in_flight as u64, Ordering::Relaxed);
        self.open.store(view.open as u64, Ordering::Relaxed);
        let flags =
            flag(view.has_room, HAS_ROOM) | flag(view.active, ACTIVE) | flag(view.doubted, DOUBTED);
        self.flags.store(flags, Ordering::Relaxed);
        if let Some(latency) = view.latency {
            self.note_latency(latency, now);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_shows_at_once_and_fades() {
        let start = crate::clock::now();
        let addr = SocketAddr::from(([192, 0, 2, 1], 443));
        let gauge = EndpointGauge::new(addr, start);
        let ms = Duration::from_millis;
        assert_eq!(gauge.read(start).latency, None);
        gauge.note_latency(ms(10), start);
        gauge.note_latency(ms(1000), start);
        assert_eq!(gauge.read(start).latency, Some(ms(1000)));
        gauge.note_latency(ms(10), start);
        let after_one = gauge.read(start).latency.unwrap();
        assert!((ms(800)..ms(1000)).contains(&after_one), "{after_one:?}");
        let later = start + DECAY;
        let faded = gauge.read(later).latency.unwrap();
        assert!((after_one / 4..after_one / 2).contains(&faded), "{faded:?}");
        gauge.note_latency(Duration::MAX, later);
        assert!(
            gauge.read(start).latency.is_some(),
            "an earlier moment is no panic"
        );
    }
}
