//! Which crate may depend on which, and how much the plugin crates may pull in.

use super::Violation;
use crate::members::members;
use crate::{Failure, cargo, root};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Each member, and the members it may depend on.
const ARROWS: [(&str, &[&str]); 6] = [
    ("pool-health", &[]),
    ("pool-localip", &[]),
    ("pool-tls", &[]),
    ("pool-core", &["pool-health", "pool-localip", "pool-tls"]),
    (
        "pool-cli",
        &["pool-core", "pool-health", "pool-localip", "pool-tls"],
    ),
    (
        "xtask",
        &["pool-core", "pool-health", "pool-localip", "pool-tls"],
    ),
];

/// What a crate built alone must not pull in, however its dependencies change.
const LEAN: [Lean; 4] = [
    Lean {
        member: "pool-health",
        args: &[],
        without: &["tokio", "rustls", "hyper", "h2", "serde", "http"],
        at_most: 12,
    },
    Lean {
        member: "pool-localip",
        args: &[],
        without: &["tokio", "rustls", "hyper", "h2", "serde", "http"],
        at_most: 12,
    },
    Lean {
        member: "pool-tls",
        args: &["--no-default-features"],
        without: &["rustls", "ring", "tokio-rustls", "hyper", "h2"],
        at_most: 24,
    },
    Lean {
        member: "pool-core",
        args: &["--no-default-features"],
        without: &[
            "rustls",
            "ring",
            "tokio-rustls",
            "rcgen",
            "wiremock",
            "tokio-test",
        ],
        at_most: 80,
    },
];

/// A bound on the normal dependencies of one member.
#[derive(Debug)]
struct Lean {
    member: &'static str,
    args: &'static [&'static str],
    without: &'static [&'static str],
    /// Crates, its own not counted.
    at_most: usize,
}

/// Checks the arrows in `metadata`, and asks cargo for the tree of each plugin crate alone.
pub(super) fn check(metadata: &Value) -> Result<Vec<Violation>, Failure> {
    let mut found: Vec<Violation> = arrows(metadata)
        .into_iter()
        .map(|(member, advice)| at_manifest(&member, "arrow", advice))
        .collect();
    for lean in &LEAN {
        let mut command = cargo::command();
        // One member alone: in `cargo metadata` the features of all members are unified.
        command.args([
            "tree", "--quiet", "-e", "normal", "--prefix", "none", "--format", "{p}",
        ]);
        command.args(["-p", lean.member]).args(lean.args);
        let crates = tree_crates(&cargo::read(command)?);
        found.extend(
            excess(lean, &crates)
                .into_iter()
                .map(|advice| at_manifest(lean.member, "lean", advice)),
        );
    }
    let mut command = cargo::command();
    command.args([
        "tree",
        "--quiet",
        "-e",
        "features,normal",
        "--prefix",
        "none",
    ]);
    command.args(["-p", "pool-core", "--features", "testing"]);
    let testing = cargo::read(command)?;
    for test_only in ["tokio feature \"test-util\"", "wiremock "] {
        if testing.lines().any(|line| line.starts_with(test_only)) {
            let advice =
                format!("feature `testing` turns on {test_only}; it may only add a module");
            found.push(at_manifest("pool-core", "lean", advice));
        }
    }
    Ok(found)
}

/// Each member with the dependency it may not have, of any kind.
fn arrows(metadata: &Value) -> Vec<(String, String)> {
    let members = members(metadata);
    let names: BTreeSet<&str> = members.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut found = Vec::new();
    for package in &members {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(member, _)| *member == name) else {
            let advice = "a new member; add its arrows to xtask/src/tidy/arrows.rs".to_owned();
            found.push((name.to_owned(), advice));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            if names.contains(to) && !allowed.contains(&to) {
                found.push((
                    name.to_owned(),
                    format!("`{name}` must not depend on `{to}`"),
                ));
            }
        }
    }
    found
}

/// The names in a `cargo tree --prefix none`, the first line's own not among them.
fn tree_crates(tree: &str) -> BTreeSet<String> {
    tree.lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// What is wrong with the crates that a member pulls in.
fn excess(lean: &Lean, crates: &BTreeSet<String>) -> Vec<String> {
    let member = lean.member;
    let mut found: Vec<String> = lean
        .without
        .iter()
        .filter(|name| crates.contains(**name))
        .map(|name| {
            let args = lean.args.join(" ");
            format!("`{name}` is in `cargo tree -e normal -p {member} {args}`; it must not be")
        })
        .collect();
    if crates.len() > lean.at_most {
        let (count, most) = (crates.len(), lean.at_most);
        found.push(format!(
            "`{member}` pulls in {count} crates; at most {most}"
        ));
    }
    found
}

/// A violation at the manifest of `member`, on the line that names the crate in the advice, if there is one.
fn at_manifest(member: &str, rule: &'static str, advice: String) -> Violation {
    let file = format!("{member}/Cargo.toml");
    let manifest = std::fs::read_to_string(root().join(Path::new(&file))).unwrap_or_default();
    let line = manifest
        .lines()
        .position(|line| {
            line.split(['.', ' ', '=']).next().is_some_and(|key| {
                key != "name" && !key.is_empty() && advice.contains(&format!("on `{key}`"))
            })
        })
        .unwrap_or(0);
    Violation {
        file,
        line: line + 1,
        rule,
        advice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workspace(name: &str, depends_on: &[&str]) -> Value {
        let dependencies: Vec<Value> = depends_on.iter().map(|d| json!({ "name": d })).collect();
        let package = |name: &str, dependencies: Vec<Value>| json!({ "id": name, "name": name, "dependencies": dependencies });
        json!({
            "workspace_members": [name, "pool-core", "pool-tls"],
            "packages": [
                package(name, dependencies),
                package("pool-core", Vec::new()),
                package("pool-tls", Vec::new()),
                package("tokio", Vec::new()),
            ],
        })
    }

    #[test]
    fn a_plugin_crate_depends_on_no_member() {
        let found = arrows(&workspace(
            "pool-health",
            &["tokio", "pool-core", "pool-tls"],
        ));
        let advice: Vec<&str> = found.iter().map(|(_, advice)| advice.as_str()).collect();
        assert_eq!(
            advice,
            [
                "`pool-health` must not depend on `pool-core`",
                "`pool-health` must not depend on `pool-tls`"
            ]
        );
    }

    #[test]
    fn the_command_line_depends_on_the_core_and_a_member_without_arrows_is_found() {
        assert_eq!(
            arrows(&workspace("pool-cli", &["pool-core", "pool-tls"])),
            []
        );
        let found = arrows(&workspace("pool-new", &[]));
        assert_eq!(found.len(), 1);
        assert!(found[0].1.contains("arrows.rs"), "{found:?}");
    }

    #[test]
    fn the_tree_of_a_lean_crate_is_counted_once_each_without_itself() {
        let crates = tree_crates(
            "pool-health v0.1.0 (a)\nasync-trait v0.1.9 (proc-macro)\nsyn v3.0.1\nsyn v3.0.1 (*)\n",
        );
        assert_eq!(crates.len(), 2);
        let lean = Lean {
            member: "pool-health",
            args: &[],
            without: &["tokio"],
            at_most: 2,
        };
        assert_eq!(excess(&lean, &crates), Vec::<String>::new());
        let mut more = crates.clone();
        more.insert("tokio".to_owned());
        assert_eq!(excess(&lean, &more).len(), 2, "one name, one count");
    }
}
