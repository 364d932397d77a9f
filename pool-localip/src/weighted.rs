//! Several allocators by weight.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::options::{MAX_PER_ADDR, Options, SEED, STRATEGY, WHEN_BUSY};
use crate::refusal::Refusals;
use crate::{
    AddrSet, AllocContext, Exhausted, ExhaustedReason, Lease, LocalAddrAllocator, MAX_SOURCES,
    OptionDoc, OptionsError, SourceListener,
};

/// Several allocators, each taken as often as its weight says, evenly spread.
///
/// Weights of 3 and 1 give the turns a a b a. An allocator that refuses is passed over, and has not saved up turns when it comes
/// back. A wanted address is asked of each in the order given. An address that two of them have is counted by each for
/// itself; [`Caps`](crate::Caps) around them counts it once.
#[derive(Debug)]
pub struct Weighted {
    parts: Vec<Part>,
    /// By family: what each part is owed, in turns times the sum of weights.
    owed: [Mutex<Vec<i128>>; 2],
}

#[derive(Debug)]
struct Part {
    weight: u32,
    allocator: Arc<dyn LocalAddrAllocator>,
}

impl Weighted {
    /// The name in a configuration.
    pub const NAME: &'static str = "weighted";

    /// The options that [`from_options`](Self::from_options) knows.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc {
            key: "sources",
            meaning: "addresses and prefixes with weights, separated by commas, as in 127.0.2.0/27=3, 127.0.3.1=1",
            default: None,
        },
        STRATEGY,
        SEED,
        WHEN_BUSY,
        MAX_PER_ADDR,
    ];

    /// Nothing yet; every ask is refused as [`Empty`](ExhaustedReason::Empty).
    pub fn new() -> Self {
        Self {
            parts: Vec::new(),
            owed: Default::default(),
        }
    }

    /// Makes the allocator that a configuration describes: each entry of `sources` is an [`AddrSet`], to which the other
    /// options apply.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] names the option that is missing, unknown or has an unusable value.
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Self, OptionsError> {
        let options = Options::new(options, Self::OPTIONS)?;
        let key = "sources";
        let text = options.text(key).ok_or(OptionsError::Missing { key })?;
        let mut all = Self::new();
        for entry in text.split(',') {
            let (sources, weight) = entry.rsplit_once('=').unwrap_or((entry, "1"));
            let set = sources
                .parse::<AddrSet>()
                .map_err(|source| OptionsError::Source { key, source })?;
            let weight = match weight.trim().parse() {
                Ok(weight) if weight > 0 => weight,
                _ => {
                    let value = entry.trim().to_owned();
                    return Err(OptionsError::Number { key, value });
                }
            };
            all = all.with(weight, options.shape(set)?);
        }
        Ok(all)
    }

    /// Adds an allocator.
    ///
    /// # Panics
    ///
    /// If `weight` is zero.
    #[must_use]
    pub fn with(mut self, weight: u32, allocator: impl LocalAddrAllocator + 'static) -> Self {
        assert!(weight > 0, "a weight must be at least 1");
        self.parts.push(Part {
            weight,
            allocator: Arc::new(allocator),
        });
        for v4 in [true, false] {
            self.owed(v4).push(0);
        }
        self
    }

    /// Gives a turn to the part of these that is owed most.
    fn turn(&self, v4: bool, among: &[usize]) -> Option<usize> {
        let mut owed = self.owed(v4);
        for &i in among {
            owed[i] += i128::from(self.parts[i].weight);
        }
        // Of several the first.
        let chosen = among.iter().copied().rev().max_by_key(|&i| owed[i])?;
        owed[chosen] -= self.weight(among);
        Some(chosen)
    }

    /// Takes back a turn that the part did not want.
    fn take_back(&self, v4: bool, among: &[usize], chosen: usize) {
        let mut owed = self.owed(v4);
        for &i in among {
            owed[i] -= i128::from(self.parts[i].weight);
        }
        owed[chosen] += self.weight(among);
    }

    fn weight(&self, among: &[usize]) -> i128 {
        among
            .iter()
            .map(|&i| i128::from(self.parts[i].weight))
            .sum()
    }

    fn owed(&self, v4: bool) -> MutexGuard<'_, Vec<i128>> {
        let owed = &self.owed[usize::from(v4)];
        owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Weighted {
    fn default() -> Self {
        Self::new()
    }
}

impl LocalAddrAllocator for Weighted {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        let v4 = cx.target.is_ipv4();
        let mut refusals = Refusals::default();
        let mut last: Option<Exhausted> = None;
        let mut among: Vec<usize> = (0..self.parts.len()).collect();
        loop {
            let next = match cx.want {
                Some(_) => among.first().copied(),
                None => self.turn(v4, &among),
            };
            let Some(next) = next else { break };
            match self.parts[next].allocator.allocate(cx) {
                Ok(lease) => return Ok(lease),
                Err(exhausted) => {
                    if cx.want.is_none() {
                        self.take_back(v4, &among, next);
                    }
                    among.retain(|&i| i != next);
                    if let Some(refused) = refusals.note_all(exhausted) {
                        last = Some(more_telling(last, refused));
                    }
                }
            }
        }
        Err(match last {
            Some(last) if refusals.is_empty() => last,
            None if refusals.is_empty() => Exhausted::new(ExhaustedReason::Empty),
            _ => refusals.answer(cx),
        })
    }

    fn sources(&self) -> Vec<IpAddr> {
        let mut listed = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for part in &self.parts {
            listed.extend(
                part.allocator
                    .sources()
                    .into_iter()
                    .filter(|&a| seen.insert(a)),
            );
        }
        listed.truncate(MAX_SOURCES);
        listed
    }

    fn listen(&self, listener: Weak<dyn SourceListener>) {
        for part in &self.parts {
            part.allocator.listen(listener.clone());
        }
    }
}

/// Of two final answers the one that says more: that one part lacks the family says nothing about the others.
fn more_telling(before: Option<Exhausted>, now: Exhausted) -> Exhausted {
    match before {
        Some(before) if matches!(now.reason, ExhaustedReason::FamilyMismatch { .. }) => before,
        _ => now,
    }
}
