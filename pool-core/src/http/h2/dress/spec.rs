//! A profile's HTTP/2 opening, found fit to be sent, and how the h2 crate is set up to agree with it.

use std::fmt;

use h2::client::Builder;
use pool_tls::spec::{Http2Spec, PseudoHeader};

use crate::http::conn::HttpSettings;
use crate::http::h2::MAX_WINDOW;

/// An [`Http2Spec`] that can be sent to the letter: whoever has one need not look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dress {
    spec: Http2Spec,
}

/// Why a spec cannot be sent to the letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfit(String);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the profile's HTTP/2 opening cannot be sent: {}", self.0)
    }
}

impl std::error::Error for Unfit {}

impl Dress {
    /// Looks `spec` over.
    ///
    /// # Errors
    ///
    /// [`Unfit`] names the value that RFC 9113 forbids, or that the engine cannot keep its accounts with.
    pub(crate) fn new(spec: Http2Spec) -> Result<Self, Unfit> {
        match fault(&spec) {
            None => Ok(Self { spec }),
            Some(fault) => Err(Unfit(fault)),
        }
    }

    pub(super) fn spec(&self) -> &Http2Spec {
        &self.spec
    }

    /// Has the h2 crate keep the same accounts as the peer, who reads the spec's SETTINGS and not its own.
    ///
    /// Windows are those of the spec, since the peer may use what it was told: they, and not `settings`, bound what a dressed
    /// connection holds unread. What only this side enforces stays as `settings` say: the longest head, whatever
    /// MAX_HEADER_LIST_SIZE says or if it says nothing, and the overhead of small DATA frames.
    pub(in crate::http::h2) fn fit(&self, builder: &mut Builder, settings: &HttpSettings) {
        let spec = &self.spec;
        let stream_window = value(spec, INITIAL_WINDOW_SIZE).unwrap_or(DEFAULT_WINDOW);
        let frame = value(spec, MAX_FRAME_SIZE).unwrap_or(SMALLEST_FRAME);
        let overhead = settings.connection_window.min(MAX_WINDOW) / 2;
        builder
            .enable_push(value(spec, ENABLE_PUSH) != Some(0))
            // Where the peer may push, each promise is refused: nobody here would read it.
            .max_concurrent_streams(0)
            .max_frame_size(frame)
            .initial_window_size(stream_window + spec.stream_window_update.unwrap_or(0))
            .initial_connection_window_size(DEFAULT_WINDOW + spec.window_update.unwrap_or(0))
            .data_frame_budget(overhead.max(LEAST_OVERHEAD) as usize)
            .initial_stream_id(spec.first_stream_id);
        if let Some(size) = value(spec, HEADER_TABLE_SIZE) {
            builder.header_table_size(size);
        }
    }
}

/// What the peer goes by: of a setting that comes twice, the last value (RFC 9113 §6.5.3).
fn value(spec: &Http2Spec, id: u16) -> Option<u32> {
    let mut values = spec.settings.iter().rev();
    values
        .find(|(known, _)| *known == id)
        .map(|&(_, value)| value)
}

fn fault(spec: &Http2Spec) -> Option<String> {
    let windows = [
        value(spec, INITIAL_WINDOW_SIZE).unwrap_or(DEFAULT_WINDOW),
        spec.stream_window_update.unwrap_or(0),
    ];
    for &(id, value) in &spec.settings {
        let allowed = match id {
            ENABLE_PUSH => 0..=1,
            INITIAL_WINDOW_SIZE => 0..=MAX_WINDOW,
            MAX_FRAME_SIZE => SMALLEST_FRAME..=LARGEST_FRAME,
            HEADER_TABLE_SIZE => 0..=LARGEST_TABLE,
            _ => continue,
        };
        if !allowed.contains(&value) {
            let (least, most) = allowed.into_inner();
            return Some(format!("setting {id} is {value}, not {least} to {most}"));
        }
    }
    if spec.settings.len() > MOST_SETTINGS {
        return Some(format!("more than {MOST_SETTINGS} settings"));
    }
    if windows[0].saturating_add(windows[1]) > MAX_WINDOW {
        return Some(format!(
            "a stream's window is {} and {} more, above {MAX_WINDOW} together",
            windows[0], windows[1]
        ));
    }
    if spec.stream_window_update == Some(0) {
        return Some("a stream's window is updated by 0".into());
    }
    // The h2 crate leaves out what is less than half of what there is, and would call bytes within it too many.
    let updates = DEFAULT_WINDOW / 2..=MAX_WINDOW - DEFAULT_WINDOW;
    if let Some(update) = spec
        .window_update
        .filter(|update| !updates.contains(update))
    {
        let (least, most) = updates.into_inner();
        return Some(format!(
            "the connection's window is updated by {update}, not {least} to {most}"
        ));
    }
    let first = spec.first_stream_id;
    if first.is_multiple_of(2) || first > MAX_WINDOW {
        return Some(format!("stream {first} is none of a client's"));
    }
    if let Some(priority) = spec.priority {
        if !(1..=256).contains(&priority.weight) {
            return Some(format!("the weight is {}, not 1 to 256", priority.weight));
        }
        // A stream must not depend on itself (RFC 7540 §5.3.1).
        if priority.depends_on >= first {
            return Some(format!(
                "the first stream is {first} and streams depend on {}, which one of them would be",
                priority.depends_on
            ));
        }
    }
    use PseudoHeader::{Authority, Method, Path, Scheme};
    let missing = [Method, Authority, Scheme, Path]
        .into_iter()
        .find(|header| !spec.pseudo_order.contains(header))?;
    Some(format!(
        "the order of pseudo-headers leaves out {missing:?}"
    ))
}

// RFC 9113 §6.5.2.
const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;

const SMALLEST_FRAME: u32 = 1 << 14;
const LARGEST_FRAME: u32 = (1 << 24) - 1;
const DEFAULT_WINDOW: u32 = 65_535;

/// The memory that a peer may fill with the names and values it refers to: sixteen times what browsers allow.
const LARGEST_TABLE: u32 = 1 << 20;

/// More than anybody sends, and a short frame.
const MOST_SETTINGS: usize = 64;

/// The h2 crate's own least (its `data_frame_budget`).
const LEAST_OVERHEAD: u32 = 25_600;
