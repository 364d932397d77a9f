//! What a set needs to take the place of another one while leases are held.

use std::net::IpAddr;

use super::{AddrSet, Family, Order};
use crate::space::{from_number, to_number};
use crate::{AllocContext, Exhausted};

impl AddrSet {
    /// Takes the address that a lease would be of; [`give_back`](Self::give_back) ends it.
    pub(crate) fn take_addr(&self, cx: &AllocContext<'_>) -> Result<IpAddr, Exhausted> {
        self.take(cx).map(|(_, addr)| addr)
    }

    /// Every address: for a set of single ones, whose number is bounded by what was given.
    pub(crate) fn all(&self) -> Vec<IpAddr> {
        let of_family = |v4| {
            let space = &self.shared.family(v4).space;
            (0..space.size()).map(move |place| from_number(space.addr_at(place), v4))
        };
        of_family(true).chain(of_family(false)).collect()
    }

    /// Gives back one use of an address that was taken or adopted.
    pub(crate) fn give_back(&self, addr: IpAddr) {
        let (family, position) = self.place(addr);
        family.lock().give_back(position);
    }

    /// Counts leases that an earlier set gave of an address of this one, whatever the limit.
    pub(crate) fn adopt(&self, addr: IpAddr, leases: usize) {
        let (family, position) = self.place(addr);
        family.lock().adopt(position, leases);
    }

    /// Lets each rotation go on with the address that was next in an earlier set, or the next after it that is here too.
    /// A shuffled order begins anew, for it is another one.
    pub(crate) fn go_on_after(&self, earlier: &Self) {
        for v4 in [true, false] {
            let (family, before) = (self.shared.family(v4), earlier.shared.family(v4));
            if matches!(family.order, Order::Shuffled(_)) {
                continue;
            }
            let next = before.lock().next();
            let in_turn = (next..before.space.size()).chain(0..next);
            let mut here = in_turn.filter_map(|at| family.space.place_of(before.addr_at(at)));
            if let Some(place) = here.next() {
                family.lock().go_on_at(place);
            }
        }
    }

    /// Where an address of the set stands.
    fn place(&self, addr: IpAddr) -> (&Family, u128) {
        let family = self.shared.family(addr.is_ipv4());
        let place = family.space.place_of(to_number(addr));
        let place = place.expect("only an address of the set is counted");
        (family, family.position_of(place))
    }
}
