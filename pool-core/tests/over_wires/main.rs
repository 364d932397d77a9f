//! The pool over pipes, in paused time.

mod h2_slots;
mod one_release_wakes_one_waiter;
mod timeouts;
mod wires;
