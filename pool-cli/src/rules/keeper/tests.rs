//! Files that change while a list is in use.

use super::*;
use pool_health::{AccessAction, AccessList, IpPrefix};

#[test]
fn a_file_is_read_when_it_has_changed_and_rests() {
    let folder = tempfile::tempdir().unwrap();
    let file = RuleFile {
        path: folder.path().join("rules"),
        unsaid: AccessAction::Deny,
    };
    let stamp = |text: &str| {
        std::fs::write(&file.path, text).unwrap();
        file.stamp()
    };
    let [first, second, third] = ["1", "12", "123"].map(stamp);
    let mut watched = Watched::new(&Arc::default(), file.clone(), first);
    assert!(!watched.look(first));
    assert!(!watched.look(second), "it may be half written");
    assert!(!watched.look(third), "it still is");
    assert!(watched.look(third));
    assert!(!watched.look(third), "once");
    assert!(!watched.look(None));
    assert!(watched.look(None), "that it is gone is told as well");
    assert!(!watched.look(None));
}

/// A file of bans with this in it, and who keeps it.
struct Rig {
    folder: tempfile::TempDir,
    file: RuleFile,
    list: Arc<PrefixList>,
    keeping: Keeping,
}

impl Rig {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = RuleFile {
            path: folder.path().join("bans"),
            unsaid: AccessAction::Deny,
        };
        std::fs::write(&file.path, text).expect("written");
        let list = Arc::new(PrefixList::default());
        let mut keeper = Keeper::default();
        keeper.keep_bans(&list, file.clone(), file.read().expect("rules"));
        let pool = Pool::builder().build().expect("a pool");
        let keeping = keeper.start(pool);
        Self {
            folder,
            file,
            list,
            keeping,
        }
    }

    /// Bans an address for a minute.
    fn ban(&self, prefix: &str) {
        let prefix: IpPrefix = prefix.parse().expect("a prefix");
        let ban = AccessRule::deny(prefix).lasting(MINUTE, now().instant);
        self.list.insert(&self.file.source(), ban);
    }

    fn banned(&self) -> Vec<String> {
        let rules = self.list.export(&self.file.source());
        rules.iter().map(|rule| rule.prefix.to_string()).collect()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.file.path).expect("a file")
    }

    /// Writes what is to be written. Returns what is in the file then.
    async fn finish(self) -> String {
        self.keeping.finish().await;
        let text = std::fs::read_to_string(&self.file.path);
        drop(self.folder);
        text.expect("a file")
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Lets paused time pass, and every look that is due in it.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await; // fault: time itself, which is paused
}

#[tokio::test(start_paused = true)]
async fn a_ban_is_written_at_once_and_goes_when_it_is_over_and_the_rest_stays() {
    let rig = Rig::new(
        "# by hand\ndeny 192.0.2.1 # for good\ndeny 192.0.2.3 until=2020-01-01T00:00:00Z\n",
    );
    rig.ban("192.0.2.2");
    pass(LOOK / 2).await;
    let text = rig.text();
    let start = "# by hand\ndeny 192.0.2.1 # for good\ndeny 192.0.2.2 until=";
    assert!(text.starts_with(start), "{text}");
    let over = format!("{text}deny 192.0.2.4 until=2020-01-01T00:00:00Z\n");
    std::fs::write(&rig.file.path, over).unwrap();
    // As the pool's clean-up does when the time of a ban is over.
    let ban = AccessRule::deny("192.0.2.5".parse::<IpPrefix>().unwrap());
    let ban = ban.lasting(Duration::ZERO, now().instant);
    rig.list.replace(&rig.file.source(), [ban]);
    rig.list.expire(now().instant);
    pass(LOOK / 4).await;
    assert_eq!(rig.text(), text);
    assert_eq!(rig.finish().await, text, "nothing more is to be written");
}

#[tokio::test(start_paused = true)]
async fn bans_that_come_at_the_end_and_those_of_other_programs_are_kept() {
    let rig = Rig::new("");
    let others = Edits {
        put: vec![AccessRule::allow("192.0.2.1".parse::<IpPrefix>().unwrap())],
        ..Edits::default()
    };
    update(&rig.file, &others).unwrap();
    rig.ban("192.0.2.2");
    let text = rig.finish().await;
    assert!(
        text.starts_with("allow 192.0.2.1\ndeny 192.0.2.2 until="),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_other_programs_change_is_in_force() {
    let rig = Rig::new("192.0.2.1\n192.0.2.2\n");
    std::fs::write(&rig.file.path, "192.0.2.2\n192.0.2.30\n").unwrap();
    pass(MINUTE).await;
    assert_eq!(rig.banned(), ["192.0.2.2", "192.0.2.30"]);
}

#[tokio::test(start_paused = true)]
async fn while_the_file_is_bad_bans_are_in_force_and_are_written_when_it_is_mended() {
    let rig = Rig::new("192.0.2.1\n");
    std::fs::write(&rig.file.path, "nobody\n").unwrap();
    pass(MINUTE / 4).await;
    rig.ban("192.0.2.2");
    pass(MINUTE / 4).await;
    assert_eq!(rig.banned(), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(rig.text(), "nobody\n");
    std::fs::write(&rig.file.path, "192.0.2.3\n").unwrap();
    pass(MINUTE / 4).await;
    assert_eq!(rig.banned(), ["192.0.2.2", "192.0.2.3"]);
    let text = rig.finish().await;
    assert!(
        text.starts_with("192.0.2.3\ndeny 192.0.2.2 until="),
        "{text}"
    );
}
