//! Does the lease of a source address cost more, the more are held?

use std::sync::Arc;
use std::time::Instant;

use bench_report::{Column, Table, column};
use bench_report::{median, ratio, spread};
use pool_localip::{
    AddrSet, AllocContext, Caps, Cooldown, Lease, LocalAddrAllocator, PortBudget, Strategy,
};

use crate::clock;
use crate::harness::{Contender, Effort, interleave};

const COLUMNS: &[Column] = &[
    column("ns/op", 1),
    column("spread", 2),
    column("× 10_held", 2),
    column("allocs/op", 2),
    column("bytes/held", 0),
];

const HELD: [usize; 3] = [10, 1_000, 1_000_000];

/// The ways to choose, each with a name for each of [`HELD`].
const WAYS: [(Way, [&str; 3]); 4] = [
    (
        Way::Alone(Strategy::RoundRobin),
        [
            "round_robin/10_held",
            "round_robin/1000_held",
            "round_robin/1000000_held",
        ],
    ),
    (
        Way::Alone(Strategy::Random { seed: 7 }),
        ["random/10_held", "random/1000_held", "random/1000000_held"],
    ),
    (
        Way::Alone(Strategy::LeastUsed),
        [
            "least_used/10_held",
            "least_used/1000_held",
            "least_used/1000000_held",
        ],
    ),
    (
        Way::Wrapped,
        [
            "wrapped/10_held",
            "wrapped/1000_held",
            "wrapped/1000000_held",
        ],
    ),
];

#[derive(Clone, Copy)]
enum Way {
    /// A prefix by this strategy.
    Alone(Strategy),
    /// A prefix at random, with caps, a budget of ports and rests.
    Wrapped,
}

impl Way {
    fn allocator(self) -> Arc<dyn LocalAddrAllocator> {
        let prefix: AddrSet = "2001:db8::/64".parse().expect("a prefix");
        match self {
            Self::Alone(strategy) => Arc::new(prefix.strategy(strategy)),
            Self::Wrapped => {
                let random = prefix.strategy(Strategy::Random { seed: 7 });
                let capped = Caps::new(random).per_target(8);
                Arc::new(Cooldown::new(PortBudget::new(capped, 28_000)))
            }
        }
    }
}

/// A lease of a `/64` and its return, while so many others are held.
pub(crate) fn table(effort: Effort) -> Table {
    let title = "What does the lease of an address of a /64 cost while 10 to 1,000,000 are held?";
    let mut table = Table::new("sources", title, COLUMNS);
    // Read for every dial, by the pool; it does not belong to what is measured.
    let now = clock::now();
    for (way, names) in WAYS {
        let mut bytes = Vec::new();
        let mut contenders = Vec::new();
        for (name, held) in names.into_iter().zip(HELD) {
            let allocator = way.allocator();
            let mut leases: Vec<Lease> = Vec::with_capacity(held);
            let info = allocation_counter::measure(|| {
                leases.extend((0..held).map(|_| lease(allocator.as_ref(), now)));
            });
            bytes.push(info.bytes_current as f64 / held as f64);
            let worker = move |ops| {
                for _ in 0..ops {
                    drop(lease(allocator.as_ref(), now));
                }
                // They are held all the while.
                debug_assert_eq!(leases.len(), held);
            };
            contenders.push(Contender::new(name, vec![Box::new(worker)]));
        }
        let measured = interleave(contenders, effort);
        for (m, bytes) in measured.iter().zip(bytes) {
            let cells = [
                median(&m.rounds),
                spread(&m.rounds),
                ratio(&m.rounds, &measured[0].rounds),
                m.allocs,
                bytes,
            ];
            table.add(m.name.to_owned(), cells.map(Some).to_vec());
        }
    }
    table
}

fn lease(allocator: &dyn LocalAddrAllocator, now: Instant) -> Lease {
    let target = ([0x2001, 0xdb8, 1, 0, 0, 0, 0, 1], 443).into();
    allocator
        .allocate(&AllocContext::new(target, now))
        .expect("a /64 has more")
}
