//! A TLS server for HTTP/1.1 and HTTP/2, as lean as hyper and h2 allow, that plays any number of hosts on loopback.
//!
//! It prints its port, answers `stats` on standard input with one line of JSON, and ends when its input does.

#![forbid(unsafe_code)]

mod args;
mod cert;
mod delay;
mod pages;
mod serve;
mod stats;

use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;

use args::Args;
use pages::Pages;
use stats::Stats;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(wrong) => {
            eprintln!("bench-origin: {wrong}");
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-origin: {error}");
            ExitCode::from(3)
        }
    }
}

fn run(args: &Args) -> Result<(), BoxError> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let tls = TlsAcceptor::from(Arc::new(cert::server_config(&args.ca)?));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let stats = Arc::new(Stats::default());
    let listener = runtime.block_on(async { listen() })?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    runtime.spawn(accept(listener, tls, stats.clone(), args.rtt));
    for line in std::io::stdin().lock().lines() {
        if line? == "stats" {
            println!("{}", stats.json());
            std::io::stdout().flush()?;
        }
    }
    runtime.shutdown_background();
    Ok(())
}

/// On all of loopback, with room for a burst of everybody at once.
fn listen() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))?;
    socket.listen(4096)
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, stats: Arc<Stats>, rtt: Duration) {
    let pages = Arc::new(Pages::new());
    loop {
        let Ok((tcp, _)) = listener.accept().await else {
            // Out of files; the next may fit.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (tls, stats, pages) = (tls.clone(), stats.clone(), pages.clone());
        tokio::spawn(async move {
            // A client that closes is no error of this server.
            let _ = tcp.set_nodelay(true);
            let _ = serve::conn(tcp, &tls, &stats, &pages, rtt).await;
        });
    }
}
