//! `cargo xtask deny`: licences, banned crates and sources against deny.toml.

mod list;
mod spdx;

use crate::{Failure, cargo, root};
use serde_json::Value;
use std::process::{Command, Stdio};

/// Runs cargo-deny if it is installed; else its three checks that need no database, done here.
///
/// # Errors
///
/// [`Failure::Found`] if a crate breaks a rule.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if !args.is_empty() {
        return Err(Failure::Usage("deny takes no argument".to_owned()));
    }
    if installed() {
        return cargo_deny();
    }
    println!("SKIP cargo-deny: not installed; checking licences, bans and sources without it");
    own_check()
}

fn installed() -> bool {
    Command::new("cargo-deny")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn cargo_deny() -> Result<(), Failure> {
    // Offline needs every crate of the lock file on disk, those of other platforms too.
    let mut fetch = cargo::command();
    fetch.args(["fetch", "--quiet"]);
    cargo::read(fetch)?;
    let mut command = cargo::command();
    command.args(["deny", "--offline", "check", "--hide-inclusion-graph"]);
    command.args(["bans", "licenses", "sources"]);
    let status = command
        .status()
        .map_err(|error| Failure::Broken(format!("cannot start cargo deny: {error}")))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Found)
    }
}

fn own_check() -> Result<(), Failure> {
    let text = std::fs::read_to_string(root().join("deny.toml"))
        .map_err(|error| Failure::Broken(format!("deny.toml: {error}")))?;
    let found = judge(&cargo::metadata()?, &Rules::read(&text));
    for line in &found {
        println!("deny: {line}");
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(Failure::Found)
    }
}

/// What deny.toml allows and forbids.
#[derive(Debug)]
struct Rules {
    licences: Vec<String>,
    banned: Vec<String>,
}

impl Rules {
    fn read(text: &str) -> Self {
        Self {
            licences: list::strings(text, "licenses", "allow"),
            banned: list::strings(text, "bans", "deny"),
        }
    }
}

/// One line per crate and rule it breaks.
fn judge(metadata: &Value, rules: &Rules) -> Vec<String> {
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or_default();
        if !spdx::allows(licence, &rules.licences) {
            found.push(format!(
                "{name}: licence `{licence}` is not in deny.toml's list"
            ));
        }
        if rules.banned.iter().any(|banned| banned == name) {
            found.push(format!("{name}: banned by deny.toml"));
        }
        // Members have no source; anything else comes from the one registry.
        let elsewhere = package["source"]
            .as_str()
            .filter(|source| *source != "registry+https://github.com/rust-lang/crates.io-index");
        if let Some(source) = elsewhere {
            found.push(format!("{name}: comes from {source}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_licence_a_ban_and_a_source_are_each_found() {
        let rules = Rules {
            licences: vec!["MIT".to_owned()],
            banned: vec!["openssl".to_owned()],
        };
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        let metadata = json!({ "packages": [
            { "name": "good", "license": "MIT OR Apache-2.0", "source": registry },
            { "name": "member", "license": "MIT", "source": null },
            { "name": "copyleft", "license": "GPL-3.0-only", "source": registry },
            { "name": "openssl", "license": "MIT", "source": registry },
            { "name": "fork", "license": "MIT", "source": "git+https://example.com/fork" },
        ]});
        let found = judge(&metadata, &rules);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("copyleft:"));
        assert!(found[1].starts_with("openssl:"));
        assert!(found[2].starts_with("fork:"));
    }

    #[test]
    fn the_rules_of_this_workspace_are_read() {
        let rules = Rules::read(include_str!("../../deny.toml"));
        assert!(
            rules
                .licences
                .iter()
                .any(|l| l == "Apache-2.0 WITH LLVM-exception")
        );
        assert!(rules.banned.iter().any(|b| b == "openssl-sys"), "{rules:?}");
    }
}
