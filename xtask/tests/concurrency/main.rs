//! Many tasks at once, one promise per file. Run by `cargo xtask test scenarios`, or `cargo test -p xtask --test concurrency`.

#![forbid(unsafe_code)]

mod books;
mod crowd;
mod dice;
mod rig;

mod a_cold_burst_makes_one_h2_dial;
mod a_mock_server_counts_each_request_once;
mod busy_hosts_take_turns;
mod every_door_serves;
mod full_streams_open_another_connection;
mod limits_bite;
mod no_request_is_lost_in_churn;
mod one_h1_connection_has_one_owner;
mod servers_see_the_configured_sources;
mod tenants_never_share_a_connection;
mod tls_identities_are_never_shared;
mod waiters_are_served_in_arrival_order;
