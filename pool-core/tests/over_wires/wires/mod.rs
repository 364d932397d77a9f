//! A network in memory: every dial of the pool arrives here as the far end of a pipe.

use std::sync::Arc;

use async_trait::async_trait;
use pool_core::{
    Config, Connect, ConnectContext, ConnectError, Connected, LiteralResolver, Pool, PoolBuilder,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// An address that no resolver is needed for.
pub(crate) const URL: &str = "http://192.0.2.1/";

/// A pool that dials into the returned network.
pub(crate) fn pool(config: Config) -> (Pool, Network) {
    let (builder, network) = builder(config);
    (builder.build().expect("a pool"), network)
}

/// As [`pool`], to be changed.
pub(crate) fn builder(config: Config) -> (PoolBuilder, Network) {
    let (dialled, dials) = unbounded_channel();
    let builder = Pool::builder()
        .config(config)
        .resolver(Arc::new(LiteralResolver))
        .connect(Arc::new(Wires { dialled }));
    (builder, Network { dials })
}

/// The far side.
pub(crate) struct Network {
    dials: UnboundedReceiver<DuplexStream>,
}

impl Network {
    /// The far end of the next connection.
    pub(crate) async fn accept(&mut self) -> Wire {
        Wire(self.dials.recv().await.expect("the pool lives"))
    }

    /// Whether the pool has dialled without anybody having accepted.
    pub(crate) fn was_dialled(&self) -> bool {
        !self.dials.is_empty()
    }
}

/// The far end of one connection.
pub(crate) struct Wire(pub(crate) DuplexStream);

impl Wire {
    /// Reads one request's head.
    pub(crate) async fn read_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("a request"));
        }
        String::from_utf8(head).expect("a head in ASCII")
    }

    pub(crate) async fn write(&mut self, bytes: &str) {
        let written = self.0.write_all(bytes.as_bytes()).await;
        written.expect("the pool reads");
    }

    /// Answers one request with 200 and a body of two bytes.
    pub(crate) async fn serve(&mut self) {
        self.read_head().await;
        self.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await;
    }

    /// Waits until the pool closes the connection. Returns what it had still sent.
    pub(crate) async fn closed(&mut self) -> usize {
        let mut rest = Vec::new();
        let read = self.0.read_to_end(&mut rest).await;
        read.expect("pipes close cleanly")
    }
}

#[derive(Debug)]
struct Wires {
    dialled: UnboundedSender<DuplexStream>,
}

#[async_trait]
impl Connect for Wires {
    async fn connect(&self, _: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        let (near, far) = duplex(64 * 1024);
        // A network that is gone closes every connection at once.
        let _gone = self.dialled.send(far);
        Ok(Connected::new(Box::new(near), None))
    }
}
