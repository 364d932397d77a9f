//! Which addresses may be connected to: flags, files and the configuration, as the origins see it.

use std::path::Path;

use super::support::{Ended, Pool, Site};

/// A file with this in it.
fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    path.to_string_lossy().into_owned()
}

fn fetch(site: &Site, args: &[&str]) -> Ended {
    let url = site.url("/");
    let all = [args, &["--warm", "--jsonl", "-", &url]].concat();
    site.fetch().args(&all).run()
}

/// The addresses that were connected to.
fn reached(site: &Site) -> Vec<String> {
    let conns = site.fleet.ledger().conns();
    let mut reached: Vec<_> = conns.iter().map(|c| c.addr.ip().to_string()).collect();
    reached.sort();
    reached
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_address_is_not_connected_to_and_the_others_serve() {
    let site = Site::many(3).await;
    fetch(&site, &["--deny", "127.0.1.1", "--deny", "127.0.1.2/31"]).code(1);
    assert_eq!(reached(&site), [""; 0]);
    fetch(&site, &["--deny", "127.0.1.2/31"]).code(0);
    assert_eq!(reached(&site), ["127.0.1.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_every_address_is_denied_the_error_says_by_what_and_nothing_is_sent() {
    let site = Site::many(2).await;
    let record = fetch(&site, &["--deny", "private"]).code(1).record();
    assert_eq!(record["error"]["kind"], "denied", "{record}");
    let message = record["error"]["message"].as_str().unwrap();
    for part in ["127.0.1.1", "127.0.0.0/8", "the command line", "one other"] {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
    // Alone, for people.
    let url = site.url("/");
    let ended = site.fetch().args(&["--deny", "private", &url]).run();
    ended.code(1).says("denied by 127.0.0.0/8").says("--deny");
    assert_eq!(site.fleet.ledger().accepted(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_prefix_makes_an_exception() {
    for args in [
        &["--deny", "private", "--allow", "127.0.1.2"][..],
        &["--deny", "all", "--allow", "127.0.1.2"],
        // The flag that names a prefix goes before the word that stands for it, and a longer one before both.
        &[
            "--deny",
            "private",
            "--allow",
            "127.0.0.0/8",
            "--deny",
            "127.0.1.1",
        ],
    ] {
        let site = Site::many(2).await;
        fetch(&site, args).code(0);
        assert_eq!(reached(&site), ["127.0.1.2"], "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_have_rules_with_reasons_and_ends() {
    let site = Site::many(3).await;
    let folder = tempfile::tempdir().expect("a folder");
    let bans = "# bans\n127.0.1.1 # answers 403\n\ndeny 127.0.1.2 until=2020-01-01T00:00:00Z\ndeny 127.0.1.3 for=1h\n";
    let bans = format!("@{}", file(folder.path(), "bans.txt", bans));
    fetch(&site, &["--deny", &bans]).code(0);
    assert_eq!(reached(&site), ["127.0.1.2"], "its ban is over");
    let only = format!("@{}", file(folder.path(), "only.txt", "127.0.1.1\n"));
    let args = ["--deny", "127.0.0.0/8", "--allow", &only];
    fetch(&site, &args).code(0);
    assert_eq!(reached(&site), ["127.0.1.1", "127.0.1.2"]);
    let record = fetch(&site, &[&args[..], &["--deny", &bans]].concat());
    let record = record.code(1).record();
    let message = record["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("bans.txt: answers 403"),
        "of two rules for one address the one that denies counts: {message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_and_the_flags_must_both_allow() {
    let site = Site::many(3).await;
    let folder = tempfile::tempdir().expect("a folder");
    let toml = "[[access]]\nuse = 'prefixes'\ndeny = '127.0.1.1'\n";
    let config = file(folder.path(), "pool.toml", toml);
    let args = ["--config", &config, "--deny", "127.0.1.2"];
    fetch(&site, &args).code(0);
    assert_eq!(reached(&site), ["127.0.1.3"]);
    let args = [
        "--config",
        &config,
        "--deny",
        "127.0.1.2/31",
        "--allow",
        "127.0.1.1",
    ];
    fetch(&site, &args).code(1);
    assert_eq!(reached(&site), ["127.0.1.3"], "nobody was connected to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_up_leaves_denied_addresses_out() {
    let site = Site::many(3).await;
    let ended = site.warm().args(&["--deny", "127.0.1.2"]).run().code(0);
    assert!(ended.stdout.contains("2 of 2 open"), "{ended:?}");
    assert_eq!(reached(&site), ["127.0.1.1", "127.0.1.3"]);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let bad = format!(
        "@{}",
        file(folder.path(), "bad.txt", "10.0.0.1\ndeny nobody\nx\n")
    );
    let good = format!("@{}", file(folder.path(), "good.txt", "10.0.0.1\n"));
    let binary = folder.path().join("binary");
    std::fs::write(&binary, [0xff, 0xfe, 0]).expect("a file");
    let binary = format!("@{}", binary.display());
    let missing = format!("@{}/missing.txt", folder.path().display());
    let table: [(&[&str], &str); 7] = [
        (&["--deny", &bad], "line 2"),
        (&["--deny", &missing], "missing.txt"),
        (&["--deny", &binary], "UTF-8"),
        (&["--allow", "10.0.0.1"], "--allow makes exceptions"),
        (&["--allow", &good], "--deny all"),
        (
            &["--deny", "10.0.0.1", "--allow", "10.0.0.1/32"],
            "denied and allowed",
        ),
        (&["--deny", &good, "--allow", &good], "twice"),
    ];
    for (args, says) in table {
        let all = [&["fetch", "http://127.0.0.1:1/"], args].concat();
        Pool::new(&all).run().code(2).says(says);
    }
    let unknown = "[[access]]\nuse = 'prefix'\n";
    let config = file(folder.path(), "pool.toml", unknown);
    let args = ["fetch", "--config", &config, "http://127.0.0.1:1/"];
    Pool::new(&args).run().code(2).says("prefixes");
}
