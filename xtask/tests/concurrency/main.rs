//! Many tasks at once, one promise per file. Run by `cargo xtask test scenarios`, or `cargo test -p xtask --test concurrency`.

#![forbid(unsafe_code)]

mod books;
mod crowd;
mod dice;
mod files;
mod load;
mod namespace;
mod rig;
mod witness;

mod a_body_may_be_dropped_on_any_thread;
mod a_close_of_idle_connections_is_noticed;
mod a_cold_burst_makes_one_h2_dial;
mod a_killed_origin_costs_no_get;
mod a_load_that_lasts_gets_a_second_connection;
mod a_mock_server_counts_each_request_once;
mod a_pool_outlives_its_runtime;
mod a_rejected_origin_waits_for_a_good_check;
mod a_request_may_be_dropped_at_any_await;
mod a_silent_peer_is_found;
mod a_source_may_leave_the_machine;
mod a_whole_prefix_can_be_used;
mod addresses_are_denied_under_load;
mod addresses_change_under_load;
mod an_address_gone_dark_loses_its_share;
mod an_idle_timeout_of_the_server_is_learned;
mod busy_hosts_take_turns;
mod clean_up_cuts_no_request;
mod every_door_serves;
mod full_streams_open_another_connection;
mod graceful_goaway_loses_no_request;
mod limits_bite;
mod no_request_is_lost_in_churn;
mod nothing_is_left_after_close;
mod one_h1_connection_has_one_owner;
mod one_poisoned_address_costs_at_most_one_attempt;
mod sequential_requests_stay_on_one_connection;
mod servers_see_the_configured_sources;
mod sixteen_hundred_addresses_are_warmed;
mod stale_connections_fail_no_request;
mod tenants_never_share_a_connection;
mod the_plan_predicts_the_connections_in_use;
mod tls_identities_are_never_shared;
mod waiters_are_served_in_arrival_order;
