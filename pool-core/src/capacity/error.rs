//! What is wrong with a demand.

use std::error::Error;
use std::fmt;

/// A value of a [`Demand`](super::Demand) that cannot be planned for.
///
/// `Display` has the field, its value, what is wrong with it and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemandError {
    field: Field,
    wrong: String,
    fix: &'static str,
}

/// The values of a [`Demand`](super::Demand), by the names of its methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// Requests per second.
    Rate,
    /// The mean latency.
    Latency,
    /// The 99th percentile of the latency.
    P99,
    /// Requests at a time on an HTTP/2 connection.
    Streams,
    /// Requests until the server closes a connection.
    RequestsPerConn,
    /// The age at which a connection is closed.
    Lifetime,
    /// The time without a request after which a connection is closed.
    IdleClose,
    /// The time to open a connection.
    Handshake,
    /// Hosts.
    Hosts,
    /// Addresses of a host.
    Addresses,
    /// Local addresses.
    Sources,
    /// The margin.
    Margin,
}

impl Field {
    /// A stable word for it: `rate`, `requests_per_conn`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Latency => "latency",
            Self::P99 => "p99",
            Self::Streams => "streams",
            Self::RequestsPerConn => "requests_per_conn",
            Self::Lifetime => "lifetime",
            Self::IdleClose => "idle_close",
            Self::Handshake => "handshake",
            Self::Hosts => "hosts",
            Self::Addresses => "addresses",
            Self::Sources => "sources",
            Self::Margin => "margin",
        }
    }
}

impl DemandError {
    /// `Ok` if it `holds`.
    pub(super) fn unless(
        holds: bool,
        field: Field,
        value: impl fmt::Display,
        wrong: &str,
        fix: &'static str,
    ) -> Result<(), Self> {
        if holds {
            return Ok(());
        }
        let wrong = format!("{value} {wrong}");
        Err(Self { field, wrong, fix })
    }

    /// More of something than there can be comes of the field.
    pub(super) fn absurd(field: Field, number: f64) -> Self {
        Self {
            field,
            wrong: format!("{number:.1e} connections, requests or seconds come of it"),
            fix: "look at the units: the rate is per second, and latencies are rarely hours",
        }
    }

    /// Which value it is.
    pub fn field(&self) -> Field {
        self.field
    }

    /// What is wrong with it.
    pub fn wrong(&self) -> &str {
        &self.wrong
    }

    /// What to do about it.
    pub fn fix(&self) -> &str {
        self.fix
    }
}

impl fmt::Display for DemandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, wrong, fix } = self;
        write!(f, "{}: {wrong}; {fix}", field.name())
    }
}

impl Error for DemandError {}
