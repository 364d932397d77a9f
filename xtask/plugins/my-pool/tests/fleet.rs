//! The policies at work: real connections, a config file, and servers that count.

use pool_core::testing::{Body, Fleet, Ledger};
use std::io::Write;
use std::net::IpAddr;
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

/// Every policy of one's own in one file, each with an effect that a server can see.
const EVERYTHING: &str = r#"
[[eviction]]
use = "max-checkouts"
max = 7

[[health]]
use = "says-ok"
path = "/up"

[[outlier]]
use = "one-strike"
for = "1h"

[[access]]
use = "rebind-guard"
suffix = ".test"

[localip]
use = "one-source"
addr = "127.0.0.9"

[fingerprint.source]
use = "by-suffix"
suffix = ""
profile = "chromium-156"

[[fingerprint.profiles]]
use = "chromium-156"

[upkeep]
alive_bypass = "0s"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_see_five_policies_from_one_file_at_work() {
    let two = [1, 2].map(|last| IpAddr::from([127, 0, 0, last]));
    let fleet = Fleet::builder().origins(two).start().await;
    let fleet = fleet.expect("loopback can be bound");
    // The second address is ill; what the first one answers is what the check wants to hear.
    fleet
        .origin(0)
        .script(|script| script.body = Body::Exactly("ok".into()));
    fleet.origin(1).script(|script| script.status = 503);
    let records = fetch_from(&fleet, EVERYTHING, "--http2", "1").await;
    let ledger = fleet.ledger();
    let requests = ledger.requests();
    let at = |origin, path: &str| {
        let of_origin = requests
            .iter()
            .filter(move |request| request.origin == origin);
        of_origin
            .filter(|request| request.path.starts_with(path))
            .count()
    };

    let here = IpAddr::from([127, 0, 0, 9]);
    assert_eq!(ledger.sources().into_iter().collect::<Vec<_>>(), [here]);
    assert_eq!(at(1, "/"), 1, "it rests after one failure");
    let answered = |status: u16| records.iter().filter(|r| r["status"] == status).count();
    assert_eq!((answered(503), answered(200)), (1, REQUESTS - 1));
    assert!(
        at(0, "/up") > REQUESTS / 2,
        "checked before each reuse: {}",
        at(0, "/up")
    );
    let urls = |conn: u64| {
        let own = requests.iter().filter(|request| request.conn == conn);
        own.filter(|request| request.path != "/up").count()
    };
    let most = requests.iter().map(|request| urls(request.conn)).max();
    assert_eq!(most, Some(7), "URLs on one connection");
    fleet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_is_not_well_has_its_connections_closed() {
    let fleet = Fleet::builder()
        .start()
        .await
        .expect("loopback can be bound");
    fleet
        .origin(0)
        .script(|script| script.body = Body::Exactly("ill".into()));
    let config = "[upkeep]\nalive_bypass = \"0s\"\n[[health]]\nuse = \"says-ok\"\npath = \"/up\"\n";
    fetch_from(&fleet, config, "--http1.1", "1").await;
    let ledger = fleet.ledger();
    let requests = ledger.requests();
    let on = |conn: u64| {
        let own = requests.iter().filter(|request| request.conn == conn);
        own.filter(|request| request.path != "/up").count()
    };
    assert!(requests.iter().all(|request| on(request.conn) <= 1));
    fleet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_not_ours_and_leads_inside_is_not_connected_to() {
    let guard =
        |suffix: &str| format!("[[access]]\nuse = \"rebind-guard\"\nsuffix = \"{suffix}\"\n");
    let fleet = Fleet::builder()
        .start()
        .await
        .expect("loopback can be bound");
    let records = fetch_from(&fleet, &guard(".internal"), "--http2", "4").await;
    let denied = records.iter().filter(|r| r["error"]["kind"] == "denied");
    assert_eq!(denied.count(), REQUESTS, "{records:?}");
    assert_eq!(fleet.ledger().accepted(), 0, "the server saw nobody");
    fleet.shutdown().await;

    fetch(&guard(".test"), "--http2").await;
}

#[test]
fn each_policy_is_listed_with_its_options_among_the_built_in_ones() {
    let listed = Command::new(env!("CARGO_BIN_EXE_my-pool"))
        .args(["plugins", "list", "--json"])
        .output()
        .expect("the binary was built");
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    for (section, name, option) in [
        ("eviction", "max-checkouts", "max"),
        ("health", "says-ok", "path"),
        ("outlier", "one-strike", "for"),
        ("access", "rebind-guard", "suffix"),
        ("localip", "one-source", "addr"),
        ("fingerprint.source", "by-suffix", "suffix"),
    ] {
        let plugins = listed["plugins"].as_array().expect("a list");
        let plugin = plugins
            .iter()
            .find(|plugin| plugin["section"] == section && plugin["name"] == name)
            .unwrap_or_else(|| panic!("{section} {name} is not listed"));
        assert_ne!(plugin["summary"], "", "{name}");
        assert_eq!(plugin["options"][0]["key"], option, "{name}");
        assert_ne!(plugin["options"][0]["meaning"], "", "{name}");
    }
}

#[test]
fn a_misspelt_policy_of_any_kind_is_an_error_that_names_the_right_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("pool.toml");
    for (section, misspelt, near) in [
        ("[[eviction]]", "max-chekouts", "max-checkouts"),
        ("[[health]]", "sayok", "says-ok"),
        ("[[outlier]]", "one-stike", "one-strike"),
        ("[[access]]", "rebind-gaurd", "rebind-guard"),
        ("[localip]", "one-sorce", "one-source"),
        ("[fingerprint.source]", "by-sufix", "by-suffix"),
    ] {
        std::fs::write(&file, format!("{section}\nuse = \"{misspelt}\"\n"))
            .expect("the folder is ours");
        let refused = Command::new(env!("CARGO_BIN_EXE_my-pool"))
            .args(["config", "show", "--config"])
            .arg(&file)
            .output()
            .expect("the binary was built");
        let says = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{says}");
        assert!(says.contains(&format!("did you mean {near:?}?")), "{says}");
    }
}

/// Fetches [`REQUESTS`] URLs through the binary with `config`, and returns what the server saw.
async fn fetch(config: &str, protocol: &str) -> Ledger {
    let fleet = Fleet::builder()
        .start()
        .await
        .expect("loopback can be bound");
    let records = fetch_from(&fleet, config, protocol, "4").await;
    let ok = records.iter().filter(|record| record["status"] == 200);
    assert_eq!(ok.count(), REQUESTS, "{records:?}");
    let ledger = fleet.ledger();
    assert_eq!(ledger.served(), REQUESTS, "nothing was sent twice");
    fleet.shutdown().await;
    ledger
}

/// Fetches [`REQUESTS`] URLs of the fleet, so many at a time, and returns a record for each.
async fn fetch_from(
    fleet: &Fleet,
    config: &str,
    protocol: &str,
    at_once: &str,
) -> Vec<serde_json::Value> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("ca.pem"), fleet.ca_pem()).expect("the folder is ours");
    std::fs::write(path("pool.toml"), config).expect("the folder is ours");

    let mut command = Command::new(env!("CARGO_BIN_EXE_my-pool"));
    let addresses: Vec<String> = fleet
        .addrs()
        .iter()
        .map(|addr| addr.ip().to_string())
        .collect();
    command
        .args(["fetch", "-i", "-", "--jsonl", "-", "-c", at_once, protocol])
        .arg("--resolve")
        .arg(format!(
            "{}:{}:{}",
            fleet.name(),
            fleet.port(),
            addresses.join(",")
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
    assert!(
        output.status.code().is_some_and(|code| code < 2),
        "{}",
        output.status
    );
    let records = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let record = |line| serde_json::from_str(line).expect("a JSON object");
    records.lines().map(record).collect()
}
