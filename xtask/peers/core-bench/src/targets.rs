//! What the numbers ought to be: some can be counted and are budgets, the others are times and only said.

use bench_report::Bound::{AtLeast, AtMost};
use bench_report::{Target, budget, time};

pub(crate) const TARGETS: &[Target] = &[
    budget(
        "acquire and release allocate nothing",
        ["acquire", "by_*", "allocs/op"],
        AtMost(0.0),
    ),
    time(
        "by handle without reading the clock, against a mutex around a vector",
        [
            "acquire",
            "by_handle_no_clock/1_host/1_idle/1_thread",
            "× mutex_vec",
        ],
        AtMost(3.0),
    ),
    time(
        "by handle, against a mutex around a vector",
        ["acquire", "by_handle/1_host/1_idle/1_thread", "× mutex_vec"],
        AtMost(6.0),
    ),
    time(
        "by key at 10,000 hosts, against deadpool in a map",
        [
            "acquire",
            "by_key/10000_hosts/2_idle/1_thread",
            "× deadpool_in_map",
        ],
        AtMost(0.25),
    ),
    time(
        "10,000 idle connections, against 1",
        ["selection", "1_addr/10000_conns", "× 1_conn"],
        AtMost(1.2),
    ),
    budget(
        "choosing among any number allocates nothing",
        ["selection", "*", "allocs/op"],
        AtMost(0.0),
    ),
    time(
        "waiting: throughput, against a semaphore and a vector",
        ["waiting", "ours/1000_tasks/10_conns", "× semaphore_vec"],
        AtLeast(0.95),
    ),
    time(
        "waiting: the slowest task's waits, against the fastest's",
        ["waiting", "ours/1000_tasks/10_conns", "slowest/fastest"],
        AtMost(1.2),
    ),
    time(
        "waiting: the longest wait, against the median",
        ["waiting", "ours/1000_tasks/10_conns", "max/median"],
        AtMost(6.0),
    ),
    budget(
        "nobody is served out of turn",
        ["order", "ours/1000_tasks/10_conns", "out of turn/1000"],
        AtMost(0.0),
    ),
    budget(
        "the most served task, against the least served",
        ["order", "ours/1000_tasks/10_conns", "most/fewest"],
        AtMost(1.2),
    ),
    budget(
        "polls per acquire",
        ["order", "ours/1000_tasks/10_conns", "polls/acquire"],
        AtMost(2.0),
    ),
    budget(
        "wakes per acquire",
        ["order", "ours/1000_tasks/10_conns", "wakes/acquire"],
        AtMost(1.0),
    ),
    budget(
        // Not 0: the runtime's own lists grow a few times.
        "to wait and to be served allocates nothing",
        ["order", "ours/1000_tasks/10_conns", "allocs/acquire"],
        AtMost(0.001),
    ),
    time(
        "64 tasks on one host, against 64 hosts",
        ["one_host", "64_tasks/1_host", "time × 64_hosts"],
        AtMost(1.5),
    ),
    budget(
        "a lease of an address allocates once, however many are held",
        ["sources", "r*", "allocs/op"],
        AtMost(1.0),
    ),
    budget(
        "and once more for each wrapper",
        ["sources", "wrapped/*", "allocs/op"],
        AtMost(4.0),
    ),
    budget(
        "bytes for each address in use, of any number",
        ["sources", "r*", "bytes/held"],
        AtMost(200.0),
    ),
    budget(
        "bytes for each address in use, in three wrappers",
        ["sources", "wrapped/*", "bytes/held"],
        AtMost(900.0),
    ),
    time(
        "a lease while 1,000 are held, against 10",
        ["sources", "random/1000_held", "× 10_held"],
        AtMost(1.2),
    ),
    time(
        // The same steps on maps that are larger than the caches.
        "a lease while 1,000,000 are held, against 10",
        ["sources", "random/1000000_held", "× 10_held"],
        AtMost(4.0),
    ),
    time(
        "the 99th percentile of an acquire beside all upkeep, against none",
        ["upkeep", "with", "p99 × without"],
        AtMost(2.0),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_budget_is_a_time() {
        for (column, is_budget) in TARGETS.iter().map(Target::place) {
            assert!(
                !is_budget
                    || !(column.contains("ns") || column.contains("/s") || column.contains('×')),
                "{column}"
            );
        }
    }
}
