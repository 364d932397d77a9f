//! Files of access rules: changed by hand and by `pool access`, watched while connections are open, and written with bans.

use std::fs;
use std::io::{BufReader, Write};
use std::path::Path;

use pool_core::testing::Alpn;
use serde_json::Value;

use super::support::{Ended, Pool, Site};
use super::warm::{interrupt, read_until};

fn access(args: &[&str]) -> Ended {
    Pool::new(&[&["access"], args].concat()).run()
}

fn named(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_string_lossy().into_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("a file")
}

#[test]
fn rules_are_added_listed_asked_and_removed_and_comments_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, other) = (named(&folder, "rules"), named(&folder, "other"));
    access(&["add", &file, "192.0.2.0/24", "--reason", "ours"]).code(0);
    assert_eq!(read(&file), "deny 192.0.2.0/24 # ours\n");
    fs::write(&file, format!("# by hand\n{}\n", read(&file))).expect("written");
    access(&["add", &file, "192.0.2.7", "--allow"]).code(0);
    let added = access(&["add", &file, "2001:db8::/32", "--for", "1h"]).code(0);
    assert!(
        added.stdout.starts_with("deny 2001:db8::/32 until=2"),
        "{added:?}"
    );
    let text = read(&file);
    let kept = "# by hand\ndeny 192.0.2.0/24 # ours\n\nallow 192.0.2.7\ndeny 2001:db8::/32 until=";
    assert!(text.starts_with(kept), "{text}");

    let listed = access(&["list", &file]).code(0).stdout;
    let mut lines = listed.lines();
    assert_eq!(lines.next(), Some("deny 192.0.2.0/24: ours"));
    assert_eq!(lines.next(), Some("allow 192.0.2.7"));
    let ends = lines.next().expect("three");
    assert!(
        ends.starts_with("deny 2001:db8::/32, ") && ends.ends_with(" left"),
        "{ends}"
    );
    let record = access(&["list", &file, "--json"]).code(0).record();
    let rules = record["rules"].as_array().expect("rules");
    assert_eq!(rules[0]["reason"], "ours");
    assert_eq!(
        (&rules[1]["until"], &rules[1]["left_s"]),
        (&Value::Null, &Value::Null)
    );
    assert!((3500..=3602).contains(&rules[2]["left_s"].as_u64().expect("a number")));

    let denied = access(&["check", &file, "192.0.2.8"]).code(1);
    let says = format!("192.0.2.8: denied by 192.0.2.0/24 of {file}: ours\n");
    assert_eq!(denied.stdout, says);
    let allowed = access(&["check", &file, "::ffff:192.0.2.7"]).code(0);
    assert!(
        allowed.stdout.contains("allowed by 192.0.2.7 of"),
        "{allowed:?}"
    );
    let none = access(&["check", &file, "198.51.100.1"]).code(0);
    assert!(none.stdout.contains("allowed by no rule"), "{none:?}");
    // Two files are one list.
    access(&["add", &other, "192.0.2.7"]).code(0);
    let record = access(&["check", &file, &other, "192.0.2.7", "--json"]);
    let record = record.code(1).record();
    assert_eq!(
        (&record["allowed"], &record["source"]),
        (&false.into(), &other.as_str().into())
    );

    access(&["remove", &file, "192.0.2.7"]).code(0);
    access(&["check", &file, "192.0.2.7"]).code(1);
    let before = read(&file);
    access(&["remove", &file, "192.0.2.7"])
        .code(1)
        .says("no rule for 192.0.2.7");
    fs::write(&other, "deny private\n").expect("written");
    access(&["remove", &other, "10.0.0.0/8"])
        .code(1)
        .says("a word");
    assert_eq!(read(&file), before);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bad, missing) = (named(&folder, "bad"), named(&folder, "missing"));
    fs::write(&bad, "192.0.2.1\nnobody\n").expect("written");
    let table: [(&[&str], &str); 9] = [
        (&["add", &bad, "192.0.2.2"], "line 2"),
        (&["remove", &bad, "192.0.2.1"], "line 2"),
        (&["list", &bad], "line 2"),
        (&["check", &bad, "192.0.2.1"], "line 2"),
        (&["list", &missing], "missing"),
        (&["remove", &missing, "192.0.2.1"], "missing"),
        (&["check", &missing], "ADDR"),
        (&["add", &missing, "192.0.2.1/24"], "192.0.2.1/24"),
        (&["add", &missing, "192.0.2.1", "--for", "0s"], "no time"),
    ];
    for (args, says) in table {
        access(args).code(2).says(says);
    }
    access(&["add", "/dev/null", "192.0.2.1"])
        .code(2)
        .says("regular file");
    assert_eq!(read(&bad), "192.0.2.1\nnobody\n");
    assert!(!Path::new(&missing).exists());
    let fetch = ["fetch", "http://127.0.0.1:1/", "--bans", &bad];
    Pool::new(&fetch).run().code(2).says("line 2");
    let none = named(&folder, "none.toml");
    fs::write(&none, "outlier = []\n").expect("written");
    let fetch = ["fetch", "http://127.0.0.1:1/", "--config", &none];
    let bans = ["--bans", &missing, "--ban-after", "2"];
    let fetch = Pool::new(&fetch).args(&bans).run();
    fetch.code(2).says("no outlier policy");
    Pool::new(&["fetch", "http://127.0.0.1:1/", "--ban-after", "2"])
        .run()
        .code(2)
        .says("--bans");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_while_connections_are_open_is_in_force_and_a_bad_one_is_told() {
    let site = Site::many(2).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = named(&folder, "rules");
    fs::write(&file, "# nobody yet\n").expect("written");
    let flags = [
        "--for",
        "never",
        "--keep=50ms",
        "--deny",
        &format!("@{file}"),
    ];
    let mut child = site.warm().args(&flags).start();
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    read_until(&mut stdout, "2 of 2 open");
    let [first, second] = [0, 1].map(|at| site.fleet.origin(at).ledger());

    access(&["add", &file, "127.0.1.1"]).code(0);
    first.wait_until(|at| at.open_connections() == 0).await;
    read_until(&mut stderr, "rules in force: 1; addresses taken out: 1");

    fs::write(&file, "127.0.1.2\nnobody\n").expect("written");
    let told = read_until(&mut stderr, "its rules of before stay");
    assert!(told.contains("line 2"), "{told}");
    fs::remove_file(&file).expect("removed");
    let told = read_until(&mut stderr, "its rules of before stay");
    assert!(told.contains("cannot read"), "{told}");
    assert_eq!(first.open_connections(), 0);
    assert_eq!((second.open_connections(), second.accepted()), (1, 1));

    // Allowed again, it is opened again.
    fs::write(&file, "").expect("written");
    first.wait_until(|at| at.open_connections() == 1).await;
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(second.accepted(), 1, "nothing happened to it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_configuration_names_is_beside_it_and_watched() {
    let site = Site::many(3).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (file, config) = (named(&folder, "rules"), named(&folder, "pool.toml"));
    fs::write(&file, "127.0.1.1\n").expect("written");
    let toml = "[[access]]\nuse = 'rules-file'\npath = './rules'\n[[access]]\nuse = 'prefixes'\ndeny = '127.0.1.2'\n";
    fs::write(&config, toml).expect("written");
    let flags = ["--for", "never", "--keep=50ms", "--config", &config];
    let mut child = site.warm().args(&flags).start();
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    read_until(&mut stdout, "1 of 1 open");
    access(&["remove", &file, "127.0.1.1"]).code(0);
    let first = site.fleet.origin(0).ledger();
    first.wait_until(|at| at.open_connections() == 1).await;
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(site.fleet.origin(1).ledger().accepted(), 0);

    fs::write(&file, "nobody\n").expect("written");
    let ended = site.warm().args(&["--config", &config]).run().code(2);
    ended.says("access[0]").says("line 1");
    fs::write(&config, "[[access]]\nuse = 'rules-file'\n").expect("written");
    let ended = site.warm().args(&["--config", &config]).run().code(2);
    ended.says("path");
    assert!(
        Pool::new(&["plugins", "list"])
            .run()
            .code(0)
            .stdout
            .contains("rules-file")
    );
}

/// Ejects for a moment whoever answers 403.
const EJECTS: &str = "[[outlier]]\nuse = 'status'\nstatuses = '403'\nfor = '1ms'\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_ejected_too_often_is_banned_and_stays_so_over_runs() {
    let site = Site::start(
        pool_core::testing::Fleet::builder()
            .origins((1..=2).map(|i| [127, 0, 1, i].into()))
            .alpn(Alpn::Http1),
    )
    .await;
    let bad = site.fleet.origin(0);
    bad.script(|script| script.status = 403);
    let folder = tempfile::tempdir().expect("a folder");
    let (bans, config) = (named(&folder, "bans"), named(&folder, "pool.toml"));
    fs::write(&config, EJECTS).expect("written");
    let flags = [
        "-i", "-", "--jsonl", "-", "--config", &config, "--bans", &bans,
    ];
    let mut child = site
        .fetch()
        .args(&flags)
        .args(&["--ban-after", "2", "--ban-for", "1h"])
        .start();
    let mut stdin = child.stdin.take().expect("piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let line = format!("{}\n", site.url("/"));
    let mut answers = 0;
    // Each answer of 403 is an ejection: the second one bans.
    while answers < 2 {
        stdin.write_all(line.as_bytes()).expect("it reads");
        let record = read_until(&mut stdout, "\n");
        answers += usize::from(record.contains("\"status\":403"));
    }
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    read_until(&mut stderr, "ejected 2 times for");
    for _ in 0..20 {
        stdin.write_all(line.as_bytes()).expect("it reads");
        let record = read_until(&mut stdout, "\n");
        assert!(record.contains("\"status\":200"), "{record}");
    }
    drop(stdin);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(bad.ledger().arrived(), 2);

    let text = read(&bans);
    assert!(text.starts_with("deny 127.0.1.1 until="), "{text}");
    assert!(text.contains("for status 403"), "{text}");
    let again = ["--warm", "--bans", &bans, &site.url("/")];
    site.fetch().args(&again).run().code(0);
    assert_eq!(bad.ledger().arrived(), 2, "the next run knows");
    assert_eq!(read(&bans), text);

    access(&["remove", &bans, "127.0.1.1"]).code(0);
    site.fetch()
        .args(&["--warm", "--bans", &bans, &site.url("/")])
        .run()
        .code(0);
    assert_eq!(site.fleet.ledger().open_connections(), 0);
    assert!(bad.ledger().accepted() >= 2, "it may be connected to again");
}
