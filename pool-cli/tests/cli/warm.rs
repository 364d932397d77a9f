//! The matrix opened, held, and who closed what when.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pool_core::testing::{Alpn, Fleet};
use serde_json::Value;
use tempfile::NamedTempFile;

use super::support::{Pool, Site};

const SOURCES: [&str; 2] = ["--source", "127.0.2.0/30"];

/// Longer than any test: what ends such a hold is an event.
const LONG: [&str; 2] = ["--for", "10m"];

fn list(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

pub(crate) fn interrupt(child: &Child) {
    let pid = Pid::from_raw(child.id().try_into().expect("a pid is positive"));
    kill(pid, Signal::SIGINT).expect("it has not ended");
}

/// Reads lines up to one with this in it, and returns them all.
pub(crate) fn read_until(from: &mut impl BufRead, text: &str) -> String {
    let mut read = String::new();
    while !read.contains(text) {
        let more = from.read_line(&mut read).expect("text");
        assert!(more > 0, "{text:?} is not in {read:?}");
    }
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_is_opened_from_every_source_and_drawn() {
    let site = Site::many(2).await;
    let ended = site.warm().args(&SOURCES).run().code(0);
    let port = site.fleet.port();
    for line in [
        "127.0.2.0 to 127.0.2.3",
        &format!("127.0.1.1:{port}  ####   4 open"),
        &format!("127.0.1.2:{port}  ####   4 open"),
        "8 of 8 open",
    ] {
        assert!(ended.stdout.contains(line), "{line:?} is not in {ended:?}");
    }
    assert!(ended.stderr.is_empty(), "no terminal, no words: {ended:?}");
    let conns = site.fleet.ledger().conns();
    let pairs: BTreeSet<_> = conns
        .iter()
        .map(|conn| (conn.addr.ip(), conn.peer.ip()))
        .collect();
    assert_eq!((pairs.len(), conns.len()), (8, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_connections_to_a_cell_are_as_many() {
    let site = Site::many(2).await;
    let ended = site.warm().args(&["--per-cell", "3"]).run().code(0);
    assert!(ended.stdout.contains("6 of 6 open"), "{ended:?}");
    assert_eq!(site.fleet.ledger().accepted(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_address_fails_its_cells_and_no_others() {
    let site = Site::many(2).await;
    site.fleet.origin(1).script(|script| script.refuse = true);
    let ended = site.warm().args(&SOURCES).run().code(1);
    assert!(ended.stdout.contains("####   4 open"), "{ended:?}");
    assert!(ended.stdout.contains("xxxx   0 open"), "{ended:?}");
    assert!(ended.stdout.contains("4 failed: "), "{ended:?}");

    let record = site
        .warm()
        .args(&SOURCES)
        .args(&["--json"])
        .run()
        .code(1)
        .record();
    assert_eq!(
        (&record["ready"], &record["failed"]),
        (&4.into(), &4.into())
    );
    let cells = record["targets"][0]["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 8);
    for cell in cells {
        let is_dead = cell["target"].as_str().unwrap().starts_with("127.0.1.2:");
        if is_dead {
            assert_eq!(cell["state"], "failed", "{cell}");
            assert_eq!(cell["error"]["kind"], "refused", "{cell}");
        } else {
            assert_eq!(cell["state"], "ready", "{cell}");
            assert_eq!(cell.get("error"), None, "{cell}");
        }
        assert!(cell["source"].as_str().unwrap().starts_with("127.0.2."));
    }
}

/// The only closing, of `count` connections.
#[track_caller]
fn closing(record: &Value, count: u32) -> &Value {
    let closings = record["closings"].as_array().expect("a list");
    assert_eq!(closings.len(), 1, "{record}");
    assert_eq!(closings[0]["count"], count, "{record}");
    &closings[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_closes_idle_connections_is_found_with_its_time() {
    for (alpn, reason) in [(Alpn::Http1, "peer_closed"), (Alpn::Both, "goaway")] {
        let site = Site::start(Fleet::builder().alpn(alpn)).await;
        let limit = Duration::from_secs(2);
        site.fleet
            .origin(0)
            .script(|script| script.idle_close = Some(limit));
        let args = ["--per-cell", "4", "--json"];
        // The hold ends because nothing is left of it.
        let ended = site.warm().args(&LONG).args(&args).run().code(0);
        let record = ended.record();
        let closing = closing(&record, 4);
        assert_eq!(
            (&closing["by"], &closing["reason"]),
            (&"peer".into(), &reason.into())
        );
        let min = closing["idle_ms"]["min"].as_f64().unwrap();
        // The server counts from its own last byte, which is earlier: on a busy machine by more than a little.
        assert!(min >= 500.0, "{closing}");
        assert!(closing["open_ms"]["min"].as_f64() >= Some(min), "{closing}");
        assert!(closing["idle_ms"]["max"].as_f64() >= Some(min), "{closing}");
        assert_eq!((&record["ready"], &record["open"]), (&4.into(), &0.into()));
        assert!(record["held_ms"].as_u64() >= Some(100), "{record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_an_address_says_who_closed_and_when() {
    let site = Site::start(Fleet::builder().alpn(Alpn::Http1)).await;
    site.fleet
        .origin(0)
        .script(|script| script.idle_close = Some(Duration::from_secs(1)));
    let ended = site.warm().args(&LONG).args(&["--per-cell", "2"]).run();
    let line = format!("{}  2 closed by the peer after ", site.fleet.addrs()[0]);
    let ended = ended.code(0);
    assert!(ended.stdout.contains(&line), "{ended:?}");
    assert!(ended.stdout.contains(" s idle (min "), "{ended:?}");
    assert!(ended.stdout.contains("0 open at the end"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eviction_of_the_configuration_is_told_as_ours() {
    let site = Site::one().await;
    let config = list(
        "[[eviction]]\nuse = \"idle\"\nafter = \"50ms\"\n[upkeep]\nidle_interval = \"20ms\"\n",
    );
    let path = config.path().display().to_string();
    let args = ["--config", &path, "--json"];
    let record = site.warm().args(&LONG).args(&args).run().code(0).record();
    let closing = closing(&record, 1);
    assert_eq!(
        (&closing["by"], &closing["reason"]),
        (&"us".into(), &"idle".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_closes_in_a_hold_that_keeps_is_opened_again_and_the_rest_left_alone() {
    let site = Site::many(2).await;
    site.fleet
        .origin(0)
        .script(|script| script.idle_close = Some(Duration::from_millis(500)));
    let args = ["--keep=50ms", "--json"];
    let child = site.warm().args(&LONG).args(&args).start();
    let ledger = site.fleet.ledger();
    // The last one may still be on its way when the interrupt comes.
    ledger.wait_until(|seen| seen.accepted() >= 6).await;
    interrupt(&child);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    let record: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert!(record["reopened"]["opened"].as_u64() >= Some(3), "{record}");
    assert_eq!(record["reopened"]["failed"], 0, "{record}");
    let first = site.fleet.addrs()[0].to_string();
    for closing in record["closings"].as_array().unwrap() {
        assert_eq!(closing["target"], first, "{record}");
        assert_eq!(closing["by"], "peer", "{record}");
    }
    // The other one has never been opened a second time.
    let to_other = |conn: &&pool_core::testing::ConnRecord| conn.addr == site.fleet.addrs()[1];
    assert_eq!(ledger.conns().iter().filter(to_other).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_the_hold_with_its_report() {
    let site = Site::one().await;
    let mut child = site.warm().args(&["--for", "never"]).start();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    read_until(&mut stdout, "1 of 1 open");
    interrupt(&child);
    read_until(&mut stdout, "1 open at the end");
    read_until(&mut stdout, "nothing was closed");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_the_warm_up_and_what_was_open_is_told() {
    let site = Site::many(2).await;
    site.fleet
        .origin(1)
        .script(|script| script.stall_accept = true);
    let child = site.warm().args(&LONG).args(&["--json"]).start();
    let ledger = site.fleet.ledger();
    ledger
        .wait_until(|seen| seen.accepted() == 2 && seen.handshakes() == 1)
        .await;
    interrupt(&child);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let record: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let cells = record["targets"][0]["cells"].as_array().unwrap();
    assert_eq!(cells[1]["error"]["kind"], "closed", "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_says_where_its_hosts_are() {
    let site = Site::many(3).await;
    let (name, port) = (site.fleet.name(), site.fleet.port());
    let file = list(&format!(
        "# two of the three\n{name}:{port} 127.0.1.1, 127.0.1.3 # nearest\n"
    ));
    let path = file.path().display().to_string();
    let args = ["warm", "--targets", &path, "--cacert", &site.ca(), "--json"];
    let record = Pool::new(&args).run().code(0).record();
    let target = &record["targets"][0];
    assert_eq!(target["url"], format!("https://{name}:{port}"));
    let addrs: Vec<_> = target["cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| cell["target"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        addrs,
        [format!("127.0.1.1:{port}"), format!("127.0.1.3:{port}")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_of_a_list_may_have_more_addresses_than_an_answer() {
    let addrs: Vec<_> = (1..=100)
        .map(|i| std::net::IpAddr::from([127, 0, 4, i]))
        .collect();
    let site = Site::start(Fleet::builder().origins(addrs)).await;
    let ended = site.warm().args(&["-c", "32"]).run().code(0);
    assert!(ended.stdout.contains("100 of 100 open"), "{ended:?}");
    assert!(
        ended.stdout.contains("all open: 100 of 100 addresses"),
        "{ended:?}"
    );
    assert_eq!(site.fleet.ledger().accepted(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_targets_are_warmed_each() {
    let site = Site::one().await;
    let args = [
        "nowhere.invalid",
        "--resolve",
        "nowhere.invalid:443:127.0.9.9",
    ];
    let ended = site.warm().args(&args).args(&["--connect-timeout", "5"]);
    let ended = ended.run().code(1);
    assert!(
        ended.stdout.contains("https://nowhere.invalid:443\n"),
        "{ended:?}"
    );
    assert!(
        ended.stdout.contains("1 of 2 open, to 2 targets"),
        "{ended:?}"
    );
}

#[test]
fn a_bad_line_of_a_list_is_named_and_nothing_is_opened() {
    for (text, says) in [
        ("a.test 127.0.0.1\nb.test nowhere\n", "line 2: \"nowhere\""),
        ("\n\na.test\n", "line 3: there is no address"),
        ("a.test 127.0.0.1\na.test 127.0.0.2\n", "on line 1"),
        ("# nothing\n", "no target in it"),
    ] {
        let file = list(text);
        let path = file.path().display().to_string();
        let ended = Pool::new(&["warm", "--targets", &path]).run().code(2);
        ended.says(&path).says(says);
    }
    let ended = Pool::new(&["warm", "--targets", "/nowhere/list"]).run();
    ended.code(2).says("/nowhere/list");
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for (args, says) in [
        (&["warm"][..], "TARGET"),
        (&["warm", "a.test/x"], "a.test/x"),
        (&["warm", "a.test", "--keep"], "--for"),
        (&["warm", "a.test", "--for", "1s", "--keep=0s"], "--keep"),
        (&["warm", "a.test", "--per-cell", "0"], "--per-cell"),
    ] {
        Pool::new(args).run().code(2).says(says);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_limits_allow_is_refused_with_both_numbers() {
    let site = Site::many(4).await;
    let args = ["--max-conns-per-host", "15"];
    let ended = site.warm().args(&SOURCES).args(&args).run().code(2);
    ended
        .says("16 connections")
        .says("15")
        .says("--max-conns-per-host");

    // Each would fit alone.
    let port = site.fleet.port();
    let other = format!("other.test:{port}");
    let resolve = format!("{other}:127.0.1.1,127.0.1.2");
    let both = [other.as_str(), "--resolve", &resolve];
    let ended = site.warm().args(&both).env("POOL_LIMITS__TOTAL", "5");
    let ended = ended.args(&["--max-conns-per-host", "4"]).run().code(2);
    ended
        .says("6 connections together")
        .says("limits.total is 5");
    assert_eq!(site.fleet.ledger().accepted(), 0);
}

#[test]
fn a_source_that_is_not_here_is_the_machines_fault() {
    let args = ["warm", "--source", "192.0.2.7", "127.0.0.1:1"];
    Pool::new(&args).run().code(3).says("192.0.2.7");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_interrupt_stops_at_once() {
    let site = Site::start(Fleet::builder().tls(false)).await;
    // More cells than a pipe takes, and nobody reads it: the report cannot be finished.
    let args = [
        "--per-cell",
        "1200",
        "--max-conns-per-host",
        "1200",
        "--json",
    ];
    let mut child = site.warm().args(&LONG).args(&args).start();
    site.fleet
        .ledger()
        .wait_until(|seen| seen.accepted() == 1200)
        .await;
    interrupt(&child);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    read_until(&mut stderr, "interrupted");
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// The block of the README that stands after these words.
fn block_of_readme(after: &str) -> &'static str {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once(after).expect("the words are there");
    let (_, block) = rest.split_once("```").expect("a block begins");
    let (_language, block) = block.split_once('\n').expect("it has lines");
    block.split_once("```").expect("it ends").0
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_health_check_asks_once_on_each_connection() {
    let site = Site::start(Fleet::builder().alpn(Alpn::Http1)).await;
    site.fleet
        .origin(0)
        .script(|script| script.idle_close = Some(Duration::from_secs(2)));
    let config = list(block_of_readme("A health check asks:"));
    let path = config.path().display().to_string();
    let args = ["--config", &path, "--per-cell", "3", "--json"];
    let record = site.warm().args(&LONG).args(&args).run().code(0).record();
    assert_eq!(closing(&record, 3)["by"], "peer");
    assert_eq!(site.fleet.ledger().arrived(), 3);
}

#[test]
fn the_readmes_list_is_a_list() {
    let text = block_of_readme("Arguments and list may be together.");
    let file = list(text);
    let path = file.path().display().to_string();
    // Its addresses are nobody's, and so is this source: it is read before anything is connected to.
    let args = ["warm", "--targets", &path, "--source", "192.0.2.7"];
    Pool::new(&args).run().code(3).says("192.0.2.7");
    let broken = list(&text.replace("192.0.2.1,", "192.0.2.1;"));
    let path = broken.path().display().to_string();
    let ended = Pool::new(&["warm", "--targets", &path]).run().code(2);
    ended.says("line 2");
}
