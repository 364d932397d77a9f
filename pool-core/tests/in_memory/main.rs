//! The pool over pipes and in paused time: what its plugins may do to it. One behaviour per file.

mod exhausted_sources;
mod lookups;
mod network;
mod panicking_plugins;
mod refused_connects;
