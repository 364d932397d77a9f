//! Where bodies and records go.

use std::io::{BufRead, BufReader, Read, Write};

use pool_core::testing::{Body, Fleet};

use super::support::{Pool, Site};

/// Of `hello`.
const SHA256: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

async fn hello() -> Site {
    let site = Site::one().await;
    let hello = Body::Exactly("hello".into());
    site.fleet.origin(0).script(|script| script.body = hello);
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn one_url_writes_its_body_to_stdout_and_nothing_else() {
    let site = hello().await;
    let ended = site.fetch().args(&[&site.url("/")]).run().code(0);
    assert_eq!(ended.stdout, "hello");
    assert_eq!(ended.stderr, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_urls_write_a_line_each() {
    let site = hello().await;
    let urls = [site.url("/1"), site.url("/2")];
    let ended = site
        .fetch()
        .args(&["-c", "1", &urls[0], &urls[1]])
        .run()
        .code(0);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{ended:?}");
    let (target, port) = ("127.0.0.1", site.fleet.port());
    for (line, url) in lines.iter().zip(&urls) {
        assert!(line.starts_with("200 ") && line.ends_with(url), "{line}");
        assert!(
            line.contains(" 5 B ") && line.contains(&format!("{target}:{port} ← 127.0.0.1")),
            "{line}"
        );
    }
    assert!(
        lines[0].contains(" new ") && lines[1].contains(" reused "),
        "{ended:?}"
    );
    ended.says("2 ok · 0 failed · 1 on a connection that was open");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_say_what_came_over_which_connection() {
    let site = hello().await;
    let args = ["-c", "1", "--jsonl", "-", &site.url("/1"), &site.url("/2")];
    let records = site.fetch().args(&args).run().code(0).records();
    assert_eq!(records.len(), 2);
    for (record, path) in records.iter().zip(["/1", "/2"]) {
        assert_eq!(record["url"], site.url(path));
        assert_eq!(
            (&record["status"], &record["bytes"]),
            (&200.into(), &5.into())
        );
        assert_eq!(record["sha256"], SHA256);
        assert_eq!(record["attempts"], 1);
        assert!(record["ttfb_us"].as_u64() <= record["total_us"].as_u64());
        let conn = &record["conn"];
        assert_eq!(conn["target"], site.fleet.addrs()[0].to_string());
        assert_eq!(
            (&conn["source"], &conn["proto"]),
            (&"127.0.0.1".into(), &"h2".into())
        );
        assert!(conn["age_ms"].is_u64(), "{record}");
    }
    assert_eq!(records[0]["conn"]["id"], records[1]["conn"]["id"]);
    assert_eq!(records[0]["conn"]["reused"], false);
    assert_eq!(records[1]["conn"]["reused"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_is_no_success_is_still_a_response() {
    let site = Site::one().await;
    site.fleet.origin(0).script(|script| script.status = 404);
    let ended = site
        .fetch()
        .args(&["--jsonl", "-", &site.url("/")])
        .run()
        .code(0);
    assert_eq!(ended.record()["status"], 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_become_files_with_names_of_their_own() {
    let site = hello().await;
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out").display().to_string();
    let urls = [
        site.url("/a/x"),
        site.url("/b/x"),
        site.url("/%2e%2e%2fx?y"),
    ];
    let args = ["-o", &out, "--jsonl", "-", &urls[0], &urls[1], &urls[2]];
    let records = site.fetch().args(&args).run().code(0).records();
    let host = format!("{}_{}", site.fleet.name(), site.fleet.port());
    for (url, name) in urls.iter().zip(["x", "x.1", "%2e%2e%2fx"]) {
        let path = dir.path().join("out").join(&host).join(name);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "hello", "{name}");
        let record = records.iter().find(|record| record["url"] == *url).unwrap();
        assert_eq!(record["file"], path.display().to_string());
    }
    assert_eq!(
        std::fs::read_dir(dir.path().join("out").join(&host))
            .unwrap()
            .count(),
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_leaves_no_file() {
    let site = Site::one().await;
    // So much that the head is read long before the end.
    let cut = Body::Cut {
        declared: 20_000_000,
        sent: 10_000_000,
    };
    site.fleet.origin(0).script(|script| script.body = cut);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().display().to_string();
    let args = ["--http1.1", "-o", &out, "--jsonl", "-", &site.url("/x")];
    let record = site.fetch().args(&args).run().code(1).record();
    assert_eq!(record["error"]["kind"], "body", "{record}");
    let host = dir
        .path()
        .join(format!("{}_{}", site.fleet.name(), site.fleet.port()));
    assert_eq!(std::fs::read_dir(host).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_are_written_at_the_end() {
    let site = hello().await;
    let args = [
        "--jsonl",
        "-",
        "--stats",
        "-",
        &site.url("/1"),
        &site.url("/2"),
    ];
    let records = site.fetch().args(&args).run().code(0).records();
    assert_eq!(records.len(), 3);
    let stats = &records[2];
    assert_eq!(stats["requests"], 2, "{stats}");
    let dialled = &stats["totals"]["dialled"];
    assert_eq!(&stats["handshakes"], dialled, "{stats}");
    assert!(stats["handshakes_resumed"].is_u64(), "{stats}");
    assert!(stats["lock_wait"].is_object(), "{stats}");
    let waits = &stats["acquire_wait"];
    assert_eq!(waits["count"], 2, "{stats}");
    let us = |name: &str| waits[name].as_f64().expect(name);
    assert!(us("sum_us") > 0.0, "{stats}");
    assert!(
        0.0 < us("p50_us") && us("p50_us") <= us("p99_us"),
        "{stats}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_say_who_waited_what_was_dialled_and_why_it_was_closed() {
    let site = hello().await;
    let plain = Site::start(Fleet::builder().tls(false)).await;
    let other = format!("http://{}/", plain.fleet.addrs()[0]);
    // One after the other: the last one takes the place of the idle connection of the two before.
    let urls = [
        "http://127.0.0.1:1/".into(),
        site.url("/1"),
        site.url("/2"),
        other,
    ];
    let ended = site
        .fetch()
        .args(&["-c", "1", "-i", "-", "--jsonl", "-", "--stats", "-"])
        .env("POOL_LIMITS__TOTAL", "1")
        .env("POOL_LIMITS__PER_HOST", "1")
        .env("POOL_LIMITS__MIN_RECLAIM_IDLE", "0s")
        .run_with(&urls.join("\n"))
        .code(1);
    let stats = &ended.records()[4];
    let totals = &stats["totals"];
    let counts = [
        ("acquired", 3),
        ("released", 3),
        ("leased", 0),
        ("queued", 3),
        ("handed_off", 2),
        ("waiting", 0),
        ("turned_away", 0),
        ("cancelled", 0),
        ("dials", 3),
        ("dialled", 2),
        ("dials_failed", 1),
        ("dials_failed_there", 1),
        ("dials_failed_here", 0),
        ("dials_abandoned", 0),
        ("dials_orphaned", 0),
        ("stolen", 1),
        ("quarantines", 0),
        ("opened", 2),
        ("open", 0),
    ];
    for (name, count) in counts {
        assert_eq!(totals[name], count, "{name}: {stats}");
    }
    let closed = serde_json::json!({"pool_closed": 1, "reclaimed": 1});
    assert_eq!(totals["closed"], closed, "{stats}");
    for wait in [
        "lock_wait",
        "acquire_wait",
        "connect_time",
        "handshake_time",
    ] {
        assert!(stats[wait]["p99_us"].is_f64(), "{wait}: {stats}");
        assert!(stats[wait]["buckets"].is_array(), "{wait}: {stats}");
    }
    assert_eq!(stats["acquire_wait"]["count"], 3);
    let hosts = stats["hosts"].as_array().expect("a list");
    assert_eq!(hosts.len(), 3, "each host by itself: {stats}");
    for host in hosts {
        assert!(host["totals"]["stolen"].is_u64(), "{host}");
        assert_eq!(host["endpoints"][0]["active"], true, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nobody_reads_to_its_end_ends_it_quietly() {
    let site = Site::one().await;
    site.fleet
        .origin(0)
        .script(|script| script.body = Body::Bytes(100_000_000));
    let mut child = site.fetch().args(&[&site.url("/")]).start();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    drop(stdout);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}

#[test]
fn statistics_are_written_although_the_only_url_failed() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().display().to_string();
    Pool::new(&["fetch", "--stats", &path, "http://127.0.0.1:1/"])
        .run()
        .code(1);
    let stats: serde_json::Value = serde_json::from_reader(file).expect("an object");
    assert_eq!((&stats["v"], &stats["requests"]), (&1.into(), &1.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_stdout_ends_it_quietly() {
    let site = hello().await;
    let mut child = site.fetch().args(&["-i", "-", "--jsonl", "-"]).start();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", site.url("/first")).unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains("/first"), "{line}");
    drop(stdout);
    // The next record meets a closed pipe, while stdin is still open.
    writeln!(stdin, "{}", site.url("/second")).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    drop(stdin);
}
