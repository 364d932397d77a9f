//! The order in which hosts are visited: shuffled, the same in every run and for every contender.

use std::sync::Arc;

/// Goes round all hosts for ever.
pub(crate) struct Walk {
    order: Arc<[u32]>,
    at: usize,
}

impl Walk {
    /// The host to visit next.
    #[inline]
    pub(crate) fn step(&mut self) -> usize {
        let host = self.order[self.at];
        self.at += 1;
        if self.at == self.order.len() {
            self.at = 0;
        }
        host as usize
    }
}

/// Hosts in one shuffled order.
pub(crate) struct Order(Arc<[u32]>);

impl Order {
    pub(crate) fn new(hosts: usize) -> Self {
        let hosts = u32::try_from(hosts).expect("hosts are counted in thousands");
        let mut order: Vec<u32> = (0..hosts).collect();
        let mut random = Random(SEED);
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last + 1));
        }
        Self(order.into())
    }

    /// The walk of thread `seat` of `seats`: each begins elsewhere.
    pub(crate) fn walk(&self, seat: usize, seats: usize) -> Walk {
        Walk {
            order: self.0.clone(),
            at: self.0.len() * seat / seats,
        }
    }
}

const SEED: u64 = 2024;

/// Steele, Lea and Flood's SplitMix64 (OOPSLA 2014): small, and good enough to shuffle with.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_visits_every_host_once_a_round_and_each_seat_begins_elsewhere() {
        let order = Order::new(1000);
        let (mut first, mut second) = (order.walk(0, 2), order.walk(1, 2));
        assert_ne!(first.step(), second.step());
        let mut walk = order.walk(1, 2);
        let mut seen: Vec<usize> = (0..1000).map(|_| walk.step()).collect();
        assert_ne!(seen[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..1000));
    }
}
