//! One file of rules, as it is on the disk.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use pool_health::{AccessAction, AccessRule, Moment, ParseRulesError, parse_rules_as};

use super::now;

/// A file of rules, and what its lines without an action mean.
#[derive(Clone, Debug)]
pub(crate) struct RuleFile {
    pub(crate) path: PathBuf,
    pub(crate) unsaid: AccessAction,
}

/// What a file had in it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) rules: Vec<AccessRule>,
    /// `None` for what is no regular file, and is read once.
    pub(crate) stamp: Option<Stamp>,
}

impl RuleFile {
    /// The source of its rules.
    pub(crate) fn source(&self) -> String {
        self.path.display().to_string()
    }

    /// Reads it. Takes as long as the disk does.
    pub(crate) fn read(&self) -> Result<Loaded, Unreadable> {
        let mut file = File::open(&self.path)?;
        let meta = file.metadata()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(Loaded {
            rules: parse_rules_as(self.unsaid, &text, written_at(&meta))?,
            stamp: Stamp::of(&meta),
        })
    }

    /// What the file is now; `None` if there is none.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        Stamp::of(&std::fs::metadata(&self.path).ok()?)
    }
}

/// Why a file gives no rules.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Io(io::Error),
    Rules(ParseRulesError),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ParseRulesError> for Unreadable {
    fn from(error: ParseRulesError) -> Self {
        Self::Rules(error)
    }
}

impl Unreadable {
    /// What is wrong with the file at `path`, on one line.
    pub(crate) fn at(&self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Io(error) => format!("cannot read the rules in {path}: {error}"),
            Self::Rules(error) => format!("{path}: {error}"),
        }
    }
}

/// Tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    /// Seconds and nanoseconds of the last change, of contents or of anything else.
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(meta: &Metadata) -> Option<Self> {
        meta.is_file().then(|| Self {
            device: meta.dev(),
            inode: meta.ino(),
            len: meta.len(),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

/// The moment from which `for=` counts: when the file was written, so that it means the same however often it is read. Now, if that
/// is not known.
pub(crate) fn written_at(meta: &Metadata) -> Moment {
    let now = now();
    let age = |utc: SystemTime| now.utc.duration_since(utc).ok();
    let written = meta.modified().ok().filter(|_| meta.is_file());
    let moment = written.and_then(|utc| {
        Some(Moment {
            // A time that lies ahead is one of another clock.
            instant: now.instant.checked_sub(age(utc)?)?,
            utc,
        })
    });
    moment.unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_counts_from_when_the_file_was_written_however_often_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = RuleFile {
            path: folder.path().join("rules"),
            unsaid: AccessAction::Deny,
        };
        std::fs::write(&file.path, "192.0.2.1 for=1h\n").unwrap();
        let disk = File::options().write(true).open(&file.path).unwrap();
        let minute = Duration::from_secs(60);
        for (age, left) in [(0, 60), (40, 20), (90, 0)] {
            disk.set_modified(SystemTime::now() - age * minute).unwrap();
            let rule = file.read().unwrap().rules.remove(0);
            let found = rule.expires.unwrap();
            let found = found.saturating_duration_since(now().instant);
            assert!(found <= left * minute, "{age}: {found:?}");
            assert!(found + minute > left * minute, "{age}: {found:?}");
        }
        // Another machine's clock.
        let ahead = SystemTime::now() + 90 * minute;
        disk.set_modified(ahead).unwrap();
        let rule = file.read().unwrap().rules.remove(0);
        assert!(rule.expires.unwrap() <= now().instant + 60 * minute);
    }

    #[test]
    fn what_is_no_regular_file_is_read_once() {
        let file = RuleFile {
            path: "/dev/null".into(),
            unsaid: AccessAction::Deny,
        };
        let loaded = file.read().unwrap();
        assert_eq!((loaded.rules, loaded.stamp), (vec![], None));
    }
}
