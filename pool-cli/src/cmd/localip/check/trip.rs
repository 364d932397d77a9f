//! A TCP connection from one address, and a listener that says who came.

use std::io;
use std::net::{IpAddr, SocketAddr};

use pool_core::{Connect, ConnectContext, ConnectError, TcpConnector};
use pool_tls::BoxedIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Trouble;
use crate::exit::{Failure, chain};

/// Tells everybody who connects which address it sees.
pub(super) struct Listener {
    addr: SocketAddr,
    /// Ends when it is dropped.
    _serving: JoinSet<()>,
}

/// More than the text of any address.
const LONGEST: u64 = 64;

impl Listener {
    /// Listens on this address, on any port.
    ///
    /// # Errors
    ///
    /// Exit 3 if it cannot.
    pub(super) async fn start(on: IpAddr) -> Result<Self, Failure> {
        let cannot = |error: io::Error| {
            Failure::environment(
                format!("cannot listen on {on}: {error}"),
                "the loopback interface may be down (`ip link set lo up`); --target connects elsewhere",
            )
        };
        let listener = TcpListener::bind((on, 0)).await.map_err(cannot)?;
        let addr = listener.local_addr().map_err(cannot)?;
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut visits = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => if let Ok((mut stream, peer)) = accepted {
                        visits.spawn(async move {
                            // Who does not wait for the answer does without.
                            let _ = stream.write_all(peer.ip().to_string().as_bytes()).await;
                            let _ = stream.shutdown().await;
                        });
                    },
                    Some(_) = visits.join_next() => {}
                }
            }
        });
        Ok(Self {
            addr,
            _serving: serving,
        })
    }

    /// Connects from `source`; what the listener saw.
    pub(super) async fn meet(&self, source: IpAddr) -> Result<IpAddr, Trouble> {
        let io = connect(self.addr, source).await?;
        let mut said = String::new();
        let read = io.take(LONGEST).read_to_string(&mut said).await;
        read.map_err(|error| Trouble::new("failed", format!("the connection broke: {error}")))?;
        said.parse()
            .map_err(|error| Trouble::new("failed", format!("the listener said {said:?}: {error}")))
    }
}

/// Connects from exactly this address, which no interface needs to have.
pub(super) async fn connect(target: SocketAddr, source: IpAddr) -> Result<BoxedIo, Trouble> {
    let tcp = TcpConnector::default().freebind(cfg!(target_os = "linux"));
    let host = target.ip().to_string();
    let cx = ConnectContext::new(target, &host).with_source(source);
    let connected = tcp.connect(cx).await.map_err(|error| trouble(&error))?;
    match connected.local {
        Some(local) if local.ip() != source => Err(Trouble::new(
            "other_source",
            format!("the socket came from {} instead", local.ip()),
        )),
        _ => Ok(connected.io),
    }
}

fn trouble(error: &ConnectError) -> Trouble {
    let (kind, hint) = match error {
        ConnectError::FamilyMismatch => ("family_mismatch", ""),
        ConnectError::Unbindable(_) => ("unbindable", ""),
        ConnectError::NoFreePort(_) => ("no_free_port", ""),
        ConnectError::Failed(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => ("refused", ""),
            // Linux says it of an IPv4 source that is not local too.
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => (
                "unreachable",
                ": there is no route, or the address is not this machine's",
            ),
            _ => ("failed", ""),
        },
        _ => ("failed", ""),
    };
    Trouble::new(kind, format!("{}{hint}", chain(error)))
}
