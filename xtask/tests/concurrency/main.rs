//! Many tasks at once, one promise per file. Run by `cargo xtask test scenarios`, or `cargo test -p xtask --test concurrency`.

#![forbid(unsafe_code)]

mod dice;
mod load;
mod rig;
mod witness;

mod graceful_goaway_loses_no_request;
mod tls_identities_are_never_shared;
