//! Why an address is passed over, and what the dial is told when all of them were.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::{AllocContext, Exhausted, ExhaustedReason};

/// A rule's answer about one address; `None` stands for what the operating system will choose.
pub(crate) trait Check: fmt::Debug + Sync {
    /// Whether a connection from `source` would be let through now. Nothing is taken.
    ///
    /// It may take a short lock of its own and is called under those of allocators inside, so it must not call one.
    fn look(&self, source: Option<IpAddr>, cx: &AllocContext<'_>) -> Result<(), Refusal>;
}

/// Why one address does not do; of several reasons the greatest counts, for all of them have to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    /// It has no room until a lease is dropped.
    Busy,
    /// It rests until then.
    Until(Instant),
    /// A working set outside has it already and asks for another one to join.
    Member,
    /// The dial has tried it already.
    Avoided,
    /// Excluded: neither time nor a drop helps.
    Never,
}

/// What a wrapper asks of the allocators inside it: not to choose what it would refuse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer<'a> {
    pub(crate) check: &'a dyn Check,
    /// The context that the wrapper was given, with the layers around it.
    pub(crate) outer: &'a AllocContext<'a>,
}

/// What all addresses that were looked at said.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    kind: Option<Kind>,
    retry_at: Option<Instant>,
}

/// The later wins: one that will be free when a lease drops makes the whole wait for drops too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Excluded,
    Resting,
    Busy,
}

impl Refusals {
    pub(crate) fn note(&mut self, refusal: Refusal) {
        let kind = match refusal {
            Refusal::Never | Refusal::Member | Refusal::Avoided => Kind::Excluded,
            Refusal::Until(at) => {
                self.wake_at(Some(at));
                Kind::Resting
            }
            Refusal::Busy => Kind::Busy,
        };
        self.kind = self.kind.max(Some(kind));
    }

    /// Takes in what a whole allocator said. Gives it back if it is final, about no address in particular.
    pub(crate) fn note_all(&mut self, exhausted: Exhausted) -> Option<Exhausted> {
        let kind = match exhausted.reason {
            ExhaustedReason::AllBusy => Kind::Busy,
            ExhaustedReason::Resting => Kind::Resting,
            ExhaustedReason::Excluded => Kind::Excluded,
            _ if exhausted.is_temporary() => Kind::Busy,
            _ => return Some(exhausted),
        };
        self.kind = self.kind.max(Some(kind));
        self.wake_at(exhausted.retry_at);
        None
    }

    /// Not all that may be free was looked at: no drop and no rest may tell of it.
    pub(crate) fn look_again_soon(&mut self, now: Instant) {
        self.kind = Some(Kind::Busy);
        self.wake_at(now.checked_add(ASK_AGAIN));
    }

    /// Whether nothing was noted.
    pub(crate) fn is_empty(&self) -> bool {
        self.kind.is_none()
    }

    /// The answer to the dial; [`ExhaustedReason::AllBusy`] if nothing was noted.
    pub(crate) fn answer(self, cx: &AllocContext<'_>) -> Exhausted {
        let reason = match (self.kind, cx.want) {
            (Some(Kind::Excluded), Some(want)) => ExhaustedReason::NotAllocated(want),
            (Some(Kind::Excluded), None) => ExhaustedReason::Excluded,
            (Some(Kind::Resting), _) => ExhaustedReason::Resting,
            (Some(Kind::Busy) | None, _) => ExhaustedReason::AllBusy,
        };
        Exhausted {
            reason,
            // One in the past would be asked without pause.
            retry_at: self.retry_at.filter(|&at| at > cx.now),
        }
    }

    fn wake_at(&mut self, at: Option<Instant>) {
        self.retry_at = [self.retry_at, at].into_iter().flatten().min();
    }
}

/// When to ask again where neither a drop nor a rest can be named.
const ASK_AGAIN: Duration = Duration::from_millis(10);
