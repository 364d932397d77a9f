//! Names, sources, certificates and protocols.

use std::collections::BTreeSet;
use std::io::Write;

use pool_core::testing::{Alpn, Certificate, Fleet};
use serde_json::Value;

use super::support::{Pool, Site};

fn kind(record: &Value) -> &str {
    record["error"]["kind"].as_str().expect("an error")
}

#[tokio::test(flavor = "multi_thread")]
async fn warming_reaches_every_address_from_every_source() {
    let site = Site::many(2).await;
    let args = [
        "--warm",
        "--source",
        "127.0.2.0/29",
        "--jsonl",
        "-",
        &site.url("/"),
    ];
    let record = site.fetch().args(&args).run().code(0).record();
    let source = record["conn"]["source"].as_str().unwrap().to_owned();
    assert!(source.starts_with("127.0.2."), "{record}");
    assert_eq!(record["conn"]["reused"], false, "{record}");
    let pairs: BTreeSet<_> = site
        .fleet
        .ledger()
        .conns()
        .iter()
        .map(|conn| (conn.addr.ip(), conn.peer.ip().to_string()))
        .collect();
    assert_eq!(pairs.len(), 16, "{pairs:?}");
    assert!(
        pairs
            .iter()
            .all(|(_, source)| source.starts_with("127.0.2.")),
        "{pairs:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matrix_beyond_the_limit_is_refused_with_both_numbers_and_the_flag() {
    let site = Site::many(4).await;
    let args = ["--warm", "--source", "127.0.2.0/29", "-i", "-"];
    let ended = site.fetch().args(&args).run_with(&site.url("/")).code(2);
    assert!(!ended.stderr.contains("the request"), "{ended:?}");
    let ended = ended
        .says("32 connections")
        .says("16")
        .says("--max-conns-per-host");
    assert_eq!(site.fleet.ledger().accepted(), 0, "{ended:?}");

    // One target that is known to be private may have more.
    let args = ["--warm", "--source", "127.0.2.0/29", &site.url("/")];
    site.fetch().args(&args).run().code(0);
    assert_eq!(site.fleet.ledger().accepted(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_warm_up_opened_counts_as_open() {
    let site = Site::one().await;
    let args = ["-c", "1", "-i", "-"];
    let cold = site.fetch().args(&args).run_with(&site.url("/")).code(0);
    assert!(cold.stdout.contains("  new "), "{cold:?}");
    cold.says("0 on a connection that was open");
    let warm = site.fetch().args(&args).args(&["--warm"]);
    let warm = warm.run_with(&site.url("/")).code(0);
    assert!(warm.stdout.contains("  warm "), "{warm:?}");
    warm.says("1 on a connection that was open");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_take_turns_over_the_sources_on_http1() {
    let site = Site::one().await;
    site.fleet
        .origin(0)
        .script(|script| script.max_requests_per_connection = Some(1));
    let urls: Vec<String> = (0..8).map(|i| site.url(&format!("/{i}"))).collect();
    let sources = ["--source", "127.0.2.1", "--source", "127.0.3.0/31"];
    let args = ["--http1.1", "-i", "-", "--jsonl", "-"];
    let ended = site
        .fetch()
        .args(&sources)
        .args(&args)
        .run_with(&urls.join("\n"))
        .code(0);
    assert!(
        ended
            .records()
            .iter()
            .all(|record| record["conn"]["proto"] == "h1")
    );
    let seen: Vec<String> = site
        .fleet
        .ledger()
        .sources()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(seen, ["127.0.2.1", "127.0.3.0", "127.0.3.1"]);
}

#[test]
fn a_source_that_this_machine_does_not_have_is_named() {
    // TEST-NET-1 (RFC 5737) is nobody's.
    let args = ["fetch", "--source", "192.0.2.7", "https://127.0.0.1:1/"];
    Pool::new(&args).run().code(3).says("192.0.2.7");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_with_shares_of_one_prefix_never_meet() {
    let site = Site::one().await;
    let folder = tempfile::tempdir().expect("a folder");
    let urls: Vec<String> = (0..64).map(|i| site.url(&format!("/{i}"))).collect();
    let urls = urls.join("\n");
    let start = |share: &str| {
        let config = folder.path().join(share.replace('/', "of"));
        let toml =
            format!("[localip]\nuse = 'sources'\nsources = '127.0.2.0/27'\nslice = '{share}'\n");
        std::fs::write(&config, toml).expect("a file");
        let config = config.to_string_lossy().into_owned();
        let args = [
            "--config",
            &config,
            "--warm",
            "--http1.1",
            "-i",
            "-",
            "--jsonl",
            "-",
        ];
        let mut child = site.fetch().args(&args).start();
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(urls.as_bytes()).expect("it reads");
        child
    };
    // Both run at once.
    let both = ["0/2", "1/2"].map(start);
    let sources = both.map(|child| {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8(output.stdout).expect("text");
        let source = |line: &str| {
            let record: Value = serde_json::from_str(line).expect("a record");
            record["conn"]["source"]
                .as_str()
                .expect("a source")
                .to_owned()
        };
        lines.lines().map(source).collect::<BTreeSet<String>>()
    });
    assert!(sources[0].is_disjoint(&sources[1]), "{sources:?}");
    let seen = site.fleet.ledger().conns();
    let seen: BTreeSet<_> = seen.iter().map(|conn| conn.peer.ip()).collect();
    assert_eq!(seen.len(), 32, "together they used all of it");
}

#[cfg(target_os = "linux")]
#[test]
fn a_source_of_a_routed_prefix_is_bound_on_request_and_nothing_comes_back_without_the_route() {
    let args = [
        "fetch",
        "--freebind",
        "--connect-timeout",
        "200ms",
        "--source",
        "192.0.2.7",
        "--jsonl",
        "-",
        "http://127.0.0.1:1/",
    ];
    let record = Pool::new(&args).run().code(1).record();
    // Which of the two, the routes of this machine say.
    assert!(
        ["connect", "timeout_connect"].contains(&kind(&record)),
        "{record}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn host_bits_of_a_source_are_dropped_with_a_warning() {
    let site = Site::many(1).await;
    let args = ["--source", "127.0.2.5/30", &site.url("/")];
    site.fetch().args(&args).run().code(0).says("127.0.2.4/30");
}

#[test]
fn a_source_of_the_other_family_is_not_replaced() {
    let args = [
        "fetch",
        "--jsonl",
        "-",
        "--source",
        "127.0.0.1",
        "http://[::1]:1/",
    ];
    let record = Pool::new(&args).run().code(1).record();
    assert_eq!(kind(&record), "local_addr", "{record}");
}

#[test]
fn nobody_listening_is_refused() {
    let args = ["fetch", "--jsonl", "-", "http://127.0.0.1:1/"];
    let record = Pool::new(&args).run().code(1).record();
    assert_eq!(kind(&record), "refused", "{record}");
    assert_eq!(record["attempts"], 0);
    let ended = Pool::new(&["fetch", "http://127.0.0.1:1/"]).run().code(1);
    assert_eq!(ended.stdout, "");
    ended.says("error: ").says("hint: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_or_bad_certificate_is_a_tls_error() {
    let site = Site::one().await;
    let args = ["--jsonl", "-", &site.url("/")];
    let record = site.distrusting().args(&args).run().code(1).record();
    assert_eq!(kind(&record), "tls", "{record}");

    for bad in [
        Certificate::Expired,
        Certificate::WrongName,
        Certificate::SelfSigned,
    ] {
        let site = Site::start(Fleet::builder().certificate(bad)).await;
        let args = ["--jsonl", "-", &site.url("/")];
        let record = site.fetch().args(&args).run().code(1).record();
        assert_eq!(kind(&record), "tls", "{bad:?}: {record}");
        assert_eq!(site.fleet.ledger().arrived(), 0, "{bad:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn switching_the_checks_off_works_and_is_loud() {
    let site = Site::start(Fleet::builder().certificate(Certificate::Expired)).await;
    let ended = site
        .distrusting()
        .args(&["-k", &site.url("/")])
        .run()
        .code(0);
    ended.says("WARNING: CERTIFICATES ARE NOT CHECKED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown() {
    let site = Site::start(Fleet::builder().require_client_certificate(true)).await;
    let mine = site.fleet.client_certificate("me").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (cert, key) = (path("cert.pem", &mine.pem), path("key.pem", &mine.key_pem));
    let url = site.url("/");
    site.fetch().args(&[&url]).run().code(1);
    site.fetch()
        .args(&["--cert", &cert, "--key", &key, &url])
        .run()
        .code(0);
    let ended = site.fetch().args(&["--cert", &cert, &url]).run();
    ended.code(2).says("private key");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_on_a_tls_port_is_a_tls_error_with_a_hint() {
    let site = Site::start(Fleet::builder().tls(false)).await;
    let url = site.url("/").replace("http://", "https://");
    let record = site
        .fetch()
        .args(&["--jsonl", "-", &url])
        .run()
        .code(1)
        .record();
    assert_eq!(kind(&record), "tls", "{record}");
    site.fetch().args(&[&url]).run().code(1).says("use http://");
}

#[tokio::test(flavor = "multi_thread")]
async fn protocols_are_the_ones_asked_for() {
    let site = Site::one().await;
    let plain = Site::start(Fleet::builder().tls(false)).await;
    for (site, flags, proto) in [
        (&site, &[][..], "h2"),
        (&site, &["--http2"], "h2"),
        (&site, &["--http1.1"], "h1"),
        (&site, &["--http2-prior-knowledge"], "h2"),
        (&plain, &[], "h1"),
        (&plain, &["--http2-prior-knowledge"], "h2"),
    ] {
        let args = ["--jsonl", "-", &site.url("/")];
        let record = site.fetch().args(flags).args(&args).run().code(0).record();
        assert_eq!(record["conn"]["proto"], proto, "{flags:?}: {record}");
    }
    let old = Site::start(Fleet::builder().alpn(Alpn::Http1)).await;
    let args = ["--http2-prior-knowledge", "--jsonl", "-", &old.url("/")];
    old.fetch().args(&args).run().code(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_too_long_is_given_up() {
    let site = Site::one().await;
    site.fleet
        .origin(0)
        .script(|script| script.silent_after = Some(0));
    let args = ["--max-time", "0.2", "--jsonl", "-", &site.url("/")];
    let record = site.fetch().args(&args).run().code(1).record();
    assert_eq!(kind(&record), "max_time", "{record}");

    let site = Site::one().await;
    site.fleet
        .origin(0)
        .script(|script| script.stall_accept = true);
    let args = ["--connect-timeout", "200ms", "--jsonl", "-", &site.url("/")];
    let record = site.fetch().args(&args).run().code(1).record();
    assert_eq!(kind(&record), "handshake_timeout", "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_not_logged() {
    let site = Site::one().await;
    let url = site.url("/");
    for version in ["--http1.1", "--http2"] {
        let args = [
            version,
            "-H",
            "Authorization: swordfish",
            "-H",
            "X-Api-Key: swordfish",
            "-d",
            "swordfish",
            &url,
        ];
        let ended = site
            .fetch()
            .args(&args)
            .env("POOL_LOG", "trace")
            .run()
            .code(0);
        assert!(!ended.stderr.contains("swordfish"), "{ended:?}");
        assert!(!ended.stderr.is_empty(), "something is logged");
    }
}
