//! A source of fingerprints at work: a server that reads hellos and hangs up.

use pool_tls::client_hello::ClientHello;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const SOURCE: &str = r#"
[fingerprint.source]
use = "by-suffix"
suffix = ".below.test"
profile = "chromium-156"

[[fingerprint.profiles]]
use = "chromium-156"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_below_the_domain_are_greeted_as_the_profile_does() {
    let ciphers = greetings(SOURCE).await;
    assert_ne!(ciphers["a.below.test"], ciphers["b.test"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_source_all_hosts_are_greeted_alike() {
    let ciphers = greetings("").await;
    assert_eq!(
        ciphers["a.below.test"], ciphers["b.test"],
        "else the promise above says nothing"
    );
}

/// The cipher suites that each host was offered, in their order.
async fn greetings(config: &str) -> BTreeMap<String, Vec<u16>> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback can be bound");
    let port = listener.local_addr().expect("it is bound").port();
    let seen: Arc<Mutex<BTreeMap<String, Vec<u16>>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut read = Vec::new();
            while stream.read_buf(&mut read).await.is_ok_and(|more| more > 0) {
                let Ok(hello) = ClientHello::parse(&read) else {
                    continue;
                };
                let name = hello.server_name().expect("a name is asked for").to_owned();
                let mut seen = sink.lock().expect("nothing panics under it");
                seen.insert(name, hello.cipher_suites().to_vec());
                break;
            }
        }
    });

    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("pool.toml");
    std::fs::write(&file, config).expect("the folder is ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_my-pool"));
    command
        .arg("fetch")
        .arg("--config")
        .arg(&file)
        .stdout(Stdio::null());
    for host in ["a.below.test", "b.test"] {
        command.args(["--resolve", &format!("{host}:{port}:127.0.0.1")]);
        command.arg(format!("https://{host}:{port}/"));
    }
    let run = move || command.status().expect("the binary was built");
    let status = tokio::task::spawn_blocking(run).await.expect("no panic");
    assert_eq!(
        status.code(),
        Some(1),
        "nobody answers, which is an error of the requests"
    );
    server.abort();
    Arc::try_unwrap(seen).map_or_else(
        |seen| seen.lock().expect("nothing panics under it").clone(),
        |seen| seen.into_inner().expect("nothing panics under it"),
    )
}
