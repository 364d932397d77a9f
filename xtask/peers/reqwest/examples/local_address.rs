//! pool-localip beside reqwest: a client for each of its addresses, and a lease for each request.
//!
//! `cargo run -p peer-reqwest --example local_address` in `xtask/peers`. A client of reqwest has one source address for all of its connections, so there
//! is one for each; which of them sends the next request, and how many at a time, the allocator says.

#![expect(
    clippy::disallowed_methods,
    reason = "a program reads the clock where it dials"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use pool_localip::{AllocContext, LocalAddrAllocator, Outcome, Prefix};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

type Seen = Arc<Mutex<BTreeSet<IpAddr>>>;

struct Clients {
    sources: Prefix,
    by_addr: BTreeMap<IpAddr, reqwest::Client>,
}

impl Clients {
    fn new(prefix: &str) -> Result<Self, Box<dyn Error>> {
        let sources = prefix.parse::<Prefix>()?.max_per_addr(2);
        // This reqwest has no TLS of its own choice.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = |addr| {
            let client = reqwest::Client::builder()
                .local_address(addr)
                .tls_backend_preconfigured(tls.clone())
                .no_proxy();
            Ok::<_, reqwest::Error>((addr, client.build()?))
        };
        let by_addr = sources.sources().into_iter().map(client);
        Ok(Self {
            by_addr: by_addr.collect::<Result<_, _>>()?,
            sources,
        })
    }

    async fn get(&self, target: SocketAddr) -> Result<String, Box<dyn Error>> {
        let lease = self
            .sources
            .allocate(&AllocContext::new(target, Instant::now()))?;
        let client = lease.addr().and_then(|addr| self.by_addr.get(&addr));
        let client = client.ok_or("every address of the prefix has a client")?;
        let answer = client.get(format!("http://{target}/")).send().await;
        lease.report(match &answer {
            Ok(_) => Outcome::Connected,
            Err(_) => Outcome::TargetFailed,
        });
        Ok(answer?.text().await?)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let target = listener.local_addr()?;
    let seen = Seen::default();
    tokio::spawn(serve(listener, seen.clone()));

    let clients = Clients::new("127.0.2.0/29")?;
    for _ in 0..16 {
        assert_eq!(clients.get(target).await?, "ok");
    }
    let seen = seen.lock().map_err(|_| "the server panicked")?;
    println!("the server saw {seen:?}");
    assert_eq!(seen.len(), 8);
    Ok(())
}

/// Answers every request with `ok`, and remembers where it came from.
async fn serve(listener: TcpListener, seen: Seen) {
    while let Ok((mut stream, peer)) = listener.accept().await {
        if let Ok(mut seen) = seen.lock() {
            seen.insert(peer.ip());
        }
        tokio::spawn(async move {
            let mut head = Vec::new();
            while let Ok(byte) = stream.read_u8().await {
                head.push(byte);
                if head.ends_with(b"\r\n\r\n") {
                    head.clear();
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}
