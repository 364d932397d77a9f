//! Several profiles, each for its share of the requests.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{FingerprintContext, FingerprintSource};
use crate::ProfileId;

/// Profiles by weight: drawn for each request, or kept for each host or source class.
///
/// ```
/// use pool_tls::{FingerprintContext, FingerprintSource, Per, ProfileId, Weighted};
///
/// let weights = [(ProfileId::new("chromium-156"), 3), (ProfileId::new("firefox-esr-153"), 1)];
/// let source = Weighted::new(weights, 7)?.per(Per::Host);
/// let host = FingerprintContext::new("example.com", 443);
/// assert_eq!(source.choose(&host), source.choose(&host));
/// # Ok::<(), pool_tls::WeightsError>(())
/// ```
#[derive(Debug)]
pub struct Weighted {
    /// Each with the sum of the weights up to and with its own; never empty, strictly growing.
    choices: Vec<(u64, ProfileId)>,
    seed: u64,
    per: Per,
    drawn: AtomicU64,
}

/// What keeps its profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Per {
    /// Nothing: each request draws anew. The same seed gives the same sequence.
    Request,
    /// Host, port and partition: a host sees one profile for each partition, over restarts too if the seed stays.
    Host,
    /// Source class and partition: what leaves from one class of addresses (which may be one address) has one profile
    /// towards every host. Requests from any source share one.
    SourceClass,
}

impl Weighted {
    /// Profiles in proportion to their weights. Draws for each request, until [`per`](Self::per) says otherwise.
    ///
    /// # Errors
    ///
    /// [`WeightsError`] if no weight is above zero. A weight of zero is never drawn.
    pub fn new(
        weights: impl IntoIterator<Item = (ProfileId, u32)>,
        seed: u64,
    ) -> Result<Self, WeightsError> {
        let mut sum = 0;
        let mut choices = Vec::new();
        for (profile, weight) in weights {
            if weight > 0 {
                sum += u64::from(weight);
                choices.push((sum, profile));
            }
        }
        if choices.is_empty() {
            return Err(WeightsError(()));
        }
        Ok(Self {
            choices,
            seed,
            per: Per::Request,
            drawn: AtomicU64::new(0),
        })
    }

    /// Keeps the profile of each of these.
    #[must_use]
    pub fn per(mut self, per: Per) -> Self {
        self.per = per;
        self
    }

    fn number(&self, cx: &FingerprintContext<'_>) -> u64 {
        let partition = cx.partition.unwrap_or_default().as_bytes();
        let parts: [&[u8]; 3] = match self.per {
            Per::Request => return mix(self.seed, self.drawn.fetch_add(1, Ordering::Relaxed)),
            Per::Host => [cx.host.as_bytes(), &cx.port.to_be_bytes(), partition],
            Per::SourceClass => {
                let class = cx.source_class.unwrap_or_default().as_bytes();
                // A class without a name is another than none.
                [class, &[u8::from(cx.source_class.is_some())], partition]
            }
        };
        parts
            .into_iter()
            .fold(self.seed, |hash, part| mix(hash, fold(part)))
    }
}

impl FingerprintSource for Weighted {
    fn choose(&self, cx: &FingerprintContext<'_>) -> ProfileId {
        let sum = self.choices.last().map_or(1, |(sum, _)| *sum);
        let at = self.number(cx) % sum;
        let chosen = self.choices.partition_point(|(sum, _)| *sum <= at);
        self.choices[chosen].1.clone()
    }

    fn profiles(&self, cx: &FingerprintContext<'_>) -> Vec<ProfileId> {
        if self.per != Per::Request {
            return vec![self.choose(cx)];
        }
        let mut known = HashSet::new();
        let each = self.choices.iter().map(|(_, profile)| profile);
        each.filter(|profile| known.insert(*profile))
            .cloned()
            .collect()
    }
}

/// FNV-1a, and the length, so that where one part ends and the next begins makes a difference. Not std's hasher, which
/// may change with a release: a host would then change its profile.
fn fold(part: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ part.len() as u64;
    part.iter().fold(start, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// One step of splitmix64 (Steele, Lea and Flood 2014) from a state made of both.
fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Weights of which none is above zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightsError(());

impl fmt::Display for WeightsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no profile has a weight above zero")
    }
}

impl Error for WeightsError {}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::conformance;

    fn three() -> [(ProfileId, u32); 3] {
        [("a", 6), ("never", 0), ("b", 2)].map(|(name, weight)| (ProfileId::new(name), weight))
    }

    fn shares(
        source: &Weighted,
        contexts: impl Iterator<Item = (String, Option<String>)>,
    ) -> HashMap<ProfileId, usize> {
        let mut counts = HashMap::new();
        for (host, class) in contexts {
            let cx = FingerprintContext::new(&host, 443).with_source_class(class.as_deref());
            *counts.entry(source.choose(&cx)).or_default() += 1;
        }
        counts
    }

    #[test]
    fn each_profile_gets_its_share_whatever_keeps_it() {
        for per in [Per::Request, Per::Host, Per::SourceClass] {
            let source = Weighted::new(three(), 1).unwrap().per(per);
            let contexts = (0..4000).map(|n| match per {
                Per::Request => ("h".into(), None),
                Per::Host => (format!("h{n}"), None),
                Per::SourceClass => ("h".into(), Some(format!("c{n}"))),
            });
            let counts = shares(&source, contexts);
            // Three quarters of 4000, give or take six standard deviations (27).
            let a = counts[&ProfileId::new("a")];
            assert!((2840..3160).contains(&a), "{per:?}: {a}");
            assert!(!counts.contains_key(&ProfileId::new("never")));
            conformance::source(&source, &[ProfileId::new("a"), ProfileId::new("b")]);
        }
    }

    #[test]
    fn what_is_kept_for_a_host_changes_with_nothing_else() {
        let source = Weighted::new(three(), 9).unwrap().per(Per::Host);
        let other = Weighted::new(three(), 9).unwrap().per(Per::Host);
        let mut seen = HashMap::new();
        for n in 0..64 {
            let host = format!("host-{n}.test");
            let cx = FingerprintContext::new(&host, 443);
            let chosen = source.choose(&cx);
            assert_eq!(source.choose(&cx.with_source_class(Some("x"))), chosen);
            assert_eq!(
                other.choose(&cx),
                chosen,
                "the seed decides, not the process"
            );
            *seen.entry(chosen).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 2);
        let reseeded = Weighted::new(three(), 10).unwrap().per(Per::Host);
        let differs = (0..64).any(|n| {
            let host = format!("host-{n}.test");
            let cx = FingerprintContext::new(&host, 443);
            source.choose(&cx) != reseeded.choose(&cx)
        });
        assert!(differs);
    }

    #[test]
    fn a_class_of_sources_shows_one_profile_to_every_host() {
        let source = Weighted::new(three(), 3).unwrap().per(Per::SourceClass);
        for class in [None, Some("192.0.2.1"), Some("dsl"), Some("")] {
            let of =
                |host| source.choose(&FingerprintContext::new(host, 443).with_source_class(class));
            assert_eq!(of("a.test"), of("b.test"));
        }
    }

    #[test]
    fn parts_do_not_run_into_one_another() {
        let source = Weighted::new(three(), 3).unwrap().per(Per::Host);
        let split = |host, partition| {
            source.number(&FingerprintContext::new(host, 443).with_partition(Some(partition)))
        };
        assert_ne!(split("ab", "c"), split("a", "bc"));
        assert_ne!(split("a", ""), split("", "a"));
    }

    #[test]
    fn weights_that_choose_nothing_are_refused() {
        let nothing = [(ProfileId::native(), 0)];
        assert_eq!(Weighted::new(nothing, 0).unwrap_err(), WeightsError(()));
        assert!(Weighted::new([], 0).is_err());
    }
}
