//! An HTTP/1.1 server on one end of a wire.

use std::io;
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::clock::pass;
use crate::peer::{Order, Peer};
use crate::service::{ID, Manner, SIZE, Turn, question_of};
use crate::wire::End;

/// Serves the connection until either side has enough of it.
pub(crate) async fn serve(io: End, peer: Peer, mut orders: UnboundedReceiver<Order>) {
    let mut conn = Conn {
        io,
        peer,
        unread: Vec::new(),
    };
    // An idle connection may end at any time: the pool must not lose a request by that.
    let patience = if conn.peer.dice.chance(20) {
        conn.peer.dice.millis(200, 20_000)
    } else {
        Duration::from_secs(3600)
    };
    loop {
        let head = tokio::select! {
            // Always the same order, or two runs of one seed would differ.
            biased;
            head = conn.head() => head,
            // Err and None alike: told to go, or nobody is there to tell.
            order = orders.recv() => {
                conn.peer.note(format_args!("hangs up as told: {order:?}"));
                return;
            }
            () = pass(patience) => {
                conn.peer.note("hangs up for being idle");
                return;
            }
        };
        let Ok(Some(head)) = head else { return };
        // An order waits until the exchange is over, as with a server that drains.
        match conn.exchange(&head).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}

struct Conn {
    io: End,
    peer: Peer,
    /// Bytes read and not yet used.
    unread: Vec<u8>,
}

impl Conn {
    /// The next request's head; `None` at the end.
    async fn head(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                // I7: the pool has read everything of the last response before it sends the next request.
                if self.io.outgoing() > 0 {
                    self.peer.history.broken(format_args!(
                        "I7: a request on wire {} with the last response unread",
                        self.peer.id
                    ));
                }
                return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
            }
            if self.io.read_buf(&mut self.unread).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Whether the connection lives on.
    async fn exchange(&mut self, head: &str) -> io::Result<bool> {
        let request = Head::parse(head);
        let Some((id, size)) = request.id.zip(request.size) else {
            self.peer.history.broken(format_args!(
                "I7: nonsense on wire {}: {head:?}",
                self.peer.id
            ));
            return Ok(false);
        };
        let sick = self.peer.sick();
        let turn = Turn::throw(&mut self.peer.dice, sick);
        self.peer.note(format_args!("#{id} {turn:?}"));
        let manner = turn.manner;
        match manner {
            Manner::HangUp | Manner::Refuse => {
                self.io.reset();
                return Ok(false);
            }
            Manner::Early if request.has_body() => {
                self.answer(id, 413, &turn).await?;
                // Nobody reads the rest of the request.
                return Ok(false);
            }
            _ => {}
        }
        let body = self.body(&request).await?;
        self.peer
            .execute(id, &request.method, body == question_of(id, size));
        pass(turn.think).await;
        match manner {
            Manner::HangUpAfter => {
                self.io.reset();
                return Ok(false);
            }
            Manner::Silent => {
                // Until the caller gives up; the pool closes the connection then.
                while self.io.read_u8().await.is_ok() {}
                return Ok(false);
            }
            Manner::HalfHead => {
                self.io.write_all(b"HTTP/1.1 200 O").await?;
                return Ok(false);
            }
            _ => {}
        }
        self.answer(id, 200, &turn).await?;
        // I7: nobody else's request is on its way while this response is.
        if self.io.incoming() + self.unread.len() > 0 {
            self.peer.history.broken(format_args!(
                "I7: a second request on wire {} before the response to #{id} was over",
                self.peer.id
            ));
        }
        match manner {
            Manner::HalfBody | Manner::Last | Manner::Goaway => Ok(false),
            Manner::Poison => {
                self.io
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nEVIL")
                    .await?;
                while self.io.read_u8().await.is_ok() {}
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    async fn body(&mut self, request: &Head) -> io::Result<Vec<u8>> {
        if !request.chunked {
            return self.take(request.length).await;
        }
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
            let piece = self.take(size).await?;
            self.line().await?;
            if piece.is_empty() {
                return Ok(body);
            }
            body.extend_from_slice(&piece);
        }
    }

    async fn take(&mut self, size: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < size {
            self.more().await?;
        }
        Ok(self.unread.drain(..size).collect())
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.io.read_buf(&mut self.unread).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn answer(&mut self, id: usize, status: u16, turn: &Turn) -> io::Result<()> {
        let pieces = turn.body(id);
        let framing = if turn.chunked {
            "transfer-encoding: chunked".to_owned()
        } else {
            format!("content-length: {}", turn.size)
        };
        let last = if turn.manner == Manner::Last || status != 200 {
            "connection: close\r\n"
        } else {
            ""
        };
        let (size, host) = (turn.size, self.peer.host);
        let head = format!(
            "HTTP/1.1 {status} x\r\n{ID}: {id}\r\n{SIZE}: {size}\r\nx-host: {host}\r\n{last}{framing}\r\n\r\n"
        );
        self.io.write_all(head.as_bytes()).await?;
        let half = turn.manner == Manner::HalfBody;
        let sent = if half { pieces.len() / 2 } else { pieces.len() };
        for piece in &pieces[..sent] {
            pass(turn.pause).await;
            if turn.chunked {
                let size = format!("{:x}\r\n", piece.len());
                self.io.write_all(size.as_bytes()).await?;
                self.io.write_all(piece).await?;
                self.io.write_all(b"\r\n").await?;
            } else {
                self.io.write_all(piece).await?;
            }
        }
        if turn.chunked && !half {
            self.io.write_all(b"0\r\n\r\n").await?;
        }
        Ok(())
    }
}

/// What matters of a request's head.
struct Head {
    method: Method,
    id: Option<usize>,
    size: Option<usize>,
    length: usize,
    chunked: bool,
}

impl Head {
    fn parse(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let method = lines.next().and_then(|line| line.split(' ').next());
        let mut parsed = Self {
            method: method
                .and_then(|method| method.parse().ok())
                .unwrap_or_default(),
            id: None,
            size: None,
            length: 0,
            chunked: false,
        };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let number = value.trim().parse().ok();
            match name.to_ascii_lowercase().as_str() {
                ID => parsed.id = number,
                SIZE => parsed.size = number,
                "content-length" => parsed.length = number.unwrap_or(0),
                "transfer-encoding" => parsed.chunked = true,
                _ => {}
            }
        }
        parsed
    }

    fn has_body(&self) -> bool {
        self.chunked || self.length > 0
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
