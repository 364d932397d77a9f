//! Plans that can be checked by hand, pasted and read by programs.

use std::io::Write;

use tempfile::NamedTempFile;

use super::support::Pool;

/// `pool plan` of 2000 requests a second that take 80 ms.
fn plan(flags: &[&str]) -> Pool {
    Pool::new(&["plan", "--rate", "2000", "--latency", "80ms"]).args(flags)
}

#[test]
fn a_plan_is_a_configuration_file() {
    let plan = ["plan", "--rate", "100", "--latency", "100ms", "--http2"];
    let ended = Pool::new(&plan).args(&["--streams", "7"]).run().code(0);
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(ended.stdout.as_bytes()).expect("written");
    let path = file.path().display().to_string();
    let shown = Pool::new(&["config", "show", "--config", &path]).run();
    let shown = shown.code(0).stdout;
    // 10 + 3·√10 + 1.5 are 21 slots on 3 connections, and one is being replaced.
    for setting in ["per_host = 4 ", "total = 4 ", "streams_per_conn = 7 "] {
        let line = shown.lines().find(|line| line.starts_with(setting));
        let line = line.unwrap_or_else(|| panic!("{setting} is not in {shown}"));
        assert!(line.contains(&path), "{line}");
    }
}

#[test]
fn one_object_has_every_number_and_what_it_rests_on() {
    let record = plan(&["--http2", "--json", "--requests-per-conn", "100"])
        .args(&["--fd-limit", "1024"])
        .args(&["--lifetime", "never", "--idle-close", "never"])
        .run()
        .code(0)
        .record();
    let per_host = &record["per_host"];
    for (name, value, basis) in [
        ("in_flight", 160.0, "law"),
        ("dials_per_second", 20.0, "law"),
        ("slots", 200.0, "estimate"),
        ("open", 2.0, "estimate"),
    ] {
        assert_eq!(per_host[name]["value"].as_f64(), Some(value), "{name}");
        assert_eq!(per_host[name]["basis"], basis, "{name}");
    }
    assert_eq!(record["limits"]["streams_per_conn"], 100);
    assert_eq!(record["files"]["fits"], true);
    assert_eq!(record["files"]["available"], 1024);
}

#[test]
fn a_plan_that_does_not_fit_says_what_would_and_exits_with_1() {
    let ended = plan(&["--fd-limit", "200"]).run().code(1);
    assert!(ended.stdout.contains("DOES NOT FIT"), "{ended:?}");
    assert!(ended.stdout.contains("\n[limits]\n"), "{ended:?}");
    let ended = ended.says("error: the plan needs 265 open files, and there are 200");
    ended.says("hint: ").says("requests per second or less");

    let record = plan(&["--fd-limit", "200", "--json"])
        .run()
        .code(1)
        .record();
    assert_eq!(record["files"]["fits"], false);
    let rate = record["files"]["rate_that_fits"].as_f64().expect("a rate");
    let rate = rate.floor().to_string();
    Pool::new(&[
        "plan",
        "--latency",
        "80ms",
        "--fd-limit",
        "200",
        "--rate",
        &rate,
    ])
    .run()
    .code(0);

    let ended = plan(&["--fd-limit", "65", "--addresses", "8"])
        .run()
        .code(1);
    ended.says("no rate fits");
}

#[test]
fn files_are_those_of_this_process_unless_it_is_said() {
    let record = Pool::new(&["plan", "--rate", "1", "--latency", "1ms", "--json"])
        .run()
        .code(0)
        .record();
    let available = record["files"]["available"].as_u64();
    assert!(available.is_some_and(|files| files > 64), "{record}");
}

#[test]
fn what_makes_no_sense_exits_with_2_and_names_the_flag() {
    for (flags, flag) in [
        (&["--rate", "0", "--latency", "1s"][..], "--rate"),
        (&["--rate", "-1", "--latency", "1s"], "--rate"),
        (&["--rate", "NaN", "--latency", "1s"], "--rate"),
        (&["--rate", "1e300", "--latency", "1s"], "--rate"),
        (&["--rate", "1", "--latency", "0"], "--latency"),
        (
            &["--rate", "1", "--latency", "1s", "--margin", "-1"],
            "--margin",
        ),
        (
            &["--rate", "1", "--latency", "1s", "--requests-per-conn", "0"],
            "--requests-per-conn",
        ),
    ] {
        Pool::new(&["plan"])
            .args(flags)
            .run()
            .code(2)
            .says(&format!("error: {flag}: "));
    }
    for flags in [
        &["--rate", "1"][..],
        &["--latency", "1s"],
        &["--rate", "many", "--latency", "1s"],
        &["--rate", "1", "--latency", "5"],
        &["--rate", "1", "--latency", "1s", "--hosts", "0"],
        &["--rate", "1", "--latency", "1s", "--streams", "5"],
        &["--rate", "1", "--latency", "1s", "--http1.1", "--http2"],
    ] {
        Pool::new(&["plan"]).args(flags).run().code(2);
    }
}
