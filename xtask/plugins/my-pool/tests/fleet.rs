//! The policy at work: real connections, a config file, and a server that counts.

use pool_core::testing::{Fleet, Ledger};
use std::io::Write;
use std::process::{Command, Stdio};

const REQUESTS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_http1_connection_serves_more_than_seven() {
    at_most_seven("--http1.1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_http2_connection_serves_more_than_seven_not_even_at_once() {
    at_most_seven("--http2").await;
}

async fn at_most_seven(protocol: &str) {
    let config = "[[eviction]]\nuse = \"max-checkouts\"\nmax = 7\n";
    let ledger = fetch(config, protocol).await;
    assert!(
        ledger.max_requests_on_a_connection() <= 7,
        "{} on one connection",
        ledger.max_requests_on_a_connection()
    );
    assert!(
        ledger.accepted() >= REQUESTS.div_ceil(7),
        "{}",
        ledger.accepted()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_policy_a_connection_serves_more() {
    let ledger = fetch("", "--http1.1").await;
    assert!(
        ledger.max_requests_on_a_connection() > 7,
        "else the promise above says nothing"
    );
}

/// Fetches [`REQUESTS`] URLs through the binary with `config`, and returns what the server saw.
async fn fetch(config: &str, protocol: &str) -> Ledger {
    let fleet = Fleet::builder()
        .start()
        .await
        .expect("loopback can be bound");
    let ledger = fleet.ledger();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("ca.pem"), fleet.ca_pem()).expect("the folder is ours");
    std::fs::write(path("pool.toml"), config).expect("the folder is ours");

    let mut command = Command::new(env!("CARGO_BIN_EXE_my-pool"));
    let address = fleet.addrs()[0];
    command
        .args(["fetch", "-i", "-", "--jsonl", "-", "-c", "4", protocol])
        .arg("--resolve")
        .arg(format!(
            "{}:{}:{}",
            fleet.name(),
            address.port(),
            address.ip()
        ))
        .arg("--cacert")
        .arg(path("ca.pem"))
        .arg("--config")
        .arg(path("pool.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let urls: String = (0..REQUESTS)
        .map(|n| fleet.url(&format!("/{n}\n")))
        .collect();
    let run = move || {
        let mut child = command.spawn().expect("the binary was built");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin
            .write_all(urls.as_bytes())
            .expect("it reads its input");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    };
    let output = tokio::task::spawn_blocking(run).await.expect("no panic");

    assert!(output.status.success(), "{}", output.status);
    let records = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let ok = records
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a JSON object"))
        .filter(|record| record["status"] == 200)
        .count();
    assert_eq!(ok, REQUESTS, "{records}");
    assert_eq!(ledger.served(), REQUESTS, "nothing was sent twice");
    fleet.shutdown().await;
    ledger
}
