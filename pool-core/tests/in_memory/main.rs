//! The pool over pipes and in paused time: what its plugins may do to it. One behaviour per file.

mod exhausted_sources;
mod lookups;
mod lost_timers;
mod network;
mod panicking_plugins;
mod profile_of_each_request;
mod refused_connects;
mod restless_policies;
mod warm_plans;
