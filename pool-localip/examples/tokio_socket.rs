//! Leases beside a plain tokio `TcpSocket`: every connection from another address, which the peer sees.
//!
//! `cargo run -p pool-localip --example tokio_socket`; it needs an address of 127/8 each, which Linux has without set-up.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use pool_localip::{AllocContext, Cooldown, Lease, LocalAddrAllocator, Outcome, Prefix};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A stream and its source; the lease drops last, when the socket has closed.
struct Leased {
    stream: TcpStream,
    _lease: Lease,
}

/// Connects from the next address that does.
async fn connect(
    sources: &dyn LocalAddrAllocator,
    target: SocketAddr,
) -> Result<Leased, Box<dyn Error>> {
    let mut failed: Vec<IpAddr> = Vec::new();
    loop {
        let lease = sources.allocate(&AllocContext::new(target, now()).with_avoid(&failed))?;
        let Some(source) = lease.addr() else {
            return Err("a prefix always names an address".into());
        };
        let socket = TcpSocket::new_v4()?;
        // With `IP_BIND_ADDRESS_NO_PORT`, by the crate socket2, many more connections fit on one address.
        let opened = match socket.bind(SocketAddr::new(source, 0)) {
            Ok(()) => socket.connect(target).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(stream) => {
                lease.report(Outcome::Connected);
                return Ok(Leased {
                    stream,
                    _lease: lease,
                });
            }
            // The source is full or gone: it rests, and another one is tried.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable
                ) =>
            {
                lease.report(Outcome::AddrInUse);
                failed.push(source);
            }
            Err(error) => {
                lease.report(Outcome::TargetFailed);
                return Err(error.into());
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program reads the clock where it dials"
)]
fn now() -> Instant {
    Instant::now()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let target = listener.local_addr()?;
    let sources = Cooldown::new("127.0.2.0/29".parse::<Prefix>()?.max_per_addr(1));

    let (mut open, mut seen) = (Vec::new(), BTreeSet::new());
    for _ in 0..8 {
        let (leased, accepted) = tokio::join!(connect(&sources, target), listener.accept());
        let (leased, (_, peer)) = (leased?, accepted?);
        assert_eq!(leased.stream.local_addr()?, peer);
        seen.insert(peer.ip());
        open.push(leased);
    }
    println!("the listener saw {seen:?}");
    assert_eq!(seen.len(), 8);

    // All of them carry one connection: a ninth has to wait for one to close.
    let refused = connect(&sources, target).await.err();
    println!("a ninth: {}", refused.ok_or("there is no ninth address")?);
    open.pop();
    let (ninth, accepted) = tokio::join!(connect(&sources, target), listener.accept());
    println!("after one has closed: {}", ninth?.stream.local_addr()?);
    accepted?;
    Ok(())
}
