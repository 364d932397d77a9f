//! The HTTP/2 opening of a profile.

/// How a client opens an HTTP/2 connection, and how its requests look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2Spec {
    /// The first SETTINGS frame: identifiers and values, in wire order.
    pub settings: Vec<(u16, u32)>,
    /// The increment of the WINDOW_UPDATE for the connection that follows, `None` if none is sent.
    pub window_update: Option<u32>,
    /// The identifier of the first stream.
    pub first_stream_id: u32,
    /// The order of the pseudo-headers of a request.
    pub pseudo_order: [PseudoHeader; 4],
    /// The priority that each HEADERS frame carries, `None` if none does.
    pub priority: Option<StreamPriority>,
    /// The increment of a WINDOW_UPDATE for the stream right after its HEADERS, `None` if none is sent.
    pub stream_window_update: Option<u32>,
}

/// A pseudo-header of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PseudoHeader {
    /// `:method`
    Method,
    /// `:authority`
    Authority,
    /// `:scheme`
    Scheme,
    /// `:path`
    Path,
}

/// The priority fields of a HEADERS frame, RFC 7540 section 6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPriority {
    /// The stream it depends on.
    pub depends_on: u32,
    /// Whether it is to be the only one that does.
    pub exclusive: bool,
    /// From 1 to 256; the wire carries one less.
    pub weight: u16,
}
