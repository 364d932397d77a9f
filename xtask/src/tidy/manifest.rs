//! Rules over manifests and the files that belong to a crate.

use super::Violation;
use crate::members::members;
use serde_json::Value;
use std::path::Path;

/// Checks each member of `metadata` against the tracked `files`.
pub(super) fn check(metadata: &Value, files: &[(String, String)]) -> Vec<Violation> {
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let mut found = Vec::new();
    if text_of(files, "Cargo.lock").is_none() {
        found.push(violation("Cargo.lock", "lock", "commit the lock file"));
    }
    for package in members(metadata) {
        let name = package["name"].as_str().unwrap_or_default();
        let path = format!("{name}/Cargo.toml");
        let manifest = text_of(files, &path).unwrap_or_default();
        found.extend(inherits(&path, manifest));
        // `publish` is null for "anywhere", and an empty list for "nowhere".
        let published = package["publish"].is_null();
        if published && text_of(files, &format!("{name}/README.md")).is_none() {
            found.push(violation(
                &path,
                "readme",
                "a published crate has a README.md",
            ));
        }
        for target in package["targets"].as_array().into_iter().flatten() {
            let kind = target["kind"][0].as_str().unwrap_or_default();
            let src = target["src_path"].as_str().unwrap_or_default();
            let Ok(src) = Path::new(src).strip_prefix(root) else {
                continue;
            };
            let src = src.to_string_lossy().replace('\\', "/");
            if matches!(kind, "lib" | "bin") {
                let text = text_of(files, &src).unwrap_or_default();
                found.extend(crate_root(name, &src, text));
            }
        }
    }
    found
}

/// A member takes lints and edition from the workspace.
fn inherits(path: &str, manifest: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    if !section_has(manifest, "[lints]", "workspace = true") {
        let advice = "add `[lints]` with `workspace = true`";
        found.push(violation(path, "lints", advice));
    }
    if !section_has(manifest, "[package]", "edition.workspace = true") {
        found.push(violation(
            path,
            "edition",
            "write `edition.workspace = true`",
        ));
    }
    found
}

/// A crate forbids unsafe code in its root. pool-tls may deny it: its BoringSSL module is the one exception.
fn crate_root(member: &str, path: &str, text: &str) -> Option<Violation> {
    let has = |attribute: &str| text.lines().any(|line| line.trim() == attribute);
    let kept =
        has("#![forbid(unsafe_code)]") || (member == "pool-tls" && has("#![deny(unsafe_code)]"));
    (!kept).then(|| violation(path, "unsafe", "add `#![forbid(unsafe_code)]`"))
}

/// Whether the section under `header` has `line`.
fn section_has(manifest: &str, header: &str, line: &str) -> bool {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|l| *l != header)
        .skip(1)
        .take_while(|l| !l.starts_with('['))
        .any(|l| l == line)
}

fn text_of<'a>(files: &'a [(String, String)], path: &str) -> Option<&'a str> {
    files
        .iter()
        .find(|(file, _)| file == path)
        .map(|(_, text)| text.as_str())
}

fn violation(file: &str, rule: &'static str, advice: &str) -> Violation {
    Violation {
        file: file.to_owned(),
        line: 1,
        rule,
        advice: advice.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GOOD: &str =
        "[package]\nname = \"a\"\nedition.workspace = true\n\n[lints]\nworkspace = true\n";

    #[test]
    fn a_member_inherits_lints_and_edition() {
        assert_eq!(inherits("a/Cargo.toml", GOOD), []);
        let elsewhere = "[package]\nedition = \"2021\"\n[dependencies]\nworkspace = true\n";
        let rules: Vec<&str> = inherits("a/Cargo.toml", elsewhere)
            .iter()
            .map(|v| v.rule)
            .collect();
        assert_eq!(rules, ["lints", "edition"]);
    }

    #[test]
    fn a_crate_root_forbids_unsafe_code_and_only_pool_tls_may_deny_it() {
        let (forbid, deny) = ("#![forbid(unsafe_code)]\n", "#![deny(unsafe_code)]\n");
        assert_eq!(crate_root("pool-core", "a", forbid), None);
        assert!(crate_root("pool-core", "a", deny).is_some());
        assert_eq!(crate_root("pool-tls", "a", deny), None);
        assert!(crate_root("pool-tls", "a", "// #![forbid(unsafe_code)]\n").is_some());
    }

    #[test]
    fn a_published_crate_without_readme_a_root_and_a_missing_lock_file_are_found() {
        let metadata = json!({
            "workspace_root": "/w",
            "workspace_members": ["a"],
            "packages": [{
                "id": "a", "name": "a", "publish": null,
                "targets": [{ "kind": ["lib"], "src_path": "/w/a/src/lib.rs" }],
            }],
        });
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        let mut files = vec![file("a/Cargo.toml", GOOD), file("a/src/lib.rs", "//! A.\n")];
        let rules: Vec<&str> = check(&metadata, &files).iter().map(|v| v.rule).collect();
        assert_eq!(rules, ["lock", "readme", "unsafe"]);

        files.push(file("Cargo.lock", ""));
        files.push(file("a/README.md", ""));
        files[1].1.push_str("#![forbid(unsafe_code)]\n");
        assert_eq!(check(&metadata, &files), []);
    }
}
