//! One accepted connection: its handshake, its driver, and the exchanges on it.

use std::fmt;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use h2::Reason;
use http::request::Parts;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::sleep;

use super::book::Handshake;
use super::cert::Alpn;
use super::origin::Core;
use super::script::{Close, OnLimit, Script};
use super::wire::{Io, Socket};
use super::{h1, h2 as http2};
use crate::info::Protocol;

/// What a connection's driver is told from outside.
#[derive(Clone, Copy, Debug)]
pub(super) enum Command {
    /// Finish what is in progress, take nothing more.
    Goaway,
    /// Say GOAWAY with this reason and end everything.
    AbruptGoaway(Reason),
    /// End this way if no request is in progress.
    CloseIfIdle,
    /// End this way.
    End(Close),
    /// Neither read nor write any more.
    Silence,
    /// The script changed.
    Look,
}

pub(super) type Commands = UnboundedReceiver<Command>;

/// An accepted connection, as its driver and its exchanges see it.
pub(super) struct Conn {
    pub(super) id: u64,
    pub(super) peer: SocketAddr,
    pub(super) core: Arc<Core>,
    socket: Socket,
    commands: UnboundedSender<Command>,
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Conn {
    pub(super) fn new(
        id: u64,
        peer: SocketAddr,
        core: Arc<Core>,
        socket: Socket,
        commands: UnboundedSender<Command>,
    ) -> Self {
        Self {
            id,
            peer,
            core,
            socket,
            commands,
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }
    }

    /// Serves the connection to its end.
    pub(super) async fn run(self: Arc<Self>, commands: Commands) {
        let _closing = Closing(Arc::clone(&self));
        if self.core.script().stall_accept {
            pending::<()>().await;
        }
        sleep(self.core.timing.handshake).await;
        let mut wire = self.socket.wire();
        let Some(acceptor) = &self.core.tls else {
            let is_h2 = match self.core.alpn {
                Alpn::H2 => true,
                Alpn::Http1 | Alpn::None => false,
                Alpn::Both => match wire.sniff_h2().await {
                    Ok(is_h2) => is_h2,
                    Err(_) => return,
                },
            };
            let protocol = if is_h2 {
                Protocol::Http2
            } else {
                Protocol::Http1
            };
            let handshake = Handshake::plain(protocol);
            self.core.book.enter_ready(self.id, handshake);
            return self.serve(wire, protocol, commands).await;
        };
        // A failed handshake leaves a record that never became ready.
        let Ok(tls) = acceptor.accept(wire).await else {
            return;
        };
        let handshake = Handshake::tls(tls.get_ref().1);
        let protocol = handshake.protocol;
        self.core.book.enter_ready(self.id, handshake);
        self.serve(tls, protocol, commands).await;
    }

    async fn serve(self: &Arc<Self>, io: impl Io, protocol: Protocol, commands: Commands) {
        // Boxed: the states of a driver over TLS are large.
        match protocol {
            Protocol::Http2 => Box::pin(http2::serve(io, Arc::clone(self), commands)).await,
            Protocol::Http1 => Box::pin(h1::serve(io, Arc::clone(self), commands)).await,
        }
    }

    /// Enters a request whose head arrived.
    pub(super) fn begin(self: &Arc<Self>, head: &Parts) -> Exchange {
        let text = |name| {
            let value = head.headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let request = self.core.book.enter_arrived(
            self.id,
            text("x-request-id"),
            text("user-agent"),
            head.method.clone(),
            head.uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string),
        );
        Exchange {
            conn: Arc::clone(self),
            ordinal: self.begun.fetch_add(1, Ordering::Relaxed) + 1,
            request,
            script: self.core.script(),
        }
    }

    /// Requests that arrived.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Requests that are over.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// What the script wants of a connection that has ended so many requests and written all they had to say.
    pub(super) fn due(&self, ended: u64) -> Option<Command> {
        let script = self.core.script();
        if script.silent_after.is_some_and(|after| ended >= after) {
            return Some(Command::Silence);
        }
        let limit = script.max_requests_per_connection?;
        let is_over = script.on_limit == OnLimit::Close && ended >= limit.max(1);
        is_over.then_some(Command::End(Close::Fin))
    }

    /// Tells the driver to end the connection.
    pub(super) fn end(&self, how: Close) {
        // A driver that is gone has ended already.
        let _ = self.commands.send(Command::End(how));
    }

    /// Leaves the socket open and unread until told to end it.
    pub(super) async fn keep_silent(&self, mut commands: Commands) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::End(Close::Reset) => return self.cut(),
                Command::End(_) => return,
                _ => {}
            }
        }
    }

    /// Closes the socket with RST.
    pub(super) fn cut(&self) {
        self.socket.cut();
    }
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn")
            .field("id", &self.id)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// One request in progress; over when dropped.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) conn: Arc<Conn>,
    /// Which request of its connection it is, from one.
    pub(super) ordinal: u64,
    /// As it was when the head arrived.
    pub(super) script: Arc<Script>,
    request: usize,
}

impl Exchange {
    /// Enters the answer; before its head is sent.
    pub(super) fn answered(&self, status: u16) {
        let book = &self.conn.core.book;
        book.enter_answered(self.request, status);
    }

    /// Whether it is the last request that the script lets its connection serve.
    pub(super) fn is_last(&self) -> bool {
        let limit = self.script.max_requests_per_connection;
        limit.is_some_and(|limit| self.ordinal >= limit)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.conn.core.book.enter_ended(self.conn.id);
        self.conn.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Enters the end of a connection when its task ends, aborted or not.
struct Closing(Arc<Conn>);

impl Drop for Closing {
    fn drop(&mut self) {
        // A stalled connection never had a reader that closes it.
        self.0.socket.close();
        self.0.core.forget(self.0.id);
    }
}
