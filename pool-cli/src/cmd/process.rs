//! What a command that works over the network needs of this process.

use tokio::runtime::Runtime;

use crate::exit::Failure;
use crate::signal::Interrupt;

/// Takes interrupts from now on.
pub(super) fn listen() -> Result<Interrupt, Failure> {
    Interrupt::listen().map_err(|error| {
        Failure::environment(
            format!("cannot listen for interrupts: {error}"),
            "look at the limits of this process",
        )
    })
}

/// A runtime for one command.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| {
        Failure::environment(
            format!("cannot start: {error}"),
            "look at the limits of this process: threads and open files",
        )
    })
}
