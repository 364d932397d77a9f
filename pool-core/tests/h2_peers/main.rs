//! Peers that break the rules of HTTP/2, or use them against us: what the caller gets, what becomes of the connection,
//! and what memory does. One theme per file.
//!
//! | the peer | what is shown | test |
//! |---|---|---|
//! | resets with HTTP_1_1_REQUIRED, or goes away with it | the request and those after it go over HTTP/1.1 | `http1_required` |
//! | resets with CANCEL, INTERNAL_ERROR or an unknown code | a POST is not sent again | `http1_required::any_other_code_ends_the_request` |
//! | says ENHANCE_YOUR_CALM | its address is left alone for a while that grows | `calm` |
//! | says 421 | once more, on a connection that was not open then | `misdirected` |
//! | says GOAWAY(0) after it has answered, and then answers on | a POST is not executed twice | `goaway` |
//! | moves its limit of streams: 100, 1, 0, 5 | the limit is kept; zero means wait | `settings::a_limit_that_moves_is_kept_and_zero_means_wait` |
//! | sends no SETTINGS, or something else first | one request, and so long | `settings` |
//! | has fallen silent, its buffers full | a PING finds it that cannot be written | `windows::a_peer_that_does_not_read_is_found_by_a_ping_that_cannot_be_written` |
//! | does not read | each request has its time; no third one on that connection | `windows::a_peer_that_does_not_read_costs_each_request_its_time_and_no_memory` |
//! | keeps its window at zero | its stream fails in time, others go on | `windows::a_window_that_stays_shut_fails_its_stream_and_no_other` |
//! | answers before the upload has ended | the answer is delivered, the connection serves on | `windows::an_answer_before_the_end_of_the_upload_is_delivered` |
//! | sends 1xx without end | the 101st ends the request | `floods::more_than_a_hundred_informational_heads_end_the_request` |
//! | sends CONTINUATION without end | the connection is given up | `floods::a_head_without_end_is_a_flood`, `bombs` |
//! | packs 64 MiB into a head | 64 KiB are allowed, memory is bounded | `bombs` |
//! | floods with PING, SETTINGS, RST_STREAM, empty DATA, WINDOW_UPDATE, PRIORITY, unknown frames | the connection is given up by name | `floods` |
//! | sends frames that RFC 9113 forbids | the connection or the stream ends, nothing panics | `bad_frames` |
//! | sends heads or trailers that it forbids | the same | `bad_heads` |
//!
//! | the caller | what is shown | test |
//! |---|---|---|
//! | gives up, at each step of a request | RST_STREAM with CANCEL, nothing stays taken | `given_up` |
//! | gives up on very many requests | a hundred resets in ten seconds, then another connection | `cancels` |
//! | does not read the body | its own stream waits and no other | `windows::a_body_that_nobody_reads_holds_back_its_own_stream_alone` |
#![cfg(feature = "testing")]

mod bare;

/// Connections as the engine opens them.
#[path = "."]
mod plain {
    use pool_core::PoolBuilder;

    /// An address that no resolver is needed for.
    pub(crate) const URL: &str = "http://192.0.2.1/";

    /// Whether windows are what the configuration says.
    pub(crate) const WINDOWS_ARE_CONFIGURED: bool = true;

    fn in_its_look(builder: PoolBuilder) -> PoolBuilder {
        builder
    }

    mod allocations;
    mod bad_frames;
    mod bad_heads;
    mod bombs;
    mod calm;
    mod cancels;
    mod floods;
    mod given_up;
    mod goaway;
    mod http1_required;
    mod misdirected;
    mod peers;
    mod settings;
    mod windows;
}

/// The same as Chromium opens them, but for what needs HTTP/1.1, or a peer with an address.
#[expect(clippy::duplicate_mod, reason = "one set of peers, two openings")]
#[path = "."]
mod dressed {
    use pool_core::PoolBuilder;

    /// A profile is for `https`, although nothing is encrypted here.
    pub(crate) const URL: &str = "https://192.0.2.1/";

    /// They are what the profile says, and larger.
    pub(crate) const WINDOWS_ARE_CONFIGURED: bool = false;

    fn in_its_look(builder: PoolBuilder) -> PoolBuilder {
        crate::bare::chromium(builder)
    }

    mod bad_frames;
    mod bad_heads;
    mod bombs;
    mod calm;
    mod cancels;
    mod floods;
    mod given_up;
    mod goaway;
    mod peers;
    mod settings;
    mod windows;
}
