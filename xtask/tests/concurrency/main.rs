//! Many tasks at once, one promise per file. Run by `cargo xtask test scenarios`, or `cargo test -p xtask --test concurrency`.

#![forbid(unsafe_code)]

mod books;
mod crowd;
mod dice;
mod load;
mod rig;
mod witness;

mod a_body_may_be_dropped_on_any_thread;
mod a_cold_burst_makes_one_h2_dial;
mod a_killed_origin_costs_no_get;
mod a_pool_outlives_its_runtime;
mod a_rejected_origin_waits_for_a_good_check;
mod a_request_may_be_dropped_at_any_await;
mod a_silent_peer_is_found;
mod addresses_change_under_load;
mod clean_up_cuts_no_request;
mod full_streams_open_another_connection;
mod graceful_goaway_loses_no_request;
mod nothing_is_left_after_close;
mod one_h1_connection_has_one_owner;
mod stale_connections_fail_no_request;
mod tls_identities_are_never_shared;
