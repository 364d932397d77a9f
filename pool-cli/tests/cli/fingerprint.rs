//! `pool fingerprint`, but for what listens and reads captures, and `pool fetch --fingerprint`.

use std::path::{Path, PathBuf};

use pool_tls::spec::Profile;
use serde_json::Value;

use super::support::{Pool, Site};

/// With BoringSSL compiled in, Chromium's hello can be sent; rustls alone cannot.
const CHROMIUM: &str = if cfg!(feature = "boring") {
    "exact"
} else {
    "native"
};

fn fingerprint(args: &[&str]) -> Pool {
    Pool::new(&["fingerprint"]).args(args)
}

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pool-tls/tests/captures")
}

/// A profile in a file: that of `name`, changed.
fn file(name: &str, change: impl FnOnce(String) -> String) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".toml").tempfile();
    let file = file.expect("a file");
    let text = change(Profile::built_in(name).expect("built in").to_toml());
    std::fs::write(file.path(), text).expect("written");
    file
}

#[test]
fn the_list_names_every_profile_and_what_this_build_can_do() {
    let record = fingerprint(&["list", "--json"]).run().code(0).record();
    let rows = record["profiles"].as_array().unwrap();
    let grade = |name: &str| {
        let row = rows.iter().find(|row| row["name"] == name);
        row.unwrap_or_else(|| panic!("{name} is not in {record}"))["grade"].clone()
    };
    assert_eq!(grade("chromium-156"), CHROMIUM);
    assert_eq!(grade("native"), Value::Null);
    assert_ne!(grade("firefox-esr-153"), "exact");
    let text = fingerprint(&["list"]).run().code(0).stdout;
    assert!(
        text.contains("t13d1517h2_8daaf6152771_cb7bf5808d99"),
        "{text}"
    );
}

#[test]
fn every_capture_is_shown_by_the_names_it_is_known_by() {
    let mut seen = (0, 0);
    for client in std::fs::read_dir(captures()).unwrap() {
        let client = client.unwrap().path();
        if !client.is_dir() {
            continue;
        }
        for n in 1..=9 {
            let Ok(known) = std::fs::read_to_string(client.join(format!("conn0{n}.json"))) else {
                continue;
            };
            let known: Value = serde_json::from_str(&known).unwrap();
            let show = |name: String| {
                let path = client.join(name);
                path.is_file().then(|| {
                    let path = path.display().to_string();
                    fingerprint(&["show", "--json", &path])
                        .run()
                        .code(0)
                        .record()
                })
            };
            if let Some(record) = show(format!("ch0{n}.bin")) {
                for name in ["ja3", "ja3_hash", "ja3n", "ja3n_hash", "ja4", "ja4_r"] {
                    let (shown, known) =
                        (&record["client_hello"][name], &known["client_hello"][name]);
                    assert_eq!(shown, known, "{name} of {}, hello {n}", client.display());
                }
                seen.0 += 1;
            }
            if let Some(record) = show(format!("h2_0{n}.bin")) {
                for name in ["akamai", "akamai_hash"] {
                    let (shown, known) = (&record["http2"][name], &known["http2"][name]);
                    assert_eq!(shown, known, "{name} of {}, opening {n}", client.display());
                }
                seen.1 += 1;
            }
        }
    }
    assert_eq!(seen, (15, 12), "hellos and openings");
}

#[test]
fn the_built_in_profiles_have_the_names_of_their_browsers() {
    for (name, ja4, ja3, ja3n, akamai) in [
        (
            "chromium-156",
            "t13d1517h2_8daaf6152771_cb7bf5808d99",
            None,
            "bd4930bd9b000ee684830e44bab76fdf",
            "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p",
        ),
        (
            "firefox-esr-153",
            "t13d1617h2_86a278354501_3cbfd9057e0d",
            Some("6447ab086255d194909d4013b1a89e87"),
            "8099457c290ccfe8c6d958826c26b023",
            "1:65536;2:0;4:131072;5:16384|12517377|0|m,p,a,s",
        ),
    ] {
        let record = fingerprint(&["show", name, "--json"])
            .run()
            .code(0)
            .record();
        let hello = &record["client_hello"];
        assert_eq!(hello["ja4"], ja4, "{name}");
        assert_eq!(hello["ja3_hash"].as_str(), ja3, "{name}");
        assert_eq!(hello["ja3n_hash"], ja3n, "{name}");
        assert_eq!(record["http2"]["akamai"], akamai, "{name}");
        let text = fingerprint(&["show", name]).run().code(0).stdout;
        assert!(text.contains(ja4) && text.contains(akamai), "{text}");
    }
}

#[test]
fn a_profile_that_is_printed_can_be_read_and_is_equal() {
    let copy = file("chromium-156", |text| text);
    let path = copy.path().display().to_string();
    let printed = fingerprint(&["show", "chromium-156", "--toml"])
        .run()
        .code(0)
        .stdout;
    assert_eq!(printed, std::fs::read_to_string(copy.path()).unwrap());
    fingerprint(&["diff", "chromium-156", &path]).run().code(0);

    let changed = file("chromium-156", |text| {
        text.replace("window_update = 15663105", "window_update = 40000")
    });
    let path = changed.path().display().to_string();
    let record = fingerprint(&["diff", "chromium-156", &path, "--json"])
        .run()
        .code(1)
        .record();
    let fields = record["fields"].as_array().unwrap();
    let differing: Vec<_> = fields
        .iter()
        .filter(|field| field["equal"] == false)
        .collect();
    assert_eq!(differing.len(), 1, "{record}");
    assert_eq!(differing[0]["field"], "window_update");
    let text = fingerprint(&["diff", "chromium-156", "firefox-esr-153"])
        .run()
        .code(1)
        .stdout;
    assert!(text.contains("delegated_credentials"), "{text}");
}

#[test]
fn what_is_sent_is_measured_field_by_field() {
    let ended = fingerprint(&["verify", "chromium-156", "--json"]).run();
    let ended = ended.code(if CHROMIUM == "exact" { 0 } else { 1 });
    let record = ended.record();
    assert_eq!(record["grade"], CHROMIUM, "{record}");
    assert_eq!(record["exact"], CHROMIUM == "exact");
    let field = |name: &str| {
        let fields = record["fields"].as_array().unwrap().iter();
        let mut named = fields.filter(|field| field["field"] == name);
        named
            .next()
            .unwrap_or_else(|| panic!("{name} is not in {record}"))
    };
    // Whatever the TLS backend can do, HTTP/2 opens as the browser does.
    for name in ["settings", "window_update", "pseudo_order", "priority"] {
        assert_eq!(field(name)["equal"], true, "{name}");
    }
    if CHROMIUM != "exact" {
        let missing = field("signed_certificate_timestamp");
        assert_eq!(missing["sent"], "absent");
        assert!(missing["reason"].is_string());
        assert_eq!(field("user-agent")["sent"], "absent");
    }
    fingerprint(&["verify", "native"]).run().code(0);
    let text = fingerprint(&["verify", "firefox-esr-153"])
        .run()
        .code(1)
        .stdout;
    assert!(
        text.contains("record_size_limit") && text.contains("grade"),
        "{text}"
    );
}

#[test]
fn bad_names_and_bad_files_are_refused_with_what_is_wrong() {
    for command in ["show", "verify"] {
        let ended = fingerprint(&[command, "chromium-155"]).run().code(2);
        ended
            .says("did you mean `chromium-156`?")
            .says("firefox-esr-153");
        fingerprint(&[command, "./not/there.toml"])
            .run()
            .code(2)
            .says("cannot read");
    }
    let hello = captures().join("chromium-156.0.8078.79/ch01.bin");
    let hello = hello.display().to_string();
    for args in [&["diff", "chromium-156", &hello][..], &["verify", &hello]] {
        let ended = fingerprint(args).run().code(2);
        ended.says("is no profile").says("pool fingerprint import");
    }
    let endless = fingerprint(&["verify", "/dev/zero"]).run().code(2);
    endless.says("more than 1048576 bytes");
    for (what, from, to, says) in [
        (
            "an unknown field",
            "version = 1\n",
            "version = 1\nextra = 2\n",
            "extra",
        ),
        (
            "a later version",
            "version = 1\n",
            "version = 2\n",
            "version",
        ),
        (
            "no version in common",
            "    \"TLS1.3\",\n    \"TLS1.2\",\n",
            "",
            "version",
        ),
        (
            "no ALPN for HTTP/2",
            "    \"h2\",\n    \"http/1.1\",\n",
            "    \"http/1.1\",\n",
            "h2",
        ),
        (
            "an unknown name",
            "X25519MLKEM768",
            "X25519MLKEM769",
            "X25519MLKEM769",
        ),
    ] {
        let bad = file("chromium-156", |text| {
            assert!(text.contains(from), "{what}: {from:?} is not in {text}");
            text.replace(from, to)
        });
        let path = bad.path().display().to_string();
        let ended = fingerprint(&["show", &path]).run().code(2);
        assert!(ended.stderr.contains(says), "{what}: {ended:?}");
    }
    for bytes in [
        &[0x16, 3, 1, 0, 200, 1][..],
        &[0x16, 3, 1, 0, 1, 9],
        b"PRI * HTTP/2.0\r\n",
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let path = file.path().display().to_string();
        fingerprint(&["show", &path]).run().code(2);
        fingerprint(&["show", &path, "--toml"]).run().code(2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_as_required_is_not_sent_at_all() {
    let site = Site::one().await;
    let url = site.url("/");
    let args = [
        "--fingerprint",
        "firefox-esr-153",
        "--require",
        "exact",
        &url,
    ];
    let ended = site.fetch().args(&args).run().code(2);
    for field in [
        "record_size_limit",
        "delegated_credentials",
        "exact is required",
    ] {
        assert!(ended.stderr.contains(field), "{ended:?}");
    }
    assert_eq!(site.fleet.ledger().accepted(), 0, "not even a connection");
    let args = ["--fingerprint", "chromium-156", "--require", "almost", &url];
    let ended = site.fetch().args(&args).run();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("ja4-equal"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lesser_hello_says_so_in_one_line_and_never_bears_the_clients_name() {
    let site = Site::one().await;
    let url = site.url("/");
    for (name, grade) in [
        ("chromium-156", CHROMIUM),
        ("firefox-esr-153", ""),
        ("native", "native"),
    ] {
        let args = ["--fingerprint", name, "--jsonl", "-", &url];
        let ended = site.fetch().args(&args).run().code(0);
        let record = ended.record();
        assert_eq!(record["conn"]["profile"], name);
        assert_eq!(record["conn"]["proto"], "h2");
        if !grade.is_empty() {
            assert_eq!(record["conn"]["fidelity"], grade, "{record}");
        }
        let exact = record["conn"]["fidelity"] == "exact";
        let warnings = ended
            .stderr
            .lines()
            .filter(|line| line.starts_with("warning"));
        // The backend's own hello pretends nothing.
        let lesser = !exact && name != "native";
        assert_eq!(warnings.count(), usize::from(lesser), "{ended:?}");
        let requests = site.fleet.ledger().requests();
        let agent = requests.last().unwrap().user_agent.clone().unwrap();
        assert_eq!(agent.starts_with("Mozilla/"), exact, "{agent}");
        assert_eq!(agent.starts_with("pool/"), !exact, "{agent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protocol_that_the_hello_does_not_ask_for_first_is_an_error() {
    let site = Site::one().await;
    let args = ["--fingerprint", "chromium-156", "--http1.1", &site.url("/")];
    let ended = site.fetch().args(&args).run().code(1);
    assert!(ended.stderr.contains("h2, http/1.1"), "{ended:?}");
    assert_eq!(site.fleet.ledger().accepted(), 0);
}
