//! Addresses and prefixes together, leased by a strategy; what the list and the prefix allocator are made of.

#[cfg(feature = "interfaces")]
mod live;

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::intervals::Intervals;
use crate::occupancy::{NoneTaken, Occupancy};
use crate::permutation::Permutation;
use crate::refusal::{Refusal, Refusals};
use crate::space::{Space, from_number, to_number};
use crate::spec::{check_prefix, check_source, parse_all};
use crate::strategy::{StickyBy, Strategy, WhenBusy};
use crate::{
    AllocContext, Exhausted, ExhaustedReason, Lease, LocalAddrAllocator, MAX_SOURCES, SourceError,
    SourceProblem, SourceSpec,
};

/// Any number of addresses and prefixes as one allocator: round robin, or by another [`Strategy`].
///
/// The rotation follows the order given. An address that occurs twice, alone or in a prefix, counts once, at its first
/// place. Each family has its own rotation: a target takes part in that of its family and is refused where there is none.
///
/// Every address of an IPv4 prefix is used, the first and the last too. Whether these two are a subnet's network and broadcast
/// address depends on how the interface is configured, which the prefix does not say: on loopback, on a `/31` and where a
/// whole prefix is routed to this machine they are ordinary addresses. Only `0.0.0.0` is left out, for to bind it is to
/// let the operating system choose.
///
/// The first address of an IPv6 prefix, all of whose host bits are zero, is left out: it is the Subnet-Router anycast address
/// (RFC 4291, section 2.6.1), which a router of that subnet answers to, so that replies may go there. A `/127` and a `/128` have
/// none (RFC 6164, section 6). Written as a single address it is used. The 128 highest addresses of a subnet, reserved for anycast too
/// (RFC 2526), are used, for hardly a network assigns them; [`without`](Self::without) takes them out.
///
/// Memory does not grow with the size of a prefix, only with the number of entries and of addresses in use. A lease costs
/// one short lock of its family and one allocation. Leases outlive the set. Their reports change nothing here: a
/// [`Cooldown`](crate::Cooldown) around it acts on them.
#[derive(Debug)]
pub struct AddrSet {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    v4: Family,
    v6: Family,
    strategy: Strategy,
}

#[derive(Debug)]
struct Family {
    space: Space,
    /// The order of the positions that `occupancy` counts.
    order: Order,
    occupancy: Mutex<Occupancy>,
}

#[derive(Debug)]
enum Order {
    AsGiven,
    Shuffled(Permutation),
}

impl AddrSet {
    /// The union of these sources.
    ///
    /// # Errors
    ///
    /// [`SourceProblem::Empty`] if there is no address; [`SourceProblem::Unspecified`], [`SourceProblem::NotUnicast`] or
    /// [`SourceProblem::Ipv4Mapped`] for a single address that cannot be a source, or a prefix without one.
    pub fn new<S: Into<SourceSpec>>(
        sources: impl IntoIterator<Item = S>,
    ) -> Result<Self, SourceError> {
        let given: Vec<SourceSpec> = sources.into_iter().map(Into::into).collect();
        for spec in &given {
            let checked = match *spec {
                SourceSpec::Addr(addr) => check_source(addr).err(),
                SourceSpec::Prefix(prefix) => check_prefix(prefix).err(),
            };
            if let Some(problem) = checked {
                return Err(SourceError::new(&spec.to_string(), problem));
            }
        }
        let of_family = |v4: bool| {
            let ranges = given.iter().map(range).enumerate();
            let ranges = ranges.filter(move |(_, (first, _))| first.is_ipv4() == v4);
            Space::new(ranges.map(|(i, (first, last))| (i, to_number(first), to_number(last))))
        };
        Self::of_spaces(of_family(true), of_family(false)).ok_or_else(|| {
            let given: Vec<String> = given.iter().map(ToString::to_string).collect();
            SourceError::new(&given.join(","), SourceProblem::Empty)
        })
    }

    /// Leases the addresses round robin; `None` if there are none.
    fn of_spaces(v4: Space, v6: Space) -> Option<Self> {
        let shared = Shared {
            v4: Family::new(v4, Strategy::default()),
            v6: Family::new(v6, Strategy::default()),
            strategy: Strategy::default(),
        };
        let any = shared.v4.space.size() > 0 || shared.v6.space.size() > 0;
        any.then(|| Self {
            shared: Arc::new(shared),
        })
    }

    /// Chooses by this strategy instead of round robin.
    ///
    /// # Panics
    ///
    /// If there are leases, or a limit was set: first the strategy, then [`max_per_addr`](Self::max_per_addr).
    #[must_use]
    pub fn strategy(self, strategy: Strategy) -> Self {
        let shared = Arc::into_inner(self.shared).expect("no lease of the set is held");
        for family in [&shared.v4, &shared.v6] {
            let limited = family.lock().is_limited();
            assert!(!limited, "the strategy is set before max_per_addr");
        }
        let family = |family: Family| Family::new(family.space, strategy);
        Self {
            shared: Arc::new(Shared {
                v4: family(shared.v4),
                v6: family(shared.v6),
                strategy,
            }),
        }
    }

    /// The share number `index` of `of`, counted from zero: what one of `of` processes uses that are all given these
    /// sources in this order.
    ///
    /// The shares of each family differ in size by one at most. Together they are the whole, and no address is in two of them.
    /// The strategy and limits are chosen afterwards.
    ///
    /// # Errors
    ///
    /// [`SourceProblem::Empty`] if no address is left for it, because there are fewer than `of`.
    ///
    /// # Panics
    ///
    /// If `index` is not below `of`.
    pub fn slice(&self, index: u32, of: u32) -> Result<Self, SourceError> {
        assert!(index < of, "slice {index} of {of}: the first is 0");
        let cut = |family: &Family| family.space.slice(index, of);
        Self::of_spaces(cut(&self.shared.v4), cut(&self.shared.v6)).ok_or_else(|| {
            SourceError::new(&format!("slice {index} of {of}"), SourceProblem::Empty)
        })
    }

    /// The set without these addresses, at no cost later, however many they are. The strategy and limits are chosen
    /// afterwards. For what comes and goes there is [`Exclude`](crate::Exclude).
    ///
    /// # Errors
    ///
    /// [`SourceProblem::Empty`] if no address is left.
    pub fn without<S: Into<SourceSpec>>(
        &self,
        excluded: impl IntoIterator<Item = S>,
    ) -> Result<Self, SourceError> {
        let excluded: Vec<SourceSpec> = excluded.into_iter().map(Into::into).collect();
        let cut = |family: &Family, v4| family.space.without(&covered(&excluded, v4));
        Self::of_spaces(cut(&self.shared.v4, true), cut(&self.shared.v6, false)).ok_or_else(|| {
            let excluded: Vec<String> = excluded.iter().map(ToString::to_string).collect();
            let input = format!("all but {}", excluded.join(","));
            SourceError::new(&input, SourceProblem::Empty)
        })
    }

    /// Connections at a time per address, open or opening; unlimited by default.
    ///
    /// When every address of a family has that many, [`ExhaustedReason::AllBusy`] is the answer.
    ///
    /// # Panics
    ///
    /// If `connections` is zero.
    #[must_use]
    pub fn max_per_addr(self, connections: usize) -> Self {
        assert!(connections > 0, "max_per_addr must be at least 1");
        for family in [&self.shared.v4, &self.shared.v6] {
            family.lock().set_max_each(connections);
        }
        self
    }

    /// The number of distinct addresses; `u128::MAX` stands for more too.
    pub fn size(&self) -> u128 {
        let (v4, v6) = (self.shared.v4.space.size(), self.shared.v6.space.size());
        v4.saturating_add(v6)
    }

    /// Whether `addr` is one of the addresses.
    pub fn contains(&self, addr: IpAddr) -> bool {
        let family = self.shared.family(addr.is_ipv4());
        family.space.place_of(to_number(addr)).is_some()
    }

    /// The leases that are held, over all addresses.
    pub fn in_use(&self) -> usize {
        self.counts().iter().map(|(_, count)| count).sum()
    }

    /// The leases that are held of one address.
    pub fn in_use_of(&self, addr: IpAddr) -> usize {
        let family = self.shared.family(addr.is_ipv4());
        match family.space.place_of(to_number(addr)) {
            Some(place) => family.lock().count(family.position_of(place)),
            None => 0,
        }
    }

    /// The addresses with at least one lease and how many each has, ascending, IPv4 first.
    ///
    /// Consistent per family.
    pub fn counts(&self) -> Vec<(IpAddr, usize)> {
        let mut all = Vec::new();
        for v4 in [true, false] {
            let family = self.shared.family(v4);
            let of_family: Vec<_> = family.lock().counts().collect();
            let addr_at = |position| from_number(family.addr_at(position), v4);
            all.extend(
                of_family
                    .into_iter()
                    .map(|(at, count)| (addr_at(at), count)),
            );
        }
        all.sort_unstable();
        all
    }

    /// Takes what a lease would be of: a position in the target's family, and its address.
    fn take(&self, cx: &AllocContext<'_>) -> Result<(u128, IpAddr), Exhausted> {
        let by_class = matches!(
            self.shared.strategy,
            Strategy::Sticky {
                by: StickyBy::Class,
                ..
            }
        );
        if cx.class.is_some() && !by_class {
            return Err(Exhausted::new(ExhaustedReason::UnknownClass));
        }
        let v4 = cx.target.is_ipv4();
        let family = self.shared.family(v4);
        let mut refusals = Refusals::default();
        let taken = match cx.want {
            Some(want) => {
                cx.check_family(want)?;
                let place = family.space.place_of(to_number(want));
                let not_ours = || Exhausted::new(ExhaustedReason::NotAllocated(want));
                let position = family.position_of(place.ok_or_else(not_ours)?);
                family.take_this(position, cx, &mut refusals)
            }
            None if family.space.size() == 0 => {
                return Err(Exhausted::family_mismatch(cx.target));
            }
            None => self.shared.choose(family, cx, &mut refusals),
        };
        let position = taken.ok_or_else(|| refusals.answer(cx))?;
        Ok((position, from_number(family.addr_at(position), v4)))
    }
}

/// Sources separated by commas, as in `127.0.2.0/27,127.0.3.1`.
impl FromStr for AddrSet {
    type Err = SourceError;

    fn from_str(input: &str) -> Result<Self, SourceError> {
        Self::new(parse_all(input)?)
    }
}

impl LocalAddrAllocator for AddrSet {
    /// Leases the wanted address, or else the one that the strategy chooses of those of the target's family that are below
    /// their limit and that no wrapper refuses.
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        let (position, addr) = self.take(cx)?;
        let shared = Arc::clone(&self.shared);
        Ok(Lease::new(addr, move |_| {
            let family = shared.family(addr.is_ipv4());
            family.lock().give_back(position);
        }))
    }

    fn sources(&self) -> Vec<IpAddr> {
        let mut listed: Vec<(u128, IpAddr)> = [true, false]
            .into_iter()
            .flat_map(|v4| {
                let family = self.shared.family(v4);
                let first = (0..family.space.size()).take(MAX_SOURCES);
                first.map(move |position| {
                    let addr = from_number(family.addr_at(position), v4);
                    (family.rank_of(position), addr)
                })
            })
            .collect();
        listed.sort_by_key(|&(rank, _)| rank);
        listed.truncate(MAX_SOURCES);
        listed.into_iter().map(|(_, addr)| addr).collect()
    }
}

impl Shared {
    fn family(&self, v4: bool) -> &Family {
        if v4 { &self.v4 } else { &self.v6 }
    }

    /// Takes the position that the strategy chooses, of a family that has addresses.
    fn choose(
        &self,
        family: &Family,
        cx: &AllocContext<'_>,
        refusals: &mut Refusals,
    ) -> Option<u128> {
        let start = match self.strategy {
            Strategy::RoundRobin | Strategy::Random { .. } | Strategy::LeastUsed => None,
            Strategy::Sticky {
                by,
                seed,
                when_busy,
            } => {
                let position = by.position(seed, cx, family.space.size());
                if when_busy == WhenBusy::Wait {
                    return family.take_this(position, cx, refusals);
                }
                Some(position)
            }
        };
        family.take_any(start, cx, refusals)
    }
}

impl Family {
    fn new(space: Space, strategy: Strategy) -> Self {
        let size = space.size();
        let order = match strategy {
            Strategy::Random { seed } => Order::Shuffled(Permutation::new(size, seed)),
            _ => Order::AsGiven,
        };
        let occupancy = match strategy {
            Strategy::LeastUsed => Occupancy::by_use(size),
            _ => Occupancy::new(size),
        };
        Self {
            space,
            order,
            occupancy: Mutex::new(occupancy),
        }
    }

    /// Takes this position, or notes why not.
    fn take_this(
        &self,
        position: u128,
        cx: &AllocContext<'_>,
        refusals: &mut Refusals,
    ) -> Option<u128> {
        let mut occupancy = self.lock();
        let refusal = match self.refusal(position, cx) {
            None if occupancy.take(position) => return Some(position),
            None => Refusal::Busy,
            Some(refusal) => refusal,
        };
        refusals.note(refusal);
        None
    }

    /// Takes the next position in rotation, or else the first from `start` on, or notes why there is none.
    fn take_any(
        &self,
        start: Option<u128>,
        cx: &AllocContext<'_>,
        refusals: &mut Refusals,
    ) -> Option<u128> {
        let mut occupancy = self.lock();
        let permits = |position| match self.refusal(position, cx) {
            None => true,
            Some(refusal) => {
                refusals.note(refusal);
                false
            }
        };
        let taken = match start {
            None => occupancy.take_next(permits),
            Some(start) => occupancy.take_from(start, permits),
        };
        match taken {
            Ok(position) => return Some(position),
            Err(NoneTaken::GaveUp) => refusals.look_again_soon(cx.now),
            Err(NoneTaken::LookedAtAll) if occupancy.is_any_full() => refusals.note(Refusal::Busy),
            Err(NoneTaken::LookedAtAll) => {}
        }
        None
    }

    fn refusal(&self, position: u128, cx: &AllocContext<'_>) -> Option<Refusal> {
        let v4 = cx.target.is_ipv4();
        cx.refusal(Some(from_number(self.addr_at(position), v4)))
    }

    fn addr_at(&self, position: u128) -> u128 {
        self.space.addr_at(self.place_at(position))
    }

    /// What the families are merged by where both are listed: the order given, else turn by turn.
    fn rank_of(&self, position: u128) -> u128 {
        match &self.order {
            Order::AsGiven => self.space.range_at(position) as u128,
            Order::Shuffled(_) => position,
        }
    }

    fn place_at(&self, position: u128) -> u128 {
        match &self.order {
            Order::AsGiven => position,
            Order::Shuffled(shuffled) => shuffled.at(position),
        }
    }

    fn position_of(&self, place: u128) -> u128 {
        match &self.order {
            Order::AsGiven => place,
            Order::Shuffled(shuffled) => shuffled.position_of(place),
        }
    }

    /// Only this crate's own arithmetic runs under the lock; a panic in it is a bug that the next caller may still outlive.
    fn lock(&self) -> MutexGuard<'_, Occupancy> {
        self.occupancy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first and the last address that are used.
fn range(spec: &SourceSpec) -> (IpAddr, IpAddr) {
    match spec {
        SourceSpec::Addr(addr) => (*addr, *addr),
        SourceSpec::Prefix(prefix) => {
            let anycast = !prefix.is_ipv4() && prefix.host_bits() > 1;
            let first = to_number(prefix.first()) + u128::from(anycast);
            (from_number(first, prefix.is_ipv4()), prefix.last())
        }
    }
}

/// All addresses of one family that these name, as numbers.
pub(crate) fn covered(specs: &[SourceSpec], v4: bool) -> Intervals {
    let mut covered = Intervals::default();
    for spec in specs {
        let (first, last) = match spec {
            SourceSpec::Addr(addr) => (*addr, *addr),
            SourceSpec::Prefix(prefix) => (prefix.first(), prefix.last()),
        };
        if first.is_ipv4() == v4 {
            for (first, last) in covered.gaps(to_number(first), to_number(last)) {
                covered.insert(first, last);
            }
        }
    }
    covered
}
