//! Many tasks at once, one promise per file. Run by `cargo xtask test scenarios`, or `cargo test -p xtask --test concurrency`.

#![forbid(unsafe_code)]

mod books;
mod crowd;
mod dice;
mod rig;

mod a_cold_burst_makes_one_h2_dial;
mod full_streams_open_another_connection;
mod one_h1_connection_has_one_owner;
mod tls_identities_are_never_shared;
