//! Who closed what when.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pool_core::manager::CloseReason;
use pool_core::{Event, Observer};
use serde::Serialize;
use tokio::sync::watch;

/// Counts what opens and closes. Holds a sum for each address and reason, not a record for each connection: a hold may
/// have no end.
#[derive(Debug, Default)]
pub(super) struct Closings {
    sums: Mutex<BTreeMap<Group, Sum>>,
    counts: watch::Sender<Counts>,
}

/// Connections so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) opened: usize,
    pub(super) closed: usize,
}

impl Counts {
    pub(super) fn open(self) -> usize {
        // Those of a check that failed may say so in either order.
        self.opened.saturating_sub(self.closed)
    }
}

/// What closings are told together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    target: SocketAddr,
    reason: CloseReason,
    in_use: bool,
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    count: u32,
    open: Spread,
    idle: Spread,
}

/// The shortest and the longest of some durations, and their sum.
#[derive(Clone, Copy, Debug)]
struct Spread {
    min: Duration,
    max: Duration,
    sum: Duration,
}

impl Spread {
    const NONE: Self = Self {
        min: Duration::MAX,
        max: Duration::ZERO,
        sum: Duration::ZERO,
    };

    fn add(&mut self, one: Duration) {
        self.min = self.min.min(one);
        self.max = self.max.max(one);
        self.sum = self.sum.saturating_add(one);
    }
}

impl Observer for Closings {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::Opened { .. } => self.counts.send_modify(|counts| counts.opened += 1),
            Event::Closed {
                facts,
                reason,
                open,
                idle,
                ..
            } => {
                self.add(facts.target, *reason, *open, *idle);
                // Last, so that whoever waits for it finds the sum.
                self.counts.send_modify(|counts| counts.closed += 1);
            }
            _ => {}
        }
    }
}

impl Closings {
    fn add(&self, target: SocketAddr, reason: CloseReason, open: Duration, idle: Option<Duration>) {
        let group = Group {
            target,
            reason,
            in_use: idle.is_none(),
        };
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = sums.entry(group).or_insert(Sum {
            count: 0,
            open: Spread::NONE,
            idle: Spread::NONE,
        });
        sum.count = sum.count.saturating_add(1);
        sum.open.add(open);
        sum.idle.add(idle.unwrap_or_default());
    }

    /// How many have opened and closed.
    pub(super) fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Returns once nothing is open.
    pub(super) async fn nothing_is_open(&self) {
        let mut counts = self.counts.subscribe();
        let gone = counts.wait_for(|counts| counts.open() == 0).await;
        gone.map(drop).expect("the sender is in self");
    }

    /// What has closed so far, by address.
    pub(super) fn list(&self) -> Vec<Closing> {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.iter()
            .map(|(group, sum)| Closing {
                target: group.target,
                by: By::of(group.reason),
                reason: group.reason.code(),
                count: sum.count,
                idle_ms: (!group.in_use).then(|| Times::of(&sum.idle, sum.count)),
                open_ms: Times::of(&sum.open, sum.count),
            })
            .collect()
    }
}

/// Connections to one address that ended for one reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Closing {
    pub(super) target: SocketAddr,
    pub(super) by: By,
    pub(super) reason: &'static str,
    pub(super) count: u32,
    /// How long they had carried nothing; `None` for those that carried something.
    pub(super) idle_ms: Option<Times>,
    pub(super) open_ms: Times,
}

impl Closing {
    /// Adds those to another address, which ended for the same reason.
    pub(super) fn merge(&mut self, other: &Self) {
        let counts = (self.count, other.count);
        self.open_ms.merge(&other.open_ms, counts);
        if let (Some(idle), Some(others)) = (&mut self.idle_ms, &other.idle_ms) {
            idle.merge(others, counts);
        }
        self.count = self.count.saturating_add(other.count);
    }
}

/// In milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Times {
    pub(super) min: f64,
    pub(super) mean: f64,
    pub(super) max: f64,
}

impl Times {
    fn of(spread: &Spread, count: u32) -> Self {
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        Self {
            min: ms(spread.min),
            mean: ms(spread.sum / count),
            max: ms(spread.max),
        }
    }

    fn merge(&mut self, other: &Self, (ours, theirs): (u32, u32)) {
        let (ours, theirs) = (f64::from(ours), f64::from(theirs));
        self.mean = (self.mean * ours + other.mean * theirs) / (ours + theirs);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// Which side a closing comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    Peer,
    Us,
    /// Neither side wanted it.
    Error,
}

impl By {
    fn of(reason: CloseReason) -> Self {
        use CloseReason as R;
        match reason {
            R::PeerClosed | R::GoAway | R::CalmAsked | R::Misdirected | R::Http1Required => {
                Self::Peer
            }
            R::Error | R::PingTimeout | R::WriteStalled | R::RuntimeGone => Self::Error,
            // What the peer did wrong on it made this side close it: bytes unasked for, a flood.
            _ => Self::Us,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closings_are_summed_by_address_and_reason() {
        let closings = Closings::default();
        let [a, b]: [SocketAddr; 2] =
            ["192.0.2.1:443", "192.0.2.2:443"].map(|addr| addr.parse().unwrap());
        let s = Duration::from_secs;
        closings.add(a, CloseReason::PeerClosed, s(80), Some(s(74)));
        closings.add(a, CloseReason::PeerClosed, s(76), Some(s(76)));
        closings.add(a, CloseReason::PeerClosed, s(5), None);
        closings.add(b, CloseReason::Error, s(3), Some(s(1)));
        let list = closings.list();
        let times = |min, mean, max| Times { min, mean, max };
        assert_eq!(
            (list[0].count, list[0].by, list[0].idle_ms, list[0].open_ms),
            (
                2,
                By::Peer,
                Some(times(74e3, 75e3, 76e3)),
                times(76e3, 78e3, 80e3)
            )
        );
        assert_eq!((list[1].count, list[1].idle_ms), (1, None));
        assert_eq!((list[2].target, list[2].by), (b, By::Error));
        assert_eq!(list.len(), 3);
    }
}
