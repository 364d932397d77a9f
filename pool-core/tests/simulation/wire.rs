//! A connection in memory: bytes arrive after a latency, may be held back, and a reset ends both ends at once.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// The near end, the far end, and the hand that the network keeps on both.
pub(crate) fn wire(latency: Duration) -> (End, End, Link) {
    let state = State {
        lanes: [Lane::default(), Lane::default()],
        latency,
        held: false,
        reset: false,
    };
    let pipe = Arc::new(Pipe(Mutex::new(state)));
    let link = Link(Arc::downgrade(&pipe));
    (End::new(pipe.clone(), 0), End::new(pipe, 1), link)
}

/// One end of a wire. Dropped, it says goodbye after everything it has written.
#[derive(Debug)]
pub(crate) struct End {
    pipe: Arc<Pipe>,
    /// The lane that this end writes to; it reads from the other.
    side: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What the network can do to a wire.
#[derive(Clone, Debug)]
pub(crate) struct Link(Weak<Pipe>);

#[derive(Debug)]
struct Pipe(Mutex<State>);

#[derive(Debug)]
struct State {
    /// By the side that writes.
    lanes: [Lane; 2],
    latency: Duration,
    /// Nothing arrives.
    held: bool,
    reset: bool,
}

/// Bytes on their way.
#[derive(Debug, Default)]
struct Lane {
    pieces: VecDeque<(Instant, Bytes)>,
    queued: usize,
    /// When the end of the bytes arrives.
    fin: Option<Instant>,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Lane {
    fn due(&self, at: Instant) -> Instant {
        self.pieces.back().map_or(at, |(last, _)| at.max(*last))
    }

    fn push(&mut self, arrives: Instant, bytes: &[u8]) {
        let due = self.due(arrives);
        self.pieces
            .push_back((due, bytes.iter().copied().collect()));
        self.queued += bytes.len();
    }
}

impl End {
    fn new(pipe: Arc<Pipe>, side: usize) -> Self {
        Self {
            pipe,
            side,
            timer: None,
        }
    }

    /// Bytes written by the other side that this one has not read, those on their way included.
    pub(crate) fn incoming(&self) -> usize {
        self.pipe.lock().lanes[1 - self.side].queued
    }

    /// Bytes written by this side that the other has not read.
    pub(crate) fn outgoing(&self) -> usize {
        self.pipe.lock().lanes[self.side].queued
    }

    /// Whether nobody will ever write to this end again.
    pub(crate) fn is_abandoned(&self) -> bool {
        let state = self.pipe.lock();
        state.reset || state.lanes[self.side].reader_gone
    }

    /// Ends the connection at both ends, losing what is on its way.
    pub(crate) fn reset(&self) {
        self.pipe.reset();
    }
}

impl Link {
    /// Holds everything back, or lets it arrive.
    pub(crate) fn hold(&self, held: bool) {
        if let Some(pipe) = self.0.upgrade() {
            pipe.lock().held = held;
            pipe.wake();
        }
    }

    /// From now on bytes take this long.
    pub(crate) fn set_latency(&self, latency: Duration) {
        if let Some(pipe) = self.0.upgrade() {
            pipe.lock().latency = latency;
        }
    }

    /// Puts bytes behind what the far end has written, full or not.
    pub(crate) fn insert(&self, bytes: &[u8]) {
        let Some(pipe) = self.0.upgrade() else { return };
        let mut state = pipe.lock();
        let arrives = Instant::now() + state.latency;
        let lane = &mut state.lanes[1];
        if lane.fin.is_none() {
            lane.push(arrives, bytes);
        }
        drop(state);
        pipe.wake();
    }

    /// Ends the connection at both ends, losing what is on its way.
    pub(crate) fn reset(&self) {
        if let Some(pipe) = self.0.upgrade() {
            pipe.reset();
        }
    }

    /// Whether the near end is gone.
    pub(crate) fn is_left(&self) -> bool {
        let pipe = self.0.upgrade();
        pipe.is_none_or(|pipe| pipe.lock().lanes[1].reader_gone)
    }

    /// Whether both ends are gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics under this lock")
    }

    fn reset(&self) {
        self.lock().reset = true;
        self.wake();
    }

    /// Lets everybody look again.
    fn wake(&self) {
        let mut wakers = Vec::new();
        for lane in &mut self.lock().lanes {
            wakers.extend(lane.reader.take());
            wakers.extend(lane.writer.take());
        }
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let now = Instant::now();
            let mut state = this.pipe.lock();
            if state.reset {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let held = state.held;
            let lane = &mut state.lanes[1 - this.side];
            lane.reader = Some(cx.waker().clone());
            if held {
                return Poll::Pending;
            }
            let next = lane.pieces.front().map(|(due, _)| *due).or(lane.fin);
            let Some(due) = next else {
                return Poll::Pending;
            };
            if due > now {
                drop(state);
                let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
                if timer.deadline() != due {
                    timer.as_mut().reset(due);
                }
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                continue;
            }
            let Some((_, piece)) = lane.pieces.front_mut() else {
                return Poll::Ready(Ok(()));
            };
            let take = piece.len().min(buf.remaining());
            buf.put_slice(&piece.split_to(take));
            if piece.is_empty() {
                lane.pieces.pop_front();
            }
            lane.queued -= take;
            let writer = lane.writer.take();
            drop(state);
            if let Some(writer) = writer {
                writer.wake();
            }
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.pipe.lock();
        if state.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let arrives = Instant::now() + state.latency;
        let lane = &mut state.lanes[self.side];
        if lane.reader_gone || lane.fin.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = CAPACITY.saturating_sub(lane.queued);
        if room == 0 {
            lane.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let taken = room.min(bytes.len());
        lane.push(arrives, &bytes[..taken]);
        let reader = lane.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.pipe.lock();
        let arrives = Instant::now() + state.latency;
        let lane = &mut state.lanes[self.side];
        let due = lane.due(arrives);
        lane.fin.get_or_insert(due);
        drop(state);
        self.pipe.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        {
            let mut state = self.pipe.lock();
            let arrives = Instant::now() + state.latency;
            let side = self.side;
            let lane = &mut state.lanes[side];
            let due = lane.due(arrives);
            lane.fin.get_or_insert(due);
            state.lanes[1 - side].reader_gone = true;
        }
        self.pipe.wake();
    }
}

/// Bytes on their way in one direction before a writer has to wait.
const CAPACITY: usize = 16 * 1024;
