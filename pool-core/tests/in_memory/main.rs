//! The pool over pipes and in paused time: what its plugins may do to it, and what it does as its settings say. One
//! behaviour per file.

#![expect(
    clippy::unwrap_used,
    reason = "helpers too: a test that cannot be set up has failed"
)]

mod access_lists;
mod answers;
mod bad_input;
mod check_at_checkout;
mod checked_bodies;
mod closings;
mod contrary_plugins;
mod exhausted_sources;
mod failing_sources;
mod familiar_hosts;
mod frames;
mod half_open;
mod idle_http1;
mod idle_peers;
mod lifetimes;
mod load;
mod lookups;
mod lost_timers;
mod network;
mod outliers;
mod panicking_plugins;
mod priorities;
mod profile_of_each_request;
mod profiles_as_planned;
mod reconfigured;
mod refused_connects;
mod restless_policies;
mod retired_sources;
mod scarce_files;
mod scattered_checks;
mod selectors;
mod silent_addresses;
mod suspended;
mod two_families;
mod waiting;
mod warm_checks;
mod warm_plans;
mod warm_profiles;
