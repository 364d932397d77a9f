//! Addresses of one family as numbers from zero on, without writing them down one by one.

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
}

impl Space {
    /// The places of these ranges of addresses, first to last each. What occurs again, alone or inside a range, keeps its
    /// first place. The unspecified address is left out: to bind it is to let the operating system choose.
    pub(crate) fn new(ranges: impl IntoIterator<Item = (u128, u128)>) -> Self {
        let mut covered = Intervals::default();
        covered.insert(0, 0);
        let mut space = Self::default();
        for (first, last) in ranges {
            for (first, last) in covered.gaps(first, last) {
                covered.insert(first, last);
                space.spans.push(Span {
                    first,
                    last,
                    place: space.size,
                });
                space.size += last - first + 1;
            }
        }
        space.by_addr = (0..space.spans.len()).collect();
        space.by_addr.sort_by_key(|&i| space.spans[i].first);
        space
    }

    pub(crate) fn size(&self) -> u128 {
        self.size
    }

    /// The address at this place, which must be below the size.
    pub(crate) fn addr_at(&self, place: u128) -> u128 {
        let after = self.spans.partition_point(|span| span.place <= place);
        let span = self.spans[after - 1];
        span.first + (place - span.place)
    }

    /// The place of this address, if it has one.
    pub(crate) fn place_of(&self, addr: u128) -> Option<u128> {
        let after = self
            .by_addr
            .partition_point(|&i| self.spans[i].first <= addr);
        let span = self.spans[self.by_addr[after.checked_sub(1)?]];
        (addr <= span.last).then(|| span.place + (addr - span.first))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_address_has_one_place_in_the_order_given(ranges in proptest::collection::vec((0u128..40, 0u128..9), 0..12)) {
            let ranges: Vec<_> = ranges.into_iter().map(|(first, more)| (first, first + more)).collect();
            let mut expected = Vec::new();
            for addr in ranges.iter().flat_map(|&(first, last)| first..=last) {
                if addr != 0 && !expected.contains(&addr) {
                    expected.push(addr);
                }
            }
            let space = Space::new(ranges);
            let listed: Vec<u128> = (0..space.size()).map(|place| space.addr_at(place)).collect();
            prop_assert_eq!(&listed, &expected);
            for addr in 0..60 {
                let place = expected.iter().position(|&a| a == addr).map(|p| p as u128);
                prop_assert_eq!(space.place_of(addr), place);
            }
        }
    }
}
