//! The copy of the work tree that the faults go into.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Mutant;
use crate::{Failure, root, tidy};

/// A copy of what git knows of the work tree, which is never touched itself.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    /// Makes the copy, or brings the one of an earlier run up to date. What has not changed is not written again, so that
    /// cargo does not build it again.
    pub(super) fn new() -> Result<Self, Failure> {
        let folder = root().join("target/mutants/tree");
        let mut known = HashSet::new();
        for path in tidy::paths()? {
            // Deleted and not yet committed: not in the copy either.
            let Ok(content) = fs::read(root().join(&path)) else {
                continue;
            };
            let path = folder.join(path);
            if fs::read(&path).ok().as_ref() != Some(&content) {
                let parent = path.parent().unwrap_or(&folder);
                fs::create_dir_all(parent).map_err(|error| broken(parent, &error))?;
                fs::write(&path, &content).map_err(|error| broken(&path, &error))?;
            }
            known.insert(path);
        }
        let scratch = Self { folder };
        scratch.sweep(&scratch.folder, &known)?;
        Ok(scratch)
    }

    /// The root of the copy.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs `f` while `mutant` is in the copy.
    pub(super) fn with<R>(&self, mutant: &Mutant, f: impl FnOnce() -> R) -> Result<R, Failure> {
        let path = self.folder.join(mutant.file);
        let text = fs::read_to_string(&path).map_err(|error| broken(&path, &error))?;
        let mutated = mutant.apply(&text).map_err(Failure::Broken)?;
        write(&path, &mutated)?;
        let result = f();
        write(&path, &text)?;
        Ok(result)
    }

    /// Takes out what an earlier copy had and git does not know any more.
    fn sweep(&self, folder: &Path, known: &HashSet<PathBuf>) -> Result<(), Failure> {
        let entries = fs::read_dir(folder).map_err(|error| broken(folder, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| broken(folder, &error))?.path();
            if path.is_dir() {
                self.sweep(&path, known)?;
            } else if !known.contains(&path) {
                fs::remove_file(&path).map_err(|error| broken(&path, &error))?;
            }
        }
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| broken(path, &error))
}

fn broken(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Broken(format!("{}: {error}", path.display()))
}
