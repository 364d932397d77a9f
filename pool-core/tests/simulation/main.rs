//! The whole pool in a simulated world: one thread, paused time, everything random from one seed.
//!
//! A run of a seed makes a few hosts with several addresses, servers behind them, callers and faults, and writes down
//! what everybody saw. The servers keep their own books, the network counts sockets and streams, and the checker holds
//! it all against the promises the pool makes. `cargo xtask sim` runs seeds; a failing one can be had again.
//!
//! | | promise |
//! |---|---|
//! | I1 | no limit is exceeded at any time, on connections, dials, streams or source addresses |
//! | I2 | each lease comes back exactly once |
//! | I5 | who waits for a host is served in the order of arrival |
//! | I6 | a connection that is known to take nothing new is not handed out |
//! | I7 | an HTTP/1.1 connection has one owner, and is used again only when all was written and read |
//! | I9 | every request has one outcome, its own, and before its deadlines |
//! | I10 | counters conserve |
//! | I11 | nothing is done more often than retries allow, and what must not be repeated at most once |
//! | I12 | retries keep within their budget |
//! | I13 | after the close nothing is left: no socket, dial, waiter or task |
//! | I17 | when the faults are over every host serves again, by itself |

mod caps;
mod check;
mod clock;
mod cutter;
mod dice;
mod faults;
mod frames;
mod gauge;
mod h1;
mod h2;
mod history;
mod load;
mod network;
mod peer;
mod plan;
mod run;
mod runner;
mod service;
mod site;
mod socket;
mod wire;
mod witness;
