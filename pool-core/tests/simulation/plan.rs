//! Everything that one seed decides before the run begins.

use std::net::SocketAddr;
use std::time::Duration;

use pool_core::Config;
use pool_core::config::PolicyConfig;

use crate::dice::Dice;

/// The world of one seed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) hosts: Vec<HostPlan>,
    /// Callers that ask at the same time.
    pub(crate) callers: usize,
    /// What each asks for, one after the other.
    pub(crate) requests: usize,
    /// The longest pause of a caller between two of them, in milliseconds.
    pub(crate) pause: usize,
    /// How long things go wrong.
    pub(crate) trouble: Duration,
    /// The longest time between two faults, in milliseconds; 0: none.
    pub(crate) faults: usize,
    pub(crate) ending: Ending,
    /// Source addresses, or 0 where the system chooses, and how many sockets each may have.
    pub(crate) sources: u8,
    pub(crate) per_source: usize,
}

/// How the pool ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Everything is healed, every host must serve again, then it is closed.
    AfterHealing,
    /// It is closed while things go wrong, with this deadline for what is under way.
    Amid(Duration),
    /// Its last handle is dropped while things go wrong.
    DroppedAmid,
}

/// One name.
#[derive(Clone, Debug)]
pub(crate) struct HostPlan {
    pub(crate) name: String,
    pub(crate) speaks: Speaks,
    pub(crate) addrs: Vec<SocketAddr>,
    /// One way, by address.
    pub(crate) latencies: Vec<Duration>,
}

/// What a host's servers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    Http2 {
        /// How many streams at a time a server allows.
        cap: Option<u32>,
    },
}

impl Plan {
    pub(crate) fn of(dice: &mut Dice) -> Self {
        let count = dice.between(1, 4);
        let hosts: Vec<HostPlan> = (0..count).map(|host| HostPlan::of(host, dice)).collect();
        let sources = if dice.chance(25) { 4 } else { 0 };
        let ending = match dice.below(10) {
            0..=2 => Ending::Amid(dice.millis(0, 3000)),
            3 => Ending::DroppedAmid,
            _ => Ending::AfterHealing,
        };
        let trouble = dice.millis(2_000, 40_000);
        let requests = dice.between(5, 25);
        // Spread over the trouble, or in one burst that is waited for at limits as tight as these.
        let spread = 2 * usize::try_from(trouble.as_millis()).expect("a minute at most") / requests;
        Self {
            config: config(dice),
            hosts,
            callers: dice.between(2, 30),
            requests,
            pause: dice.pick(&[0, spread / 10, spread, spread]),
            trouble,
            faults: dice.pick(&[0, 300, 1000, 3000]),
            ending,
            sources,
            per_source: dice.between(1, 8),
        }
    }
}

impl HostPlan {
    fn of(host: usize, dice: &mut Dice) -> Self {
        let speaks = if dice.chance(50) {
            Speaks::Http1
        } else {
            let cap = dice.pick(&[None, Some(1), Some(2), Some(5), Some(100)]);
            Speaks::Http2 { cap }
        };
        let addrs: Vec<SocketAddr> = (1..=dice.between(1, 4))
            .map(|addr| {
                let [host, addr] = [host, addr].map(|n| u8::try_from(n).expect("few"));
                SocketAddr::from(([10, 0, host, addr], 80))
            })
            .collect();
        Self {
            name: format!("h{host}.test"),
            speaks,
            latencies: addrs.iter().map(|_| dice.millis(1, 60)).collect(),
            addrs,
        }
    }
}

fn config(dice: &mut Dice) -> Config {
    let mut config = Config {
        tls: PolicyConfig::new("none"),
        eviction: Vec::new(),
        outlier: Vec::new(),
        ..Config::default()
    };
    let limits = &mut config.limits;
    limits.total = dice.between(1, 24);
    limits.per_host = dice.between(1, limits.total);
    limits.per_endpoint = dice.between(1, limits.per_host);
    limits.dials_total = dice.between(1, 16);
    limits.dials_per_host = dice.between(1, limits.dials_total);
    limits.waiters_total = dice.pick(&[2, 10, 100, 1000]);
    limits.waiters_per_host = dice.between(1, limits.waiters_total);
    limits.streams_per_conn = dice.pick(&[1, 2, 8, 100]);
    limits.fair_turn = dice.pick(&[1, 8, usize::MAX]);
    limits.min_reclaim_idle = dice.millis(0, 200);
    if dice.chance(20) {
        limits.idle_total = dice.between(0, limits.total);
        limits.idle_per_host = dice.between(0, limits.per_host.min(limits.idle_total));
    }
    let timeouts = &mut config.timeouts;
    timeouts.acquire = dice.millis(1000, 10_000);
    timeouts.resolve = dice.millis(200, 2000);
    timeouts.connect = dice.millis(500, 4000);
    timeouts.handshake = dice.millis(500, 4000);
    timeouts.response_head = dice.millis(2000, 6000);
    timeouts.body_idle = dice.millis(2000, 6000);
    config.http2.connections = dice.pick(&[1, 2, 2, 4]);
    config.http2.ping_interval = dice.millis(1000, 8000);
    config.http2.ping_timeout = dice.millis(500, 3000);
    config.dial.backoff_base = dice.millis(20, 500);
    config.dial.backoff_max = dice.millis(500, 8000);
    config.dial.jitter = dice.pick(&[0.0, 0.5, 1.0]);
    config.retry.max_attempts = u32::try_from(dice.between(1, 4)).expect("small");
    config.retry.budget_min = dice.pick(&[0, 1, 4, 20]);
    config.retry.budget_percent = dice.pick(&[0, 10, 100]);
    let upkeep = &mut config.upkeep;
    upkeep.refresh_interval = dice.millis(1000, 15_000);
    upkeep.idle_interval = dice.millis(500, 4000);
    upkeep.lifetime_interval = dice.millis(500, 4000);
    upkeep.health_interval = dice.millis(1000, 8000);
    upkeep.health_timeout = dice.millis(500, 3000);
    let millis = |dice: &mut Dice, low, high| format!("{}ms", dice.between(low, high));
    // A connection that a router has forgotten looks as any idle one: only this ends it.
    let idle = millis(dice, 1000, 20_000);
    config.eviction = vec![PolicyConfig::new("idle").option("after", idle)];
    if dice.chance(40) {
        let max = millis(dice, 2000, 30_000);
        let lifetime = PolicyConfig::new("lifetime").option("max", max);
        config.eviction.push(lifetime.option("jitter", "0.1"));
    }
    if dice.chance(30) {
        config.health = vec![PolicyConfig::new(dice.pick(&["liveness", "h2-ping"]))];
    }
    if dice.chance(50) {
        let policy = PolicyConfig::new("consecutive-failures");
        let policy = policy.option("threshold", dice.between(2, 5).to_string());
        config.outlier = vec![policy.option("base", "1s").option("max", "5s")];
    }
    config
}
