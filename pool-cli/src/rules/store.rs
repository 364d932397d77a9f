//! Changing a file of rules: one writer at a time, and readers see the old file or the new one.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use pool_health::parse_rules_as;

use super::edit::{Edits, Text, edit};
use super::file::{Loaded, RuleFile, Stamp, Unreadable, written_at};
use super::now;

/// A file after a change.
#[derive(Debug)]
pub(crate) struct Updated {
    pub(crate) loaded: Loaded,
    /// How many lines were removed by name.
    pub(crate) removed: usize,
}

/// Changes the file, which is made if there is none, and returns what is in it then. A file in which nothing changes is not written.
///
/// The new file takes the place of the old one by its name and has its permissions, not its owner. Other programs that change it in this way wait; one that
/// writes into the file is not noticed.
///
/// # Errors
///
/// The file cannot be read or written, has a line that is no rule, or is no regular file. Nothing has changed then.
pub(crate) fn update(file: &RuleFile, edits: &Edits) -> Result<Updated, Unreadable> {
    let (path, mut old) = lock(&file.path)?;
    let meta = old.metadata()?;
    let mut text = String::new();
    old.read_to_string(&mut text)?;
    let before = Text {
        text: &text,
        unsaid: file.unsaid,
        written: written_at(&meta),
    };
    let edited = edit(before, edits, now())?;
    let (rules, meta) = if edited.text == text {
        (parse_rules_as(file.unsaid, &text, before.written)?, meta)
    } else {
        let meta = replace(&path, &edited.text, meta.permissions())?;
        let written = written_at(&meta);
        (parse_rules_as(file.unsaid, &edited.text, written)?, meta)
    };
    Ok(Updated {
        loaded: Loaded {
            rules,
            stamp: Stamp::of(&meta),
        },
        removed: edited.removed,
    })
}

/// The file and where it really is, for this process alone until it is dropped.
fn lock(path: &Path) -> io::Result<(PathBuf, File)> {
    loop {
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        file.lock()?;
        // Whoever had it may have put another one in its place.
        let path = fs::canonicalize(path)?;
        let (ours, there) = (file.metadata()?, fs::metadata(&path)?);
        if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
            return Ok((path, file));
        }
    }
}

/// Puts a file with this text in the place of the one at `path`, at once, and on the disk when this returns.
fn replace(path: &Path, text: &str, permissions: Permissions) -> io::Result<fs::Metadata> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let beside = path.with_file_name(name);
    // One of a writer that was killed: nobody else is at it.
    let _ = fs::remove_file(&beside);
    let written = write(&beside, text, permissions).and_then(|meta| {
        fs::rename(&beside, path)?;
        Ok(meta)
    });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    let written = written?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    // Once more: its new name is a change.
    let there = fs::metadata(path)?;
    Ok(if there.ino() == written.ino() {
        there
    } else {
        written
    })
}

fn write(path: &Path, text: &str, permissions: Permissions) -> io::Result<fs::Metadata> {
    let mut options = OpenOptions::new();
    // For nobody else until it has the permissions that it is to have.
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(permissions)?;
    file.sync_all()?;
    file.metadata()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use pool_health::{AccessAction, AccessRule, IpPrefix};

    use super::*;

    fn file(path: PathBuf) -> RuleFile {
        RuleFile {
            path,
            unsaid: AccessAction::Deny,
        }
    }

    fn putting(prefix: &str) -> Edits {
        Edits {
            put: vec![AccessRule::deny(prefix.parse::<IpPrefix>().unwrap())],
            ..Edits::default()
        }
    }

    #[test]
    fn a_file_is_made_replaced_through_links_and_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        update(&file(real.clone()), &putting("192.0.2.1")).unwrap();
        fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
        symlink(&real, &link).unwrap();
        let updated = update(&file(link.clone()), &putting("192.0.2.2")).unwrap();
        assert_eq!(updated.loaded.rules.len(), 2);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let meta = fs::metadata(&real).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o640);
        assert_eq!(
            updated.loaded.stamp,
            Stamp::of(&meta),
            "it is not seen as a change"
        );
        let text = fs::read_to_string(&real).unwrap();
        assert_eq!(text, "deny 192.0.2.1\ndeny 192.0.2.2\n");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "nothing is left"
        );
    }

    #[test]
    fn many_writers_at_a_time_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path().join("bans"));
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let file = &file;
                scope.spawn(move || {
                    for n in 0..8 {
                        update(file, &putting(&format!("192.0.{writer}.{n}"))).unwrap();
                    }
                });
            }
        });
        assert_eq!(file.read().unwrap().rules.len(), 64);
    }

    #[test]
    fn what_is_no_file_of_rules_is_left_alone() {
        let null = update(&file("/dev/null".into()), &putting("192.0.2.1"));
        assert!(matches!(null, Err(Unreadable::Io(_))), "{null:?}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        fs::write(&path, "not a rule\n").unwrap();
        let error = update(&file(path.clone()), &putting("192.0.2.1")).unwrap_err();
        assert!(error.at(&path).contains("line 1"), "{error:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "not a rule\n");
    }
}
