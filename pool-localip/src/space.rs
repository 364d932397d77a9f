//! Addresses of one family as numbers from zero on, without writing them down one by one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::intervals::Intervals;

/// Distinct addresses of one family, each with its place in the order they were configured in.
#[derive(Debug, Default)]
pub(crate) struct Space {
    /// In order of place.
    spans: Vec<Span>,
    /// Indices into `spans`, ascending by address.
    by_addr: Vec<usize>,
    size: u128,
}

/// The addresses `first..=last`, at the places from `place` on.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: u128,
    last: u128,
    place: u128,
    /// Which of the ranges given it is from.
    range: usize,
}

impl Space {
    /// The places of these ranges of addresses, first to last each, with a number to know each range by. What occurs again,
    /// alone or inside a range, keeps its first place. The unspecified address is left out: to bind it is to let the
    /// operating system choose.
    pub(crate) fn new(ranges: impl IntoIterator<Item = (usize, u128, u128)>) -> Self {
        let mut covered = Intervals::default();
        covered.insert(0, 0);
        let mut space = Self::default();
        for (range, first, last) in ranges {
            for (first, last) in covered.gaps(first, last) {
                covered.insert(first, last);
                space.push(range, first, last);
            }
        }
        space.indexed()
    }

    /// The share number `index` of `of`, counted from zero: the shares differ in size by one at most, and together they are
    /// the whole, each address in one of them.
    pub(crate) fn slice(&self, index: u32, of: u32) -> Self {
        let (each, rest) = (self.size / u128::from(of), self.size % u128::from(of));
        let start = |i: u128| i * each + i.min(rest);
        let (from, to) = (start(index.into()), start(u128::from(index) + 1));
        let mut share = Self::default();
        for span in &self.spans {
            let end = span.place + (span.last - span.first) + 1;
            let (from, to) = (from.max(span.place), to.min(end));
            if from < to {
                let first = span.first + (from - span.place);
                share.push(span.range, first, first + (to - from - 1));
            }
        }
        share.indexed()
    }

    /// What is left without these addresses, in the same order.
    pub(crate) fn without(&self, excluded: &Intervals) -> Self {
        let mut left = Self::default();
        for span in &self.spans {
            for (first, last) in excluded.gaps(span.first, span.last) {
                left.push(span.range, first, last);
            }
        }
        left.indexed()
    }

    fn push(&mut self, range: usize, first: u128, last: u128) {
        self.spans.push(Span {
            first,
            last,
            place: self.size,
            range,
        });
        self.size += last - first + 1;
    }

    fn indexed(mut self) -> Self {
        self.by_addr = (0..self.spans.len()).collect();
        self.by_addr.sort_by_key(|&i| self.spans[i].first);
        self
    }

    pub(crate) fn size(&self) -> u128 {
        self.size
    }

    /// The address at this place, which must be below the size.
    pub(crate) fn addr_at(&self, place: u128) -> u128 {
        let span = self.span_of(place);
        span.first + (place - span.place)
    }

    /// The number of the range that the address at this place came from.
    pub(crate) fn range_at(&self, place: u128) -> usize {
        self.span_of(place).range
    }

    /// The place of this address, if it has one.
    pub(crate) fn place_of(&self, addr: u128) -> Option<u128> {
        let after = self
            .by_addr
            .partition_point(|&i| self.spans[i].first <= addr);
        let span = self.spans[self.by_addr[after.checked_sub(1)?]];
        (addr <= span.last).then(|| span.place + (addr - span.first))
    }

    fn span_of(&self, place: u128) -> Span {
        let after = self.spans.partition_point(|span| span.place <= place);
        self.spans[after - 1]
    }
}

pub(crate) fn to_number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => addr.to_bits().into(),
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

pub(crate) fn from_number(number: u128, v4: bool) -> IpAddr {
    if v4 {
        let bits = u32::try_from(number).expect("an IPv4 space holds IPv4 addresses only");
        Ipv4Addr::from_bits(bits).into()
    } else {
        Ipv6Addr::from_bits(number).into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn space(ranges: &[(u128, u128)]) -> Space {
        let numbered = ranges.iter().enumerate();
        Space::new(numbered.map(|(i, &(first, more))| (i, first, first + more)))
    }

    fn listed(space: &Space) -> Vec<u128> {
        (0..space.size())
            .map(|place| space.addr_at(place))
            .collect()
    }

    proptest! {
        #[test]
        fn every_address_has_one_place_in_the_order_given(ranges in proptest::collection::vec((0u128..40, 0u128..9), 0..12)) {
            let mut expected = Vec::new();
            let mut from = Vec::new();
            for (i, &(first, more)) in ranges.iter().enumerate() {
                for addr in first..=first + more {
                    if addr != 0 && !expected.contains(&addr) {
                        expected.push(addr);
                        from.push(i);
                    }
                }
            }
            let space = space(&ranges);
            prop_assert_eq!(&listed(&space), &expected);
            let ranges: Vec<usize> = (0..space.size()).map(|place| space.range_at(place)).collect();
            prop_assert_eq!(ranges, from);
            for addr in 0..60 {
                let place = expected.iter().position(|&a| a == addr).map(|p| p as u128);
                prop_assert_eq!(space.place_of(addr), place);
            }
        }

        #[test]
        fn slices_are_disjoint_complete_and_of_one_size(ranges in proptest::collection::vec((0u128..40, 0u128..9), 0..12), of in 1u32..20) {
            let whole = space(&ranges);
            let slices: Vec<_> = (0..of).map(|i| whole.slice(i, of)).collect();
            let together: Vec<u128> = slices.iter().flat_map(listed).collect();
            prop_assert_eq!(together, listed(&whole));
            let sizes = slices.iter().map(Space::size);
            prop_assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
        }

        #[test]
        fn what_is_taken_out_leaves_the_others_in_order(ranges in proptest::collection::vec((0u128..40, 0u128..9), 0..12), out in (0u128..40, 0u128..9)) {
            let whole = space(&ranges);
            let mut excluded = Intervals::default();
            excluded.insert(out.0, out.0 + out.1);
            let mut expected = listed(&whole);
            expected.retain(|addr| !(out.0..=out.0 + out.1).contains(addr));
            prop_assert_eq!(listed(&whole.without(&excluded)), expected);
        }
    }

    #[test]
    fn the_whole_of_ipv6_can_be_cut() {
        let all = Space::new([(0, 0, u128::MAX)]);
        assert_eq!(all.size(), u128::MAX);
        let halves = [all.slice(0, 2), all.slice(1, 2)];
        assert_eq!(halves[0].addr_at(0), 1);
        assert_eq!(
            halves[0].addr_at(halves[0].size() - 1) + 1,
            halves[1].addr_at(0)
        );
        assert_eq!(halves[1].addr_at(halves[1].size() - 1), u128::MAX);
    }
}
