//! `[fingerprint]` in a configuration, and the flags above it.

use std::path::PathBuf;

use pool_tls::spec::Profile;
use tempfile::TempDir;

use super::support::{Pool, Site};

/// A folder with a configuration.
struct Folder(TempDir);

impl Folder {
    fn new(config: &str) -> Self {
        let folder = Self(TempDir::new().expect("a folder"));
        std::fs::write(folder.path("pool.toml"), config).expect("written");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn config(&self) -> String {
        self.path("pool.toml").display().to_string()
    }

    /// Firefox's profile in a file beside the configuration, under this name.
    fn profile(&self, file: &str, change: impl FnOnce(String) -> String) -> &Self {
        let text = Profile::built_in("firefox-esr-153")
            .expect("built in")
            .to_toml();
        std::fs::write(self.path(file), change(text)).expect("written");
        self
    }
}

fn renamed(name: &str) -> impl FnOnce(String) -> String {
    move |text| {
        assert!(text.contains("\"firefox-esr-153\""), "{text}");
        text.replace("\"firefox-esr-153\"", &format!("\"{name}\""))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_configuration_names_is_looked_for_beside_it() {
    let site = Site::one().await;
    let folder = Folder::new("[fingerprint]\nprofile = './mine.toml'\n");
    folder.profile("mine.toml", renamed("mine"));
    let config = folder.config();
    let args = ["--config", &config, "--jsonl", "-", &site.url("/")];
    let ended = site.fetch().args(&args).run().code(0);
    assert_eq!(ended.record()["conn"]["profile"], "mine");
    let warnings = ended.stderr.lines();
    let warnings = warnings.filter(|line| line.starts_with("warning"));
    let warnings: Vec<_> = warnings.collect();
    assert_eq!(warnings.len(), 1, "{ended:?}");
    let file = folder.path("mine.toml").display().to_string();
    let says = Pool::new(&["fingerprint", "verify", &file]).run().code(1);
    assert!(
        warnings[0].contains("of mine: grade ") && says.stdout.contains("mine: 8 hellos"),
        "{warnings:?} {says:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_stands_for_all_profiles_of_a_file() {
    let site = Site::one().await;
    let folder = Folder::new(
        "[[fingerprint.profiles]]\nuse = 'chromium-156'\nweight = 0\n[[fingerprint.profiles]]\nuse = 'native'\n",
    );
    let config = folder.config();
    let args = ["--config", &config, "--jsonl", "-", &site.url("/")];
    let drawn = site.fetch().args(&args).run().code(0).record();
    assert_eq!(drawn["conn"]["profile"], "native");
    let fetch = site.fetch().args(&["--fingerprint", "firefox-esr-153"]);
    let named = fetch.args(&args).run().code(0).record();
    assert_eq!(named["conn"]["profile"], "firefox-esr-153");
    let fetch = site
        .fetch()
        .env("POOL_FINGERPRINT__PROFILE", "firefox-esr-153");
    let args = ["--jsonl", "-", &site.url("/")];
    let named = fetch.args(&args).run().code(0).record();
    assert_eq!(named["conn"]["profile"], "firefox-esr-153");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_profiles_each_bears_its_own_name_or_none() {
    let site = Site::one().await;
    let folder = Folder::new(
        "[[fingerprint.profiles]]\nuse = 'chromium-156'\n[[fingerprint.profiles]]\nuse = 'firefox-esr-153'\n",
    );
    let config = folder.config();
    let urls: Vec<_> = (0..16).map(|n| site.url(&format!("/{n}"))).collect();
    let mut args = vec!["-c", "1", "--config", &config, "--jsonl", "-"];
    args.extend(urls.iter().map(String::as_str));
    let records = site.fetch().args(&args).run().code(0).records();
    // One at a time: the origin has them in the same order.
    let requests = site.fleet.ledger().requests();
    assert_eq!((records.len(), requests.len()), (16, 16));
    let mut seen = [0, 0];
    for (record, request) in records.iter().zip(requests) {
        let conn = &record["conn"];
        let agent = request.user_agent.unwrap_or_default();
        let chromium = conn["profile"] == "chromium-156";
        seen[usize::from(chromium)] += 1;
        let exact = conn["fidelity"] == "exact";
        assert_eq!(agent.starts_with("Mozilla/"), exact, "{record}: {agent}");
        assert!(!exact || chromium == agent.contains("Chrome/"), "{agent}");
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grade_that_a_file_requires_holds_as_that_of_the_flag_does() {
    let site = Site::one().await;
    let folder = Folder::new(
        "[fingerprint]\nrequire = 'exact'\n[[fingerprint.profiles]]\nuse = 'native'\n[[fingerprint.profiles]]\nuse = 'firefox-esr-153'\n",
    );
    let config = folder.config();
    let args = ["--config", &config, &site.url("/")];
    let ended = site.fetch().args(&args).run().code(2);
    ended
        .says("exact is required")
        .says("delegated_credentials");
    assert_eq!(site.fleet.ledger().accepted(), 0, "not even a connection");
    // The flag goes before the file.
    let fetch = site.fetch().args(&["--require", "native"]);
    fetch.args(&args).run().code(0);
}

#[test]
fn what_makes_no_sense_is_told_with_where_it_was_said() {
    let several = "[[fingerprint.profiles]]\nuse = ";
    for (config, says) in [
        (
            "[fingerprint]\nprofile = 'chromium-155'".to_owned(),
            &[
                "fingerprint.profile = \"chromium-155\" in file",
                "did you mean `chromium-156`?",
            ][..],
        ),
        (
            format!("{several}'./bad.toml'"),
            &["fingerprint.profiles[0].use", "bad.toml", "line ", "colour"],
        ),
        (
            format!("{several}'one.toml'\n{several}'./two.toml'"),
            &[
                "fingerprint.profiles[1].use",
                "calls itself `same`",
                "one.toml",
            ],
        ),
        (
            format!("{several}'./none.toml'"),
            &["none.toml", "cannot read"],
        ),
        (
            format!("[fingerprint]\nprofile = 'chromium-156'\n{several}'native'"),
            &[
                "there are fingerprint.profiles too",
                "leave one of them out",
            ],
        ),
        (
            format!("{several}'native'\nweight = 0"),
            &["no profile has a weight above zero"],
        ),
        (
            format!("{several}'native'\nwieght = 1"),
            &["did you mean", "weight"],
        ),
        (
            "[fingerprint]\nrequire = 'exact'".to_owned(),
            &["fingerprint.require = \"exact\" in file", "no profile"],
        ),
        (
            "[fingerprint]\nrequire = 'almost'".to_owned(),
            &["fingerprint.require in file", "ja4-equal"],
        ),
        (
            "[fingerprint]\nper = 'day'".to_owned(),
            &["fingerprint.per in file", "source-class"],
        ),
    ] {
        let folder = Folder::new(&config);
        folder
            .profile("bad.toml", |text| {
                text.replace("version = 1\n", "version = 1\ncolour = 1\n")
            })
            .profile("one.toml", renamed("same"))
            .profile("two.toml", |text| {
                renamed("same")(text).replace("window_update = 12517377", "window_update = 1")
            });
        let ended = Pool::new(&["config", "show", "--config", &folder.config()]).run();
        assert_eq!(ended.code, Some(2), "{config}: {ended:?}");
        for says in says {
            assert!(ended.stderr.contains(says), "{says}: {ended:?}");
        }
    }
    let ended = Pool::new(&["fetch", "--require", "exact", "https://127.0.0.1:1/"]).run();
    let ended = ended.code(2);
    ended.says("flag --require").says("no profile");
}
