//! `--check`: what an address answers decides whether it is used.

use pool_core::testing::Fleet;
use serde_json::Value;
use tempfile::NamedTempFile;

use super::support::{Pool, Site};

/// Three addresses, of which the second answers everything with this status.
async fn site(status: u16) -> Site {
    let site = Site::many(3).await;
    site.fleet.origin(1).script(|script| script.status = status);
    site
}

/// The origins that a request for this path reached, each once.
fn reached(site: &Site, path: &str) -> Vec<usize> {
    let requests = site.fleet.ledger().requests();
    let to_path = requests.iter().filter(|request| request.path == path);
    let mut reached: Vec<_> = to_path.map(|request| request.origin).collect();
    reached.sort();
    reached.dedup();
    reached
}

#[tokio::test(flavor = "multi_thread")]
async fn each_connection_is_checked_before_its_first_request_and_an_address_that_fails_gets_none() {
    let site = site(503).await;
    let url = site.url("/page");
    let urls: Vec<&str> = std::iter::repeat_n(url.as_str(), 30).collect();
    let args = ["--check", "/healthz", "--jsonl", "-"];
    let ended = site.fetch().args(&args).args(&urls).run().code(0);
    assert_eq!(ended.records().len(), 30);
    assert!(ended.records().iter().all(|record| record["status"] == 200));
    assert_eq!(reached(&site, "/healthz"), [0, 1, 2]);
    assert_eq!(reached(&site, "/page"), [0, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_check_the_same_address_serves() {
    let site = site(503).await;
    let url = site.url("/page");
    let urls: Vec<&str> = std::iter::repeat_n(url.as_str(), 30).collect();
    site.fetch()
        .args(&["--warm", "--jsonl", "-"])
        .args(&urls)
        .run();
    assert_eq!(reached(&site, "/page").len(), 3);
    assert_eq!(reached(&site, "/healthz").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_up_shows_which_addresses_the_check_refuses() {
    let site = site(404).await;
    let ended = site.warm().args(&["--check", "/healthz"]).run().code(1);
    assert!(ended.stdout.contains("!   0 open"), "{ended:?}");
    assert!(ended.stdout.contains("2 of 3 open"), "{ended:?}");

    let args = ["--check", "/healthz", "--json"];
    let record = site.warm().args(&args).run().code(1).record();
    let cells = record["targets"][0]["cells"].as_array().expect("cells");
    let states: Vec<&Value> = cells.iter().map(|cell| &cell["state"]).collect();
    assert_eq!(states, ["ready", "rejected", "ready"], "{record}");
    let message = cells[1]["error"]["message"].as_str();
    assert!(message.is_some_and(|text| text.contains("404")), "{record}");
}

#[test]
fn the_flag_takes_the_place_of_the_checks_of_the_configuration() {
    let config = NamedTempFile::new().expect("a file");
    let text = "[[health]]\nuse = \"h2-ping\"\n[[health]]\nuse = \"liveness\"\n";
    std::fs::write(&config, text).expect("written");
    let path = config.path().display().to_string();
    let args = [
        "config",
        "show",
        "--json",
        "--config",
        &path,
        "--check",
        "/ok?deep=1",
    ];
    let record = Pool::new(&args).run().code(0).record();
    let settings = record["settings"].as_array().expect("a list");
    let health: Vec<_> = settings
        .iter()
        .filter(|setting| {
            setting["key"]
                .as_str()
                .is_some_and(|key| key.starts_with("health"))
        })
        .collect();
    let values: Vec<_> = health.iter().map(|s| (&s["key"], &s["value"])).collect();
    let expected = [("health[0].path", "/ok?deep=1"), ("health[0].use", "http")];
    let expected = expected.map(|(key, value)| (Value::from(key), Value::from(value)));
    assert_eq!(values, expected.each_ref().map(|(key, value)| (key, value)));
    for setting in health {
        assert_eq!(setting["origin"]["name"], "--check", "{setting}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_none_is_a_mistake_of_the_command_line() {
    let site = Site::start(Fleet::builder()).await;
    for path in ["healthz", "/a b", ""] {
        let url = site.url("/");
        let ended = site.fetch().args(&["--check", path, &url]).run();
        ended.code(2).says("--check");
    }
    assert_eq!(site.fleet.ledger().accepted(), 0);
}
