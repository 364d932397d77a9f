//! What it costs to connect from a chosen address when some of its ports are taken.
//!
//! Run in a network of its own, with a small range of local ports: `bench-bind FIRST LAST`. Prints one line of JSON.

#![forbid(unsafe_code)]

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use bench_load::BoxError;
use nix::time::{ClockId, clock_gettime};
use pool_core::{Connect, ConnectContext, TcpConnector};
use serde_json::{Value, json};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::TcpSocket;

const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Hundredths of the ports that are taken.
const USED: [usize; 4] = [0, 5, 95, 100];

const SAMPLES: usize = 2000;

fn main() -> ExitCode {
    let ports: Vec<u16> = std::env::args()
        .skip(1)
        .flat_map(|arg| arg.parse())
        .collect();
    let [first, last] = ports[..] else {
        eprintln!("bench-bind FIRST LAST");
        return ExitCode::from(2);
    };
    match run(first, last) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench-bind: {error}");
            ExitCode::from(3)
        }
    }
}

fn run(first: u16, last: u16) -> Result<Value, BoxError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let target = listener.local_addr()?;
    // It resets each connection that the other side has closed, so that none keeps its port for a minute.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0]);
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ports = shuffled(first, last);
    let (mut held, mut rows) = (Vec::new(), Vec::new());
    for used in USED {
        while held.len() < ports.len() * used / 100 {
            held.push(hold(ports[held.len()])?);
        }
        let mut lanes = [("ours", Times::default()), ("plain", Times::default())];
        for _ in 0..SAMPLES {
            for (mode, times) in &mut lanes {
                let began = now();
                let outcome = runtime.block_on(connect(mode, target));
                times.add(now() - began, outcome);
            }
        }
        rows.extend(lanes.map(|(mode, times)| times.json(used, mode)));
    }
    Ok(Value::Array(rows))
}

async fn connect(mode: &str, target: SocketAddr) -> Result<(), BoxError> {
    if mode == "ours" {
        let host = target.ip().to_string();
        let cx = ConnectContext::new(target, &host).with_source(IpAddr::V4(SOURCE));
        drop(TcpConnector::default().connect(cx).await?);
        return Ok(());
    }
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((SOURCE, 0)))?;
    drop(socket.connect(target).await?);
    Ok(())
}

/// Takes a port as a connection does.
fn hold(port: u16) -> Result<Socket, BoxError> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    match socket.bind(&SocketAddr::from((SOURCE, port)).into()) {
        // The listener has it.
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Ok(socket),
        bound => Ok(bound.map(|()| socket)?),
    }
}

/// All ports, in the same order in every run.
fn shuffled(first: u16, last: u16) -> Vec<u16> {
    let mut ports: Vec<u16> = (first..=last).collect();
    let mut state = 1_u64;
    for at in (1..ports.len()).rev() {
        // Knuth's generator; its upper bits are good enough to shuffle with.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ports.swap(at, (state >> 33) as usize % (at + 1));
    }
    ports
}

/// The processor time of this thread: what others do meanwhile is not in it, and on loopback the kernel does its part
/// in the thread that asks.
fn now() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has that clock"))
}

#[derive(Default)]
struct Times {
    micros: Vec<f64>,
    failed: usize,
}

impl Times {
    /// A refusal takes its time as well: that of the caller.
    fn add(&mut self, took: Duration, outcome: Result<(), BoxError>) {
        self.micros.push(took.as_secs_f64() * 1e6);
        self.failed += usize::from(outcome.is_err());
    }

    fn json(mut self, used: usize, mode: &str) -> Value {
        self.micros.sort_by(f64::total_cmp);
        let at = |q: f64| {
            let last = self.micros.len().checked_sub(1)?;
            Some(self.micros[(last as f64 * q).round() as usize])
        };
        json!({
            "row": format!("{used}/{mode}"),
            "p50_us": at(0.5),
            "p99_us": at(0.99),
            "failed": self.failed,
        })
    }
}
