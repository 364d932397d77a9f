//! The whole pool in a simulated world: one thread, paused time, everything random from one seed.
//!
//! A run of a seed makes a few hosts with several addresses, servers behind them, callers and faults, and writes down
//! what everybody saw. The servers keep their own books, the network counts sockets and streams, and the checker holds
//! it all against the promises the pool makes, each named by its number. `cargo xtask sim` runs seeds; a failing one
//! can be had again.

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
mod plan;
mod run;
mod runner;
mod service;
mod wire;
mod witness;
