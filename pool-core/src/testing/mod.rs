//! An embedded fleet of real origins, for demos, scenarios and the tests of plugin authors.
//!
//! A [`Fleet`] is one host name on many loopback addresses: TLS with a certificate authority of its own, HTTP/2 and
//! HTTP/1.1, and per address a [`Script`] that says how it behaves and a [`Ledger`] that says what it saw. A
//! [`TlsFront`] puts TLS before somebody else's mock server. A [`Peer`] is for tests that choose every byte themselves.
//!
//! Everything listens on loopback only and dies with its handle. Nothing here is meant for production.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use pool_core::testing::Fleet;
//!
//! let fleet = Fleet::builder().name("shop.demo.test").start().await?;
//! fleet.origin(0).script(|script| script.status = 403);
//! assert!(fleet.url("/").starts_with("https://shop.demo.test:"));
//! assert_eq!(fleet.ledger().handshakes(), 0);
//! fleet.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod book;
mod cert;
mod conn;
mod door;
mod fleet;
mod front;
mod h1;
mod h2;
mod idle;
mod ledger;
mod origin;
mod payload;
mod peer;
mod reply;
mod script;
mod wire;

#[cfg(test)]
mod tests;

pub use book::{ConnRecord, Mark, RequestRecord};
pub use cert::{Alpn, Certificate, ClientCertificate};
pub use fleet::{Fleet, FleetBuilder};
pub use front::TlsFront;
pub use ledger::Ledger;
pub use origin::Origin;
pub use peer::{Frame, Peer, PeerConn};
pub use reply::body_fnv;
pub use script::{Body, Close, OnLimit, Script};
