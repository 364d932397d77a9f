//! Addresses and prefixes together, leased round robin; what the list and the prefix allocator are made of.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::occupancy::Occupancy;
use crate::space::Space;
use crate::spec::{check_source, parse_all};
use crate::{
    AllocContext, Exhausted, ExhaustedReason, Lease, LocalAddrAllocator, MAX_SOURCES, SourceError,
    SourceProblem, SourceSpec,
};

/// Any number of addresses and prefixes as one allocator, round robin over all of the target's family.
///
/// The rotation follows the order given. An address that occurs twice, alone or in a prefix, counts once, at its first
/// place. Each family has its own rotation: a target takes part in that of its family and is refused where there is none.
///
/// Every address of a prefix is used, the first and the last too. Whether these two are a subnet's network and broadcast
/// address depends on how the interface is configured, which the prefix does not say: on loopback, on a `/31` and where a
/// whole prefix is routed to this machine they are ordinary addresses. Only `0.0.0.0` is left out, for to bind it is to
/// let the operating system choose.
///
/// Memory does not grow with the size of a prefix, only with the number of entries and of addresses in use. A lease costs
/// one short lock of its family and one allocation. Leases outlive the set. Their reports change nothing here.
#[derive(Debug)]
pub struct AddrSet {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    v4: Family,
    v6: Family,
    /// Both families in the order given.
    order: Vec<SourceSpec>,
}

#[derive(Debug)]
struct Family {
    space: Space,
    occupancy: Mutex<Occupancy>,
}

impl AddrSet {
    /// The union of these sources.
    ///
    /// # Errors
    ///
    /// [`SourceProblem::Empty`] if there is no address; [`SourceProblem::Unspecified`] or [`SourceProblem::NotUnicast`] for a
    /// single address that cannot be a source.
    pub fn new<S: Into<SourceSpec>>(
        sources: impl IntoIterator<Item = S>,
    ) -> Result<Self, SourceError> {
        let order: Vec<SourceSpec> = sources.into_iter().map(Into::into).collect();
        for spec in &order {
            if let SourceSpec::Addr(addr) = *spec {
                check_source(addr).map_err(|p| SourceError::new(&addr.to_string(), p))?;
            }
        }
        let ranges = |v4: bool| {
            order
                .iter()
                .map(bounds)
                .filter(move |(first, _)| first.is_ipv4() == v4)
                .map(|(first, last)| (to_number(first), to_number(last)))
        };
        let (v4, v6) = (Family::new(ranges(true)), Family::new(ranges(false)));
        if v4.space.size() + v6.space.size() == 0 {
            let given: Vec<String> = order.iter().map(ToString::to_string).collect();
            return Err(SourceError::new(&given.join(","), SourceProblem::Empty));
        }
        Ok(Self {
            shared: Arc::new(Shared { v4, v6, order }),
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

    /// The number of distinct addresses.
    pub fn size(&self) -> u128 {
        self.shared.v4.space.size() + self.shared.v6.space.size()
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
            Some(place) => family.lock().count(place),
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
            all.extend(of_family.into_iter().map(|(place, count)| {
                let addr = from_number(family.space.addr_at(place), v4);
                (addr, count)
            }));
        }
        all.sort_unstable();
        all
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
    /// Leases the wanted address, or else the next one of the target's family that is below its limit.
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        if cx.class.is_some() {
            return Err(Exhausted::new(ExhaustedReason::UnknownClass));
        }
        let v4 = cx.target.is_ipv4();
        let family = self.shared.family(v4);
        let place = match cx.want {
            Some(want) => {
                cx.check_family(want)?;
                let place = family.space.place_of(to_number(want));
                let not_ours = || Exhausted::new(ExhaustedReason::NotAllocated(want));
                let place = place.ok_or_else(not_ours)?;
                family.lock().take(place).then_some(place)
            }
            None if family.space.size() == 0 => {
                return Err(Exhausted::family_mismatch(cx.target));
            }
            None => family.lock().take_next(),
        };
        let place = place.ok_or_else(Exhausted::all_busy)?;
        let addr = from_number(family.space.addr_at(place), v4);
        let shared = Arc::clone(&self.shared);
        Ok(Lease::new(addr, move |_| {
            shared.family(v4).lock().give_back(place);
        }))
    }

    fn sources(&self) -> Vec<IpAddr> {
        let mut listed = Vec::new();
        let mut seen = HashSet::new();
        for spec in &self.shared.order {
            let (first, last) = bounds(spec);
            for number in to_number(first)..=to_number(last) {
                if listed.len() == MAX_SOURCES {
                    return listed;
                }
                let addr = from_number(number, first.is_ipv4());
                if !addr.is_unspecified() && seen.insert(addr) {
                    listed.push(addr);
                }
            }
        }
        listed
    }
}

impl Shared {
    fn family(&self, v4: bool) -> &Family {
        if v4 { &self.v4 } else { &self.v6 }
    }
}

impl Family {
    fn new(ranges: impl IntoIterator<Item = (u128, u128)>) -> Self {
        let space = Space::new(ranges);
        Self {
            occupancy: Mutex::new(Occupancy::new(space.size())),
            space,
        }
    }

    /// Only this crate's own arithmetic runs under the lock; a panic in it is a bug that the next caller may still outlive.
    fn lock(&self) -> MutexGuard<'_, Occupancy> {
        self.occupancy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn bounds(spec: &SourceSpec) -> (IpAddr, IpAddr) {
    match spec {
        SourceSpec::Addr(addr) => (*addr, *addr),
        SourceSpec::Ipv4(prefix) => (prefix.first().into(), prefix.last().into()),
    }
}

fn to_number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => addr.to_bits().into(),
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

fn from_number(number: u128, v4: bool) -> IpAddr {
    if v4 {
        let bits = u32::try_from(number).expect("an IPv4 space holds IPv4 addresses only");
        Ipv4Addr::from_bits(bits).into()
    } else {
        Ipv6Addr::from_bits(number).into()
    }
}
