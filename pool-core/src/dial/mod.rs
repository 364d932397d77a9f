//! From a name to a byte stream that is ready for HTTP: look up, connect, shake hands.
//!
//! Nothing here pools, retries or chooses: the pool picks an address and leases a source, and gets one negotiated
//! stream or one error that names the phase and both addresses.

mod alpn;
mod answer;
mod bound;
mod connect;
#[cfg(feature = "hickory")]
mod dns;
mod lingering;
mod merged;
mod open;
mod resolve;
mod sockopt;
mod static_resolver;
mod ticket_scope;

pub use answer::Answer;
pub(crate) use answer::{AnswerEnd, Ended};
pub use connect::{Connect, ConnectContext, ConnectError, Connected, TcpConnector};
#[cfg(feature = "hickory")]
pub use dns::{DnsResolver, DnsResolverBuilder};
pub use lingering::Lingering;
pub use merged::Merged;
pub(crate) use open::{
    DialRequest, DialTimes, Opened, blames_source, blames_target, is_shortage, open,
};
pub(crate) use resolve::resolve;
pub use resolve::{LiteralResolver, Resolver, SystemResolver};
pub use static_resolver::{ParseResolveError, ResolveEntry, StaticResolver};
