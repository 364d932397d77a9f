//! What is read, and what is wrong with it.

use super::support::{Pool, Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_line_is_a_record_and_the_rest_goes_on() {
    let site = Site::one().await;
    let input = format!(
        "{}\nnonsense\n\n{{\"url\": \n{{\"url\":\"{}\"}}\n",
        site.url("/1"),
        site.url("/5")
    );
    let ended = site
        .fetch()
        .args(&["-i", "-", "--jsonl", "-"])
        .run_with(&input)
        .code(1);
    let records = ended.records();
    assert_eq!(records.len(), 4, "{ended:?}");
    for line in [2, 4] {
        let bad = records
            .iter()
            .find(|record| record["line"] == line)
            .expect("a record");
        assert_eq!(bad["error"]["kind"], "bad_input");
        assert_eq!(bad["attempts"], 0);
    }
    for path in ["/1", "/5"] {
        let good = records
            .iter()
            .find(|record| record["url"] == site.url(path));
        assert_eq!(good.expect("a record")["status"], 200);
    }
    ended.says("2 ok · 2 failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_becomes_a_record_and_no_more_are_under_way_than_asked_for() {
    let site = Site::one().await;
    let urls: Vec<String> = (0..500).map(|i| site.url(&format!("/{i}"))).collect();
    let args = ["-i", "-", "-c", "8", "--jsonl", "-"];
    let ended = site.fetch().args(&args).run_with(&urls.join("\n")).code(0);
    let records = ended.records();
    let mut fetched: Vec<&str> = records
        .iter()
        .map(|record| record["url"].as_str().expect("a URL"))
        .collect();
    fetched.sort_unstable();
    let mut wanted: Vec<&str> = urls.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    assert_eq!(fetched, wanted);
    let ledger = site.fleet.ledger();
    assert_eq!((ledger.accepted(), ledger.arrived()), (1, 500));
    assert!(ledger.max_concurrent() <= 8, "{ledger:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_line_chooses_method_headers_and_body() {
    let site = Site::one().await;
    let line = format!(
        r#"{{"url":"{}","method":"PUT","headers":{{"x-request-id":"seven"}},"body":"hello"}}"#,
        site.url("/echo")
    );
    let ended = site
        .fetch()
        .args(&["-i", "-", "--jsonl", "-"])
        .run_with(&line)
        .code(0);
    assert_eq!(ended.record()["bytes"], 5);
    let requests = site.fleet.ledger().requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].method, "PUT");
    assert_eq!(requests[0].id.as_deref(), Some("seven"));
}

#[tokio::test(flavor = "multi_thread")]
async fn data_is_posted_from_the_flag_and_from_a_file() {
    let site = Site::one().await;
    let ended = site
        .fetch()
        .args(&["-d", "a=1", "-d", "b=2", &site.url("/echo")])
        .run()
        .code(0);
    assert_eq!(ended.stdout, "a=1&b=2");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data");
    std::fs::write(&file, "from a file\n").unwrap();
    let data = format!("@{}", file.display());
    let ended = site
        .fetch()
        .args(&["-d", &data, &site.url("/echo")])
        .run()
        .code(0);
    assert_eq!(ended.stdout, "from a file");
    let ended = site
        .fetch()
        .args(&["-d", "@-", &site.url("/echo")])
        .run_with("from stdin")
        .code(0);
    assert_eq!(ended.stdout, "from stdin");
    assert!(
        site.fleet
            .ledger()
            .requests()
            .iter()
            .all(|request| request.method == "POST")
    );
}

#[test]
fn nothing_to_fetch_is_an_error_that_says_so() {
    Pool::new(&["fetch"]).run().code(2).says("nothing to fetch");
    for input in ["", "\n  \n"] {
        let ended = Pool::new(&["fetch", "-i", "-"]).run_with(input).code(2);
        assert!(!ended.stderr.contains("0 ok"), "{ended:?}");
        ended.says("the input is empty");
    }
}

#[test]
fn files_that_cannot_be_read_or_written_are_named() {
    for args in [
        &["-i", "/nowhere/urls"][..],
        &["--cacert", "/nowhere/ca.pem", "https://127.0.0.1:1/"],
        &["--cert", "/nowhere/c.pem", "https://127.0.0.1:1/"],
        &["-d", "@/nowhere/data", "https://127.0.0.1:1/"],
        &["--jsonl", "/nowhere/records", "https://127.0.0.1:1/"],
        &["--stats", "/nowhere/stats", "https://127.0.0.1:1/"],
        &["--config", "/nowhere/pool.toml", "https://127.0.0.1:1/"],
    ] {
        Pool::new(&["fetch"])
            .args(args)
            .run()
            .code(2)
            .says("/nowhere/");
    }
    let directory = Pool::new(&["fetch", "-i", "/"]).run().code(2);
    directory.says("cannot read /");
}

#[test]
fn a_malformed_argument_is_a_record_too() {
    let ended = Pool::new(&["fetch", "--jsonl", "-", "me:secret@a.test"])
        .run()
        .code(1);
    let record = ended.record();
    assert_eq!(record["error"]["kind"], "bad_input");
    assert!(record["line"].is_null());
    assert!(!ended.stdout.contains("secret"), "{ended:?}");
}

#[test]
fn absurd_numbers_are_refused() {
    for args in [
        &["-c", "0"][..],
        &["--max-conns-per-host", "0"],
        &["--max-time", "0"],
        &["--connect-timeout", "-1"],
        &["--ping-interval", "0s"],
    ] {
        Pool::new(&["fetch", "https://127.0.0.1:1/"])
            .args(args)
            .run()
            .code(2)
            .says(args[0]);
    }
    let too_many = [
        "fetch",
        "--max-conns-per-host",
        "100000000",
        "https://127.0.0.1:1/",
    ];
    Pool::new(&too_many).run().code(3).says("open files");
}
