//! SETTINGS in the middle of a connection: what a server allows changes, which the h2 crate's server cannot do.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::cutter::{Cutter, PREFACE, SETTINGS, settings};
use crate::wire::{End, Link};

/// A server's end of a wire, on which SETTINGS can be slipped in between two of its frames. It never learns of them:
/// their acknowledgements are kept from it.
#[derive(Debug)]
pub(crate) struct Slipped {
    end: End,
    caps: Caps,
    /// What the server writes.
    out: Cutter,
    inward: Cutter,
    /// Bytes of the client's preface that were not passed on yet.
    preface: usize,
    /// Bytes for the server.
    passed: BytesMut,
}

/// Changes what a server allows. Cloning gives another hand on the same connection.
#[derive(Clone, Debug)]
pub(crate) struct Caps {
    link: Link,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The client has acknowledged the server's own SETTINGS.
    greeted: bool,
    /// The server is within a frame.
    writing: bool,
    waiting: Vec<u32>,
    /// Acknowledgements to come that the server must not see.
    owed: usize,
}

impl Caps {
    pub(crate) fn new(link: Link) -> Self {
        Self {
            link,
            state: Arc::default(),
        }
    }

    /// From now on, or after the frame that is being written, so many streams are allowed.
    pub(crate) fn announce(&self, cap: u32) {
        self.lock().waiting.push(cap);
        self.slip();
    }

    fn slip(&self) {
        let mut state = self.lock();
        if !state.greeted || state.writing {
            return;
        }
        let waiting = std::mem::take(&mut state.waiting);
        state.owed += waiting.len();
        drop(state);
        for cap in waiting {
            self.link.insert(&settings(cap));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }
}

impl Slipped {
    pub(crate) fn new(end: End, caps: Caps) -> Self {
        Self {
            end,
            caps,
            out: Cutter::default(),
            inward: Cutter::after_preface(),
            preface: PREFACE,
            passed: BytesMut::new(),
        }
    }

    fn pass(&mut self, bytes: &[u8]) {
        let preface = self.preface.min(bytes.len());
        self.preface -= preface;
        self.passed.extend_from_slice(&bytes[..preface]);
        for frame in self.inward.cut(bytes) {
            if frame.kind == SETTINGS && frame.is_ack() {
                let mut state = self.caps.lock();
                let is_own = !std::mem::replace(&mut state.greeted, true);
                if !is_own && state.owed > 0 {
                    state.owed -= 1;
                    continue;
                }
            }
            self.passed.extend_from_slice(&frame.bytes);
        }
        self.caps.slip();
    }
}

impl AsyncRead for Slipped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.passed.is_empty() {
            let mut bytes = [0; 4096];
            let mut read = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.end).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.pass(read.filled());
        }
        let take = this.passed.len().min(buf.remaining());
        buf.put_slice(&this.passed.split_to(take));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Slipped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let taken = ready!(Pin::new(&mut this.end).poll_write(cx, bytes))?;
        let _frames = this.out.cut(&bytes[..taken]);
        this.caps.lock().writing = !this.out.is_between();
        this.caps.slip();
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_shutdown(cx)
    }
}
