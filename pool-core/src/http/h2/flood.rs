//! Whether a peer sends more control frames than its work explains: a score, without a clock.
//!
//! Each frame of HTTP/2 that carries no part of a response costs the receiver something and the sender next to nothing;
//! floods of them are how peers were brought down (CVE-2019-9511 to 9518, CVE-2023-44487). Most such frames are answers to
//! what this side has written: window updates for an upload, the head of a response, a PING that measures the path. So
//! each is paid for out of the bytes this side wrote, and only what cannot be paid adds to the score. The score runs out
//! with time and with the response bytes that come.
//!
//! The bounds are those of others, met in the middle. nghttp2 lets 1000 resets go in a burst and 33 a second after it
//! (`NGHTTP2_DEFAULT_STREAM_RESET_BURST` and `_RATE`). nginx as a client ends a stream whose peer sends more than 1000
//! PINGs or SETTINGS (`ngx_http_proxy_v2_module.c`, `ngx_http_grpc_module.c`). Envoy holds at most 1000 control frames to be
//! written, takes one empty DATA frame in a row, 100 PRIORITY frames per stream and 10 WINDOW_UPDATEs per DATA frame sent
//! (`Http2ProtocolOptions`). Sōzu takes 100 PINGs, 50 SETTINGS, 100 resets in a second. Go's server gives up at 10,000 control
//! frames queued (`maxQueuedControlFrames`). The h2 crate itself counts empty DATA frames, 100 in a connection's life, and
//! CONTINUATION frames; for the rest it has no limit.

use std::time::{Duration, Instant};

use super::frames::{
    ACK, DATA, END_STREAM, FrameHead, HEADERS, PADDED, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};

/// What a peer sends too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::http) enum Flood {
    Ping = 1,
    Settings,
    Reset,
    EmptyData,
    WindowUpdate,
    Heads,
    Other,
}

impl Flood {
    /// The frames, for an error.
    pub(in crate::http) fn frames(self) -> &'static str {
        match self {
            Self::Ping => "PING",
            Self::Settings => "SETTINGS",
            Self::Reset => "RST_STREAM",
            Self::EmptyData => "empty DATA",
            Self::WindowUpdate => "WINDOW_UPDATE",
            Self::Heads => "HEADERS",
            Self::Other => "PRIORITY or unknown",
        }
    }

    /// The one with this number.
    pub(in crate::http) fn numbered(number: u8) -> Option<Self> {
        let all = [
            Self::Ping,
            Self::Settings,
            Self::Reset,
            Self::EmptyData,
            Self::WindowUpdate,
            Self::Heads,
            Self::Other,
        ];
        all.into_iter().find(|flood| *flood as u8 == number)
    }
}

impl From<Flood> for std::io::Error {
    fn from(flood: Flood) -> Self {
        let says = format!("the peer sends too many {} frames", flood.frames());
        Self::new(std::io::ErrorKind::InvalidData, says)
    }
}

/// A leaky bucket of frames that nothing explains.
#[derive(Debug, Default)]
pub(super) struct FloodScore {
    points: u32,
    /// When points last ran out.
    as_of: Option<Instant>,
    /// Bytes this side wrote that have been paid with. Ahead of what it wrote while acknowledgements are on their way.
    spent: u64,
}

/// More points than this are a flood.
const MOST: u32 = 1000;
/// 33 points run out in a second.
const MICROS_PER_POINT: u64 = 1_000_000 / 33;
/// Written bytes that can be saved up to pay with.
const SAVED: u64 = 64 * 1024;

/// Bytes written for one frame in return. The smallest DATA frame that says anything has ten, and a peer may answer it with two
/// window updates, of the stream and of the connection.
const RETURN: u64 = 5;
/// Bytes written for one PING: gRPC servers send one for each round trip in which data came, to learn the path's capacity.
const FOR_PING: u64 = 32;
/// What this side writes for the peer's PING and SETTINGS, which is no reason for more of them.
const PING_ACK: u64 = 17;
const SETTINGS_ACK: u64 = 9;

/// Each of these is ten points: a hundred in a burst. SETTINGS cost the most to apply, and a peer has few reasons for them;
/// an empty DATA frame has none.
const DEAR: u32 = 10;
/// What the end of a stream makes good, and each piece of a response, and each KiB of it.
const STREAM_ENDED: u32 = 10;
const PIECE: u32 = 1;
const KIB: u32 = 1024;

impl FloodScore {
    /// Counts one frame of the peer's. `written` is how many bytes this side has written so far; the time is asked for only if
    /// the frame costs points.
    pub(super) fn frame(
        &mut self,
        frame: FrameHead,
        written: u64,
        now: impl FnOnce() -> Instant,
    ) -> Option<Flood> {
        let FrameHead {
            length,
            kind,
            flags,
            stream: _,
        } = frame;
        let ack = flags & ACK != 0;
        let ends = flags & END_STREAM != 0;
        let (flood, points) = match kind {
            // How much of it is padding is not known here; the h2 crate counts it as empty if all of it is.
            DATA if flags & PADDED != 0 => return None,
            DATA if length > 0 => {
                self.make_good(PIECE + length / KIB);
                return None;
            }
            DATA if !ends => (Flood::EmptyData, DEAR),
            DATA | HEADERS if self.pays(RETURN, written) => {
                self.make_good(if ends { STREAM_ENDED } else { 0 });
                return None;
            }
            DATA | HEADERS => (Flood::Heads, 1),
            WINDOW_UPDATE if self.pays(RETURN, written) => return None,
            WINDOW_UPDATE => (Flood::WindowUpdate, 1),
            RST_STREAM if self.pays(RETURN, written) => return None,
            RST_STREAM => (Flood::Reset, 1),
            SETTINGS | PING if ack && self.pays(RETURN, written) => return None,
            SETTINGS if ack => (Flood::Settings, 1),
            SETTINGS => {
                self.spent = self.spent.saturating_add(SETTINGS_ACK);
                (Flood::Settings, DEAR)
            }
            PING if ack => (Flood::Ping, 1),
            PING => {
                self.spent = self.spent.saturating_add(PING_ACK);
                if self.pays(FOR_PING, written) {
                    return None;
                }
                (Flood::Ping, 1)
            }
            _ => (Flood::Other, 1),
        };
        self.run_out(now());
        self.points = self.points.saturating_add(points);
        (self.points > MOST).then_some(flood)
    }

    fn pays(&mut self, price: u64, written: u64) -> bool {
        self.spent = self.spent.max(written.saturating_sub(SAVED));
        let pays = written.saturating_sub(self.spent) >= price;
        if pays {
            self.spent += price;
        }
        pays
    }

    fn make_good(&mut self, points: u32) {
        self.points = self.points.saturating_sub(points);
    }

    fn run_out(&mut self, now: Instant) {
        let Some(as_of) = self.as_of.filter(|_| self.points > 0) else {
            self.as_of = Some(now);
            return;
        };
        let since = now.saturating_duration_since(as_of);
        let gone = since.as_micros() / u128::from(MICROS_PER_POINT);
        let gone = u32::try_from(gone).unwrap_or(u32::MAX).min(self.points);
        // What is left of the time counts for the next point.
        self.as_of = Some(as_of + Duration::from_micros(MICROS_PER_POINT * u64::from(gone)));
        self.make_good(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection of which this side has written nothing but what a test says.
    struct Line {
        score: FloodScore,
        written: u64,
        now: Instant,
    }

    impl Line {
        fn new() -> Self {
            Self {
                score: FloodScore::default(),
                written: 0,
                now: crate::clock::now(),
            }
        }

        fn hears(&mut self, kind: u8, flags: u8, length: u32) -> Option<Flood> {
            let head = FrameHead {
                length,
                kind,
                flags,
                stream: 1,
            };
            let now = self.now;
            let flood = self.score.frame(head, self.written, || now);
            match kind {
                PING if flags & ACK == 0 => self.written += PING_ACK,
                SETTINGS if flags & ACK == 0 => self.written += SETTINGS_ACK,
                _ => {}
            }
            flood
        }

        /// How many of these frames, so far apart, it takes until they are a flood.
        fn until_flood(
            kind: u8,
            flags: u8,
            length: u32,
            apart: Duration,
        ) -> (usize, Option<Flood>) {
            let mut line = Self::new();
            for n in 1..=100_000 {
                if let Some(flood) = line.hears(kind, flags, length) {
                    return (n, Some(flood));
                }
                line.now += apart;
            }
            (100_000, None)
        }
    }

    const PRIORITY: u8 = 2;
    const CONTINUATION: u8 = 9;

    #[test]
    fn each_kind_of_flood_has_its_bound_and_its_name() {
        let table = [
            (PING, 0, 8, 1001, Flood::Ping),
            (PING, ACK, 8, 1001, Flood::Ping),
            (SETTINGS, 0, 0, 101, Flood::Settings),
            (SETTINGS, ACK, 0, 1001, Flood::Settings),
            (RST_STREAM, 0, 4, 1001, Flood::Reset),
            (DATA, 0, 0, 101, Flood::EmptyData),
            (WINDOW_UPDATE, 0, 4, 1001, Flood::WindowUpdate),
            (HEADERS, 4, 20, 1001, Flood::Heads),
            (HEADERS, END_STREAM, 20, 1001, Flood::Heads),
            (PRIORITY, 0, 5, 1001, Flood::Other),
            (CONTINUATION, 0, 5, 1001, Flood::Other),
            (0xbe, 0, 5, 1001, Flood::Other),
        ];
        for (kind, flags, length, count, flood) in table {
            let found = Line::until_flood(kind, flags, length, Duration::ZERO);
            assert_eq!(found, (count, Some(flood)), "kind {kind}, flags {flags}");
            assert_eq!(Flood::numbered(flood as u8), Some(flood));
        }
    }

    #[test]
    fn what_comes_slowly_is_no_flood() {
        let second = Duration::from_secs(1);
        for apart in [second, second / 33] {
            assert_eq!(Line::until_flood(PING, 0, 8, apart).1, None, "{apart:?}");
        }
        assert_eq!(Line::until_flood(SETTINGS, 0, 6, second).1, None);
        let (count, flood) = Line::until_flood(PING, 0, 8, second / 100);
        assert_eq!(flood, Some(Flood::Ping), "a hundred a second");
        assert!((1400..1600).contains(&count), "{count}");
    }

    /// Each small message of an upload is answered by two window updates, and each round trip of four by a PING.
    #[test]
    fn an_upload_of_small_messages_is_no_flood() {
        let mut line = Line::new();
        for n in 0..100_000 {
            line.written += 9 + 5 + 1;
            assert_eq!(line.hears(WINDOW_UPDATE, 0, 4), None, "{n}");
            assert_eq!(line.hears(WINDOW_UPDATE, 0, 4), None, "{n}");
            if n % 8 == 0 {
                assert_eq!(line.hears(PING, 0, 8), None, "{n}");
            }
        }
    }

    /// Each small message of a download, followed by a window update that nothing asked for.
    #[test]
    fn a_download_of_small_messages_is_no_flood() {
        let mut line = Line::new();
        for n in 0..100_000 {
            assert_eq!(line.hears(DATA, 0, 10), None, "{n}");
            assert_eq!(line.hears(WINDOW_UPDATE, 0, 4), None, "{n}");
        }
    }

    /// One call after the other, each with a PING: what gRPC servers do that learn the path's capacity.
    #[test]
    fn calls_that_are_each_measured_are_no_flood() {
        let mut line = Line::new();
        for n in 0..100_000 {
            line.written += 9 + 12 + 9 + 5;
            for (kind, flags, length) in [
                (WINDOW_UPDATE, 0, 4),
                (WINDOW_UPDATE, 0, 4),
                (PING, 0, 8),
                (HEADERS, 4, 10),
                (DATA, 0, 5),
                (HEADERS, 4 | END_STREAM, 10),
            ] {
                assert_eq!(line.hears(kind, flags, length), None, "{n}");
            }
        }
    }

    /// Requests that are all refused, and streams that are answered and not ended, are as many as were asked for.
    #[test]
    fn an_answer_to_each_request_is_no_flood() {
        for (kind, flags) in [(RST_STREAM, 0), (HEADERS, 4)] {
            let mut line = Line::new();
            for n in 0..100_000 {
                line.written += 9 + 6;
                assert_eq!(line.hears(kind, flags, 4), None, "{n}");
            }
        }
    }

    #[test]
    fn a_large_upload_does_not_pay_for_a_flood_after_it() {
        let mut line = Line::new();
        line.written = 1 << 40;
        let flood = (1..100_000).find_map(|n| line.hears(RST_STREAM, 0, 4).map(|_| n));
        let paid = (SAVED / RETURN) as usize;
        assert_eq!(flood, Some(paid + MOST as usize + 1));
    }

    #[test]
    fn acknowledgements_pay_for_nothing() {
        let mut line = Line::new();
        line.written = 80;
        let flood = (1..100_000).find_map(|n| line.hears(PING, 0, 8).map(|_| n));
        assert!(flood.is_some_and(|n| n < 1010), "{flood:?}");
    }

    #[test]
    fn response_bytes_make_good() {
        let mut line = Line::new();
        for _ in 0..1000 {
            assert_eq!(line.hears(PING, 0, 8), None);
        }
        line.hears(DATA, 0, 16 * 1024);
        for _ in 0..17 {
            assert_eq!(line.hears(PING, 0, 8), None);
        }
        assert_eq!(line.hears(PING, 0, 8), Some(Flood::Ping));
    }
}
