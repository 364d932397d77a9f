//! Configuration in layers, and lists of policies.

use std::io::Write;

use serde_json::Value;
use tempfile::NamedTempFile;

use super::support::Pool;

fn file(toml: &str) -> (NamedTempFile, String) {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(toml.as_bytes()).expect("written");
    let path = file.path().display().to_string();
    (file, path)
}

fn setting<'a>(shown: &'a Value, key: &str) -> &'a Value {
    let settings = shown["settings"].as_array().expect("settings");
    settings
        .iter()
        .find(|setting| setting["key"] == key)
        .expect(key)
}

#[test]
fn each_layer_hides_the_one_below_and_is_named() {
    let (_file, path) = file("[limits]\nper_host = 3\nhosts = 30\ndials_per_host = 2\n");
    let shown = Pool::new(&["config", "show", "--json", "--config", &path])
        .args(&["--max-conns-per-host", "5"])
        .env("POOL_LIMITS__HOSTS", "40")
        .env("POOL_LIMITS__PER_HOST", "4")
        .env("POOL_LOG", "off")
        .run()
        .code(0)
        .record();
    for (key, value, layer, name) in [
        ("limits.per_host", 5, "flag", "--max-conns-per-host"),
        ("limits.hosts", 40, "env", "POOL_LIMITS__HOSTS"),
        ("limits.dials_per_host", 2, "file", &path),
    ] {
        let setting = setting(&shown, key);
        assert_eq!(setting["value"], value, "{setting}");
        assert_eq!(setting["origin"]["layer"], layer, "{setting}");
        assert_eq!(setting["origin"]["name"], *name, "{setting}");
    }
    assert_eq!(
        setting(&shown, "limits.fair_turn")["origin"]["layer"],
        "default"
    );
    assert_eq!(
        setting(&shown, "limits.total")["origin"]["layer"],
        "derived"
    );
}

#[test]
fn people_see_a_file_with_the_origins_as_comments() {
    let ended = Pool::new(&["config", "show"])
        .env("POOL_LIMITS__HOSTS", "40")
        .run()
        .code(0);
    let line = ended
        .stdout
        .lines()
        .find(|line| line.starts_with("hosts = 40"))
        .expect("a line");
    assert!(line.ends_with("# environment POOL_LIMITS__HOSTS"), "{line}");
    assert!(ended.stdout.contains("\n[[eviction]]\n"), "{ended:?}");
}

#[test]
fn an_unknown_key_or_policy_is_named_with_its_file_and_the_nearest() {
    for (toml, key, near) in [
        (
            "[limits]\nper_hots = 3",
            "limits.per_hots",
            "limits.per_host",
        ),
        (
            "[[eviction]]\nuse = 'lifetme'",
            "eviction[0].use",
            "\"lifetime\"",
        ),
        (
            "[[health]]\nuse = 'http'\npaht = '/'",
            "health[0].paht",
            "path",
        ),
        ("[[health]]\nuse = 'h2ping'", "health[0].use", "\"h2-ping\""),
        (
            "[[outlier]]\nuse = 'sucess-rate'",
            "outlier[0].use",
            "\"success-rate\"",
        ),
        (
            "[[access]]\nuse = 'prefixs'",
            "access[0].use",
            "\"prefixes\"",
        ),
        ("[tls]\nuse = 'rustsl'", "tls.use", "\"rustls\""),
        (
            "[fingerprint.source]\nuse = 'mine'",
            "fingerprint.source.use",
            "none is built in",
        ),
        ("[localip]\nuse = 'lst'", "localip.use", "\"list\""),
        ("[selector]\nuse = 'stiky'", "selector.use", "\"sticky\""),
        (
            "[dial]\nwhen_busy = 'sometimes'",
            "dial.when_busy",
            "if-wait-exceeds-connect",
        ),
    ] {
        let (_file, path) = file(toml);
        for command in [&["config", "show"][..], &["fetch", "https://127.0.0.1:1/"]] {
            let ended = Pool::new(command).args(&["--config", &path]).run().code(2);
            ended.says(key).says(&path).says(near);
        }
    }
    let ended = Pool::new(&["config", "show"])
        .env("POOL_LIMITZ__X", "1")
        .run()
        .code(2);
    ended.says("POOL_LIMITZ").says("limits");
}

#[test]
fn a_log_filter_that_is_none_is_an_error() {
    let ended = Pool::new(&["plugins", "list"])
        .env("POOL_LOG", "a=b=c")
        .run()
        .code(2);
    ended.says("POOL_LOG");
}

#[test]
fn logs_go_to_stderr_and_have_no_colours_where_nobody_looks() {
    let ended = Pool::new(&["fetch", "http://127.0.0.1:1/"])
        .env("POOL_LOG", "pool_core=debug")
        .run()
        .code(1)
        .says("DEBUG");
    assert!(ended.stdout.is_empty(), "{ended:?}");
    assert!(!ended.stderr.contains('\u{1b}'), "{ended:?}");
}

#[test]
fn every_policy_is_listed() {
    let listed = Pool::new(&["plugins", "list", "--json"])
        .run()
        .code(0)
        .record();
    let plugins = listed["plugins"].as_array().unwrap();
    for plugin in plugins {
        assert_ne!(plugin["summary"], "", "{plugin}");
        for option in plugin["options"].as_array().unwrap() {
            assert_ne!(option["meaning"], "", "{plugin}");
        }
    }
    for (section, name) in [
        ("eviction", "idle"),
        ("health", "http"),
        ("outlier", "status"),
        ("access", "prefixes"),
        ("tls", "rustls"),
        ("selector", "round-robin"),
        ("selector", "least-used"),
        ("selector", "p2c"),
        ("selector", "sticky"),
        ("localip", "prefix"),
    ] {
        let there = plugins
            .iter()
            .any(|plugin| plugin["section"] == section && plugin["name"] == name);
        assert!(there, "{section} {name}");
    }
    let ended = Pool::new(&["plugins", "list"]).run().code(0);
    assert!(ended.stdout.contains("  lifetime "), "{ended:?}");
    assert!(
        ended.stdout.contains("\nselector: address selector\n"),
        "{ended:?}"
    );
}

#[test]
fn help_is_no_error_and_a_wrong_flag_is_one() {
    let help = Pool::new(&["--help"]).run().code(0);
    assert!(
        help.stdout.contains("Exit codes:") && help.stdout.contains("POOL_LOG"),
        "{help:?}"
    );
    Pool::new(&["fetch", "--jsonk", "-"])
        .run()
        .code(2)
        .says("--jsonl");
}

#[test]
fn the_configuration_in_the_readme_is_one() {
    let readme = include_str!("../../../README.md");
    let mut blocks = 0;
    for block in readme.split("```toml\n").skip(1) {
        let (toml, _) = block.split_once("```").expect("a block ends");
        let (_file, path) = file(toml);
        let shown = Pool::new(&["config", "show", "--config", &path])
            .run()
            .code(0);
        for section in ["[[eviction]]", "[[health]]", "[[outlier]]", "[[access]]"] {
            let there = toml.matches(section).count();
            assert_eq!(shown.stdout.matches(section).count(), there, "{section}");
        }
        blocks += 1;
    }
    assert!(blocks > 0, "there is one");
}
