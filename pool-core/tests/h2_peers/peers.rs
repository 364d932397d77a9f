//! A network in memory whose far ends write HTTP/2 frames by hand.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pool_core::{
    Config, Connect, ConnectContext, ConnectError, Connected, LiteralResolver, Pool, PoolBuilder,
    PoolSnapshot, Protocols,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::in_its_look;
pub(crate) use super::{URL, WINDOWS_ARE_CONFIGURED};

/// HTTP/2 by prior knowledge, and the defaults otherwise.
pub(crate) fn h2() -> Config {
    Config {
        protocols: Protocols::Http2,
        ..Config::default()
    }
}

/// A pool that dials into the returned network.
pub(crate) fn pool(config: Config) -> (Pool, Network) {
    let (builder, network) = builder(config, 64 * 1024);
    (builder.build().expect("a pool"), network)
}

/// As [`pool`], to be changed, over pipes that hold so many bytes each way.
pub(crate) fn builder(config: Config, pipe: usize) -> (PoolBuilder, Network) {
    let (dialled, dials) = unbounded_channel();
    let builder = Pool::builder()
        .config(config)
        .resolver(Arc::new(LiteralResolver))
        .connect(Arc::new(Wires { dialled, pipe }));
    (in_its_look(builder), Network { dials })
}

/// The far side.
pub(crate) struct Network {
    dials: UnboundedReceiver<DuplexStream>,
}

impl Network {
    /// The far end of the next connection, as it is.
    pub(crate) async fn wire(&mut self) -> DuplexStream {
        self.dials.recv().await.expect("the pool lives")
    }

    /// The next connection, greeted as HTTP/2 with an empty SETTINGS.
    pub(crate) async fn accept(&mut self) -> Far {
        Far::greet(self.wire().await).await
    }

    /// Whether the pool has dialled without anybody having accepted.
    pub(crate) fn was_dialled(&self) -> bool {
        !self.dials.is_empty()
    }
}

#[derive(Debug)]
struct Wires {
    dialled: UnboundedSender<DuplexStream>,
    pipe: usize,
}

#[async_trait]
impl Connect for Wires {
    async fn connect(&self, _: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        let (near, far) = duplex(self.pipe);
        // A network that is gone closes every connection at once.
        let _gone = self.dialled.send(far);
        Ok(Connected::new(Box::new(near), None))
    }
}

/// One HTTP/2 frame as its bytes say.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// The far end of one HTTP/2 connection.
pub(crate) struct Far<T = DuplexStream>(pub(crate) T);

impl<T: AsyncRead + AsyncWrite + Unpin> Far<T> {
    /// Takes the client's preface, sends an empty SETTINGS and acknowledges the client's.
    pub(crate) async fn greet(io: T) -> Self {
        let mut far = Self::preface(io).await;
        far.write(SETTINGS, 0, 0, &[]).await;
        far.next(SETTINGS).await;
        far.write(SETTINGS, ACK, 0, &[]).await;
        far
    }

    /// Takes the client's preface.
    pub(crate) async fn preface(mut io: T) -> Self {
        let mut preface = [0; 24];
        io.read_exact(&mut preface).await.expect("a preface");
        Self(io)
    }

    pub(crate) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let written = self.try_write(kind, flags, stream, payload).await;
        written.expect("the client reads");
    }

    pub(crate) async fn try_write(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> std::io::Result<()> {
        self.0.write_all(&frame(kind, flags, stream, payload)).await
    }

    /// The next frame; `None` once the client has closed.
    pub(crate) async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// The next frame of this kind, not an acknowledgement of SETTINGS.
    pub(crate) async fn next(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.read().await.expect("the client stays");
            if frame.kind == kind && !(kind == SETTINGS && frame.flags & ACK != 0) {
                return frame;
            }
        }
    }

    /// Waits for a request to end and returns its stream.
    pub(crate) async fn request(&mut self) -> u32 {
        loop {
            let frame = self.read().await.expect("the client stays");
            if matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
                return frame.stream;
            }
        }
    }

    /// Answers with a status and nothing else.
    pub(crate) async fn answer(&mut self, stream: u32, status: u16) {
        let flags = END_STREAM | END_HEADERS;
        self.write(HEADERS, flags, stream, &head(status)).await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, code: u32) {
        self.write(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    pub(crate) async fn go_away(&mut self, last: u32, code: u32) {
        let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
        self.write(GOAWAY, 0, 0, &payload).await;
    }

    /// Reads what there is until the client closes; the code of its GOAWAY, if it sent one.
    pub(crate) async fn closed(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.read().await {
            if frame.kind == GOAWAY {
                let bytes = frame.payload[4..8].try_into().expect("four bytes");
                code = Some(u32::from_be_bytes(bytes));
            }
        }
        code
    }
}

/// A frame as bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `:status` as a literal without indexing, by its name in HPACK's static table (RFC 7541, appendix A).
pub(crate) fn head(status: u16) -> Vec<u8> {
    let mut block = vec![0x08, 3];
    block.extend(status.to_string().bytes());
    block
}

/// A field as a literal without indexing, its name a literal too.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0];
    for text in [name, value] {
        assert!(text.len() < 127, "a length of one byte");
        block.push(text.len() as u8);
        block.extend(text.bytes());
    }
    block
}

/// How many connections closed for each reason.
pub(crate) fn closed(pool: &Pool) -> Vec<(&'static str, u64)> {
    let PoolSnapshot { connections, .. } = pool.snapshot();
    connections.totals.closed.into_iter().collect()
}

/// Connections there are now.
pub(crate) fn open(pool: &Pool) -> usize {
    pool.snapshot().connections.totals.open
}

/// Runs a test in paused time on this thread, and returns by how many bytes the memory it holds has grown at most.
pub(crate) fn peak<F: Future<Output = ()>>(test: F) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    allocation_counter::measure(|| runtime.block_on(test)).bytes_max
}

/// An error and its causes, as one text.
pub(crate) fn chain(error: &pool_core::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}; {next}");
        cause = next.source();
    }
    text
}

/// Lets paused time pass: it moves only when no task can run, so whatever was due by then has happened.
pub(crate) async fn pass(time: Duration) {
    // fault: the time that a deadline or a silence needs.
    tokio::time::sleep(time).await;
}

/// Longer than any of a test's steps takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) async fn everything_has_happened() {
    pass(Duration::from_millis(1)).await;
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;

pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
