//! What every client that is measured does alike: it makes its loads, counts, and answers in one line of JSON.

#![forbid(unsafe_code)]

mod args;
mod clock;
mod command;
mod latency;
mod names;
mod program;
mod runs;
mod tls;
mod usage;
mod what;

use std::error::Error;
use std::future::Future;

pub use args::{Args, Protocol};
pub use names::{addr_of, host_of, name_of};
pub use program::{Allocator, COUNTING, main};
pub use tls::client_config;
pub use what::{What, drain};

/// Whatever went wrong.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A client, made once.
pub trait Peer: Sized + Send + Sync + 'static {
    type Worker: Worker;

    /// Makes it, inside the runtime that it is measured on.
    ///
    /// # Errors
    ///
    /// Those of the client.
    fn new(args: &Args) -> Result<Self, BoxError>;

    /// What fetches from `host`. A client without a pool connects here.
    ///
    /// # Errors
    ///
    /// Those of the client.
    fn worker(&self, host: usize) -> impl Future<Output = Result<Self::Worker, BoxError>> + Send;

    /// Opens a connection to `host` and sends no request on it.
    ///
    /// # Errors
    ///
    /// Those of the client; and if it cannot do that.
    fn connect(
        &self,
        host: usize,
    ) -> impl Future<Output = Result<Option<Self::Worker>, BoxError>> + Send;

    /// Opens a connection to every address of host 0 and returns how many there are.
    ///
    /// # Errors
    ///
    /// Those of the client; and if it cannot do that.
    fn warm(&self) -> impl Future<Output = Result<usize, BoxError>> + Send {
        std::future::ready(Err("it opens connections for requests alone".into()))
    }
}

/// One task's means to fetch.
pub trait Worker: Send + 'static {
    /// Whether dropping it closes its connection.
    const OWNS_CONNECTION: bool;

    /// Told what it will fetch, before anything is measured.
    fn prepare(&mut self, _what: &What) {}

    /// Sends one request, reads the response to its end and returns the length of its body.
    ///
    /// # Errors
    ///
    /// Those of the client.
    fn fetch(&mut self, what: &What) -> impl Future<Output = Result<usize, BoxError>> + Send;
}
