//! Which address of a host a request goes to: the trait, the view it judges by, the built-in selectors.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pool_health::{OptionDoc, Options, OptionsError};

use crate::key::Key;
pub use crate::manager::endpoints::{EndpointView, Endpoints};

/// Chooses the address a request prefers.
///
/// What it says is a hint: the request takes a connection there if one has room, and any other if not, so that no choice
/// makes a request wait while another address could serve it. It does not open connections, and those who wait in the
/// queue take what comes first.
///
/// - **Who calls, when, how often:** the pool: [`select`](Self::select) once for each try of a request and each lease, before a connection is
///   claimed; [`looks`](Self::looks) once, when the pool is built. A selector that does not look is not asked to select.
/// - **On which thread:** that of the request, several at once. No lock of the pool is held.
/// - **Blocking:** never: this is the hot path, and the request waits for it.
/// - **Panics** are contained, counted, and mean no preference; in `looks`, that it does not look.
/// - **Lies:** an index that is none, or of an address without room, in doubt or out of rotation, counts as no preference. Whoever
///   always names the same address sends there all that its connections have room for.
pub trait Selector: fmt::Debug + Send + Sync {
    /// The name in a configuration, and in logs.
    fn name(&self) -> &'static str;

    /// The index in [`SelectContext::endpoints`] of the address to prefer; `None`, or an index that is none: no preference.
    fn select(&self, cx: &SelectContext<'_>) -> Option<usize>;

    /// Whether it looks at the endpoints at all. Without, they are not kept up to date for it, which costs less.
    fn looks(&self) -> bool {
        true
    }
}

/// What a selector may know.
#[derive(Debug)]
#[non_exhaustive]
pub struct SelectContext<'a> {
    /// What the request's connections are for.
    pub key: &'a Key,
    /// The addresses of the host: which there are does not change while the selector looks, what is true of each is
    /// read when it is asked for.
    pub endpoints: &'a Endpoints,
    /// What the request is to stick to, hashed; see [`RequestOptions::affinity`](crate::RequestOptions::affinity).
    pub affinity: Option<u64>,
    /// Where the last try of this request failed.
    pub avoid: Option<SocketAddr>,
    /// The moment of choosing; the only clock there is.
    pub now: Instant,
}

impl<'a> SelectContext<'a> {
    /// A request for `key` at `now`, with nothing to stick to and nothing to avoid.
    pub fn new(key: &'a Key, endpoints: &'a Endpoints, now: Instant) -> Self {
        Self {
            key,
            endpoints,
            affinity: None,
            avoid: None,
            now,
        }
    }

    /// With what the request is to stick to.
    #[must_use]
    pub fn affinity(mut self, affinity: Option<u64>) -> Self {
        self.affinity = affinity;
        self
    }

    /// With where its last try failed.
    #[must_use]
    pub fn avoid(mut self, avoid: Option<SocketAddr>) -> Self {
        self.avoid = avoid;
        self
    }

    /// Whether a request may be sent there: in rotation, not doubted, and not where it failed just now.
    fn is_good(&self, endpoint: &EndpointView) -> bool {
        endpoint.active && !endpoint.doubted && self.avoid != Some(endpoint.target)
    }
}

/// Takes turns over the addresses that have a connection with room: the pool's own order, and the null selector.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobin;

impl Selector for RoundRobin {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn select(&self, _: &SelectContext<'_>) -> Option<usize> {
        None
    }

    fn looks(&self) -> bool {
        false
    }
}

/// Prefers the address with the fewest requests in flight, among those with a connection that has room; several with as
/// few take turns.
///
/// Looks at every address: for hosts with many, [`PeakEwma`] looks at two.
#[derive(Debug, Default)]
pub struct LeastUsed {
    turns: AtomicUsize,
}

impl Selector for LeastUsed {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn select(&self, cx: &SelectContext<'_>) -> Option<usize> {
        let len = cx.endpoints.len();
        // Another one first each time: of equals the first is taken.
        let first = self.turns.fetch_add(1, Ordering::Relaxed) % len.max(1);
        (first..len)
            .chain(0..first)
            .filter_map(|at| Some((at, cx.endpoints.get(at, cx.now)?)))
            .filter(|(_, endpoint)| endpoint.has_room && cx.is_good(endpoint))
            .min_by_key(|(_, endpoint)| endpoint.in_flight)
            .map(|(at, _)| at)
    }
}

/// Prefers the less loaded of two addresses drawn at random, where load is the recent peak of its latency times the
/// requests it would then have in flight (power of two choices over peak EWMA, as in Finagle and linkerd).
///
/// An address that has not answered yet counts as quick, so that it is tried.
#[derive(Debug)]
pub struct PeakEwma {
    draws: AtomicU64,
}

impl PeakEwma {
    /// Draws follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            draws: AtomicU64::new(seed),
        }
    }

    /// A number that looks random (splitmix64).
    fn draw(&self) -> u64 {
        let before = self.draws.fetch_add(GOLDEN, Ordering::Relaxed);
        scatter(before.wrapping_add(GOLDEN))
    }
}

impl Default for PeakEwma {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Selector for PeakEwma {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn select(&self, cx: &SelectContext<'_>) -> Option<usize> {
        let len = cx.endpoints.len() as u64;
        if len < 2 {
            return None;
        }
        let draw = self.draw();
        let one = (draw >> 32) % len;
        // Another one: any of the rest.
        let two = (one + 1 + (draw & u64::from(u32::MAX)) % (len - 1)) % len;
        let load = |at: u64| {
            let endpoint = cx.endpoints.get(at as usize, cx.now)?;
            let latency = endpoint.latency.unwrap_or(Duration::ZERO).as_nanos();
            let load = (latency + 1).saturating_mul(endpoint.in_flight as u128 + 1);
            Some((!cx.is_good(&endpoint), !endpoint.has_room, load))
        };
        // Of equals the first drawn, which may be any: the lower index would get all of them.
        let drawn = [one, two].into_iter();
        let best = drawn
            .filter_map(|at| Some((load(at)?, at)))
            .min_by_key(|&(load, _)| load);
        best.map(|(_, at)| at as usize)
    }
}

/// Prefers the same address for the same affinity, as long as that address is in rotation (rendezvous hashing: when one
/// goes, only what stuck to it moves). A request without affinity has no preference.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sticky;

impl Selector for Sticky {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn select(&self, cx: &SelectContext<'_>) -> Option<usize> {
        let affinity = cx.affinity?;
        let endpoints = cx.endpoints.iter(cx.now).enumerate();
        endpoints
            .filter(|(_, endpoint)| cx.is_good(endpoint))
            .max_by_key(|(_, endpoint)| {
                scatter(affinity ^ stable_hash(endpoint.target.to_string().as_bytes()))
            })
            .map(|(at, _)| at)
    }
}

/// The names and options of the built-in selectors, for a registry.
macro_rules! plain {
    ($($selector:ident $name:literal,)+) => {
        $(impl $selector {
            /// The name in a configuration.
            pub const NAME: &'static str = $name;

            /// It has no options.
            pub const OPTIONS: &'static [OptionDoc] = &[];

            /// Made from options, of which there are none.
            ///
            /// # Errors
            ///
            /// If there are options.
            pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
                options.finish::<&str>(&[])?;
                Ok(Self::default())
            }
        })+
    };
}

plain! {
    RoundRobin "round-robin",
    LeastUsed "least-used",
    PeakEwma "p2c",
    Sticky "sticky",
}

/// FNV-1a: the same in every process and on every machine, so that stickiness survives a restart.
pub(crate) fn stable_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// splitmix64's finaliser.
fn scatter(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn _assert_dyn_compatible(_: &dyn Selector) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Scheme;

    fn addr(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 443))
    }

    fn view(last: u8, in_flight: usize, latency_ms: u64) -> EndpointView {
        EndpointView {
            target: addr(last),
            active: true,
            doubted: false,
            has_room: true,
            open: 1,
            in_flight,
            latency: Some(Duration::from_millis(latency_ms)),
        }
    }

    fn key() -> Key {
        Key::new(Scheme::Https, "a.test", 443)
    }

    #[test]
    fn least_used_passes_over_what_has_no_room_or_is_out() {
        let now = crate::clock::now();
        let mut views = vec![view(1, 3, 1), view(2, 0, 1), view(3, 1, 1), view(4, 0, 1)];
        views[1].has_room = false;
        views[3].doubted = true;
        let (key, endpoints) = (key(), Endpoints::of(&views, now));
        assert_eq!(
            LeastUsed::default().select(&SelectContext::new(&key, &endpoints, now)),
            Some(2)
        );
        let avoid = SelectContext::new(&key, &endpoints, now).avoid(Some(addr(3)));
        assert_eq!(LeastUsed::default().select(&avoid), Some(0));
    }

    #[test]
    fn p2c_spreads_over_equals_and_shuns_the_slow_and_the_busy() {
        let now = crate::clock::now();
        let equal: Vec<_> = (1..=4).map(|last| view(last, 0, 10)).collect();
        let (key, selector) = (key(), PeakEwma::new(7));
        let count = |views: &[EndpointView]| {
            let endpoints = Endpoints::of(views, now);
            let mut counts = vec![0; views.len()];
            for _ in 0..4000 {
                let cx = SelectContext::new(&key, &endpoints, now);
                counts[selector.select(&cx).expect("a preference")] += 1;
            }
            counts
        };
        assert!(
            count(&equal)
                .iter()
                .all(|count| (700..1900).contains(count))
        );

        let mut uneven = equal.clone();
        uneven[0] = view(1, 0, 500);
        uneven[1] = view(2, 50, 10);
        let counts = count(&uneven);
        // Each loses every draw but the one against itself or a worse one.
        assert!(counts[0] + counts[1] < 800, "{counts:?}");

        uneven[3].doubted = true;
        assert_eq!(
            count(&uneven)[3],
            0,
            "whatever it is drawn against is better"
        );
    }

    #[test]
    fn the_same_affinity_stays_where_it_is_when_others_come_and_go() {
        let now = crate::clock::now();
        let key = key();
        let all: Vec<_> = (1..=8).map(|last| view(last, 0, 1)).collect();
        let choose = |views: &[EndpointView], affinity: u64| {
            let endpoints = Endpoints::of(views, now);
            let cx = SelectContext::new(&key, &endpoints, now).affinity(Some(affinity));
            views[Sticky.select(&cx).expect("a preference")].target
        };
        let gone = addr(3);
        let left: Vec<_> = all
            .iter()
            .filter(|view| view.target != gone)
            .cloned()
            .collect();
        let mut used = std::collections::HashSet::new();
        for affinity in (0..200).map(|n: u64| stable_hash(&n.to_le_bytes())) {
            let before = choose(&all, affinity);
            used.insert(before);
            assert_eq!(before, choose(&all, affinity));
            if before != gone {
                assert_eq!(before, choose(&left, affinity));
            }
        }
        assert_eq!(used.len(), 8, "every address is somebody's");
        let endpoints = Endpoints::of(&all, now);
        let cx = SelectContext::new(&key, &endpoints, now);
        assert_eq!(Sticky.select(&cx), None);
    }
}
