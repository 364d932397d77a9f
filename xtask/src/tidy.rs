//! `cargo xtask tidy`: the house rules that a program can check, one line per violation.

mod arrows;
mod blank;
mod code;
mod layers;
mod manifest;
mod pages;
mod source;
mod words;

use crate::{Failure, cargo, root};
use source::Source;
use std::fmt;
use std::process::{Command, Stdio};

/// Lines after which a file must be split.
const MAX_LINES: usize = 700;

/// Lines after which a reader wants to stop.
const LONG_LINES: usize = 350;

/// Checks every rule over what git knows of the work tree.
///
/// # Errors
///
/// [`Failure::Found`] if a rule is violated; [`Failure::Broken`] if git or cargo do not answer.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let long = match args {
        [] => false,
        [flag] if flag == "--long" => true,
        _ => return Err(Failure::Usage("tidy takes nothing but `--long`".to_owned())),
    };
    let files = files()?;
    let sources: Vec<Source> = files
        .iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .map(|(path, text)| Source::new(path, text))
        .collect();

    let mut violations = Vec::new();
    for source in &sources {
        violations.extend(code::check(source));
        violations.extend(layers::check(source));
        violations.extend(size(source));
    }
    for (path, text) in &files {
        violations.extend(words::check(path, text, &words::forbidden()));
    }
    let metadata = cargo::metadata()?;
    violations.extend(arrows::check(&metadata)?);
    violations.extend(manifest::check(&metadata, &files));
    violations.extend(pages::check(&files, &sources));

    violations.sort();
    violations.dedup();
    for violation in &violations {
        println!("{violation}");
    }
    if long {
        list_long(&sources);
    }
    if violations.is_empty() {
        println!("tidy: {} files, no violation", files.len());
        return Ok(());
    }
    println!("tidy: {} violations", violations.len());
    Err(Failure::Found)
}

/// A rule not kept, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    file: String,
    /// From 1.
    line: usize,
    rule: &'static str,
    advice: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            rule,
            advice,
        } = self;
        write!(f, "{file}:{line}: {rule}: {advice}")
    }
}

/// The text files of the work tree, by path from the root: those git tracks, and those it would.
pub(crate) fn files() -> Result<Vec<(String, String)>, Failure> {
    // Deleted and not yet committed, or no text: nothing to check.
    let text = |path: String| {
        let text = std::fs::read_to_string(root().join(&path)).ok()?;
        Some((path, text))
    };
    Ok(paths()?.into_iter().filter_map(text).collect())
}

/// The paths of the work tree from the root, in order: those git tracks, and those it would.
pub(crate) fn paths() -> Result<Vec<String>, Failure> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::Broken(format!("cannot start git: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failure::Broken(format!("git ls-files: {said}")));
    }
    let listed = String::from_utf8_lossy(&output.stdout);
    let mut paths: Vec<String> = listed.split_terminator('\0').map(Into::into).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn size(source: &Source) -> Option<Violation> {
    let lines = source.text.lines().count();
    (lines > MAX_LINES).then(|| {
        source.violation(
            MAX_LINES,
            "size",
            format!("{lines} lines; split the file, one noun each, at most {MAX_LINES}"),
        )
    })
}

fn list_long(sources: &[Source]) {
    let mut long: Vec<(usize, &str)> = sources
        .iter()
        .map(|source| (source.text.lines().count(), source.path.as_str()))
        .filter(|(lines, _)| *lines > LONG_LINES)
        .collect();
    long.sort_unstable_by(|a, b| b.cmp(a));
    for (lines, path) in long {
        println!("long: {path}: {lines} lines");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_seven_hundred_lines_long_and_no_longer() {
        let at_limit = "//\n".repeat(MAX_LINES);
        assert_eq!(size(&Source::new("a/src/a.rs", &at_limit)), None);
        let found = size(&Source::new("a/src/a.rs", &format!("{at_limit}//\n")));
        assert_eq!(found.map(|v| v.line), Some(701));
    }

    #[test]
    fn a_violation_is_one_line_with_its_place() {
        let violation = Source::new("a/src/b.rs", "").violation(2, "size", "split it".to_owned());
        assert_eq!(violation.to_string(), "a/src/b.rs:3: size: split it");
    }
}
