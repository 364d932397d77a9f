//! What the numbers ought to be. Nothing fails over them: a target missed is said, and explained where the tables are.

use bench_report::Bound::{AtLeast, AtMost};
use bench_report::{Target, time};

const H1_BUSY: &str = "h1/c16/ours|h1/c64/ours";
const H2_BUSY: &str = "h2/c16/ours|h2/c64/ours";
const H2_ONE: &str = "h2/c16/ours_1_conn|h2/c64/ours_1_conn";

pub(crate) const TARGETS: &[Target] = &[
    time(
        "h1, few header fields: instructions, against raw hyper",
        ["instructions", "h1/small/c1/ours", "insn × raw"],
        AtMost(0.78),
    ),
    time(
        "h1, 9 and 12 header fields: instructions, against raw hyper",
        ["instructions", "h1/rich/c1/ours", "insn × raw"],
        AtMost(0.90),
    ),
    time(
        "h1: allocations of a request",
        ["instructions", "h1/small/c1/ours", "allocs"],
        AtMost(9.0),
    ),
    time(
        "h2: instructions, against the h2 crate",
        [
            "instructions",
            "h2/small/c1/ours|h2/small/c16/ours",
            "insn × raw",
        ],
        AtMost(1.08),
    ),
    time(
        "h2: allocations of a request",
        [
            "instructions",
            "h2/small/c1/ours|h2/small/c16/ours",
            "allocs",
        ],
        AtMost(10.0),
    ),
    time(
        "h2: polls of a request's task",
        ["instructions", "h2/small/c1/ours", "polls"],
        AtMost(1.1),
    ),
    time(
        "256 KiB on h1: bytes allocated, against raw hyper",
        ["instructions", "h1/256k/c1/ours", "bytes × raw"],
        AtMost(0.5),
    ),
    time(
        "h1 at 16 and 64: requests a second, against raw hyper",
        ["throughput", H1_BUSY, "× raw"],
        AtLeast(1.15),
    ),
    time(
        "h1 at 16 and 64: against hyper-util",
        ["throughput", H1_BUSY, "× hyper_util"],
        AtLeast(1.3),
    ),
    time(
        "h1 at 16 and 64: against reqwest",
        ["throughput", H1_BUSY, "× reqwest"],
        AtLeast(1.8),
    ),
    time(
        "h1 at 16 and 64: against wreq",
        ["throughput", H1_BUSY, "× wreq"],
        AtLeast(1.8),
    ),
    time(
        "h2 at 16 and 64, one connection: against the h2 crate",
        ["throughput", H2_ONE, "× raw"],
        AtLeast(0.97),
    ),
    time(
        "h2 at 16 and 64: against the h2 crate on one connection",
        ["throughput", H2_BUSY, "× raw"],
        AtLeast(1.15),
    ),
    time(
        "h2 at 16 and 64: against hyper-util",
        ["throughput", H2_BUSY, "× hyper_util"],
        AtLeast(1.3),
    ),
    time(
        "h2 at 16 and 64: against reqwest",
        ["throughput", H2_BUSY, "× reqwest"],
        AtLeast(1.5),
    ),
    time(
        "256 KiB on h1: against raw hyper",
        ["throughput", "h1/256k/c4/ours", "× raw"],
        AtLeast(1.05),
    ),
    time(
        "256 KiB on h2: against the h2 crate",
        ["throughput", "h2/256k/c4/ours", "× raw"],
        AtLeast(0.97),
    ),
    time(
        "idle h1 connection of 10,000: KiB",
        ["idle", "h1/10000/ours", "KiB/conn"],
        AtMost(10.0),
    ),
    time(
        "idle h2 connection of 10,000: KiB",
        ["idle", "h2/10000/ours", "KiB/conn"],
        AtMost(30.0),
    ),
    time(
        "opening a connection: processor time, against bare TCP and TLS",
        ["cold", "h1/connect/ours|h2/connect/ours", "cpu × bare"],
        AtMost(1.05),
    ),
    time(
        "64 first requests to an h2 host: dials",
        ["dials", "h2/ours", "dials"],
        AtMost(1.0),
    ),
    time(
        "handshakes resumed where the host was seen",
        ["resumed", "h1/ours|h2/ours", "resumed share"],
        AtLeast(0.95),
    ),
    time(
        "binding at 95 % of ports used: p99, against none used",
        ["bind", "95/ours", "p99 × empty"],
        AtMost(2.0),
    ),
    time(
        // The kernel looks at every port before it says no.
        "finding that no port is left: p99, against connecting with none used",
        ["bind", "100/ours", "p99 × empty"],
        AtMost(20.0),
    ),
];
