//! `cargo xtask features`: each crate compiles with none of its features, and with each one alone.

use crate::members::members;
use crate::{Failure, cargo};
use serde_json::Value;

/// Checks every member, feature by feature; all are tried, so that one run names every failure.
///
/// # Errors
///
/// [`Failure::Found`] if one does not compile.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if !args.is_empty() {
        return Err(Failure::Usage("features takes no argument".to_owned()));
    }
    let mut failed = Vec::new();
    for flags in combinations(&cargo::metadata()?) {
        let mut command = cargo::command();
        command.args(["check", "--quiet"]).args(&flags);
        let shown = cargo::show(&command);
        println!("{shown}");
        let status = command
            .status()
            .map_err(|error| Failure::Broken(format!("cannot start `{shown}`: {error}")))?;
        if !status.success() {
            failed.push(shown);
        }
    }
    for command in &failed {
        println!("features: failed: {command}");
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Found)
    }
}

/// The flags of each check: per member without features, then with each feature alone.
fn combinations(metadata: &Value) -> Vec<Vec<String>> {
    let mut combinations = Vec::new();
    for package in members(metadata) {
        let name = package["name"].as_str().unwrap_or_default();
        let bare = ["-p", name, "--no-default-features"]
            .map(str::to_owned)
            .to_vec();
        combinations.push(bare.clone());
        let features = package["features"].as_object().into_iter().flatten();
        for (feature, _) in features.filter(|(feature, _)| *feature != "default") {
            let mut flags = bare.clone();
            flags.extend(["--features".to_owned(), feature.clone()]);
            combinations.push(flags);
        }
    }
    combinations
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_feature_of_every_member_is_checked_alone() {
        let metadata = json!({
            "workspace_members": ["a", "b"],
            "packages": [
                { "id": "a", "name": "a", "features": { "default": ["x"], "x": [], "y": [] } },
                { "id": "b", "name": "b", "features": {} },
                { "id": "c", "name": "c", "features": { "z": [] } },
            ],
        });
        let lines: Vec<String> = combinations(&metadata)
            .iter()
            .map(|f| f.join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "-p a --no-default-features",
                "-p a --no-default-features --features x",
                "-p a --no-default-features --features y",
                "-p b --no-default-features",
            ]
        );
    }
}
