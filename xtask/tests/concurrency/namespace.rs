//! A network of one's own: a scenario that runs again as root of a user and network namespace, where that needs no right.

use std::io::Write;
use std::process::Command;

use crate::dice::rounds;

/// Set in the process that is inside.
const INSIDE: &str = "XTASK_INSIDE_NAMESPACE";

/// Runs the scenario of this name, module and all, again inside; true if this is inside, where loopback is up and nothing else.
///
/// Where a user may make no namespace it is skipped, with a line that says why; in the full tier that is a failure.
pub(crate) fn inside(scenario: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        ip("link set lo up");
        return true;
    }
    if let Some(reason) = why_not() {
        assert_eq!(
            rounds(0, 1),
            0,
            "{scenario}: the full tier needs a network namespace: {reason}"
        );
        // Not by a macro, whose output the test runner keeps to itself.
        let line = format!("SKIP {scenario}: no network namespace: {reason}\n");
        let _unheard = std::io::stderr().write_all(line.as_bytes());
        return false;
    }
    let status = Command::new("unshare")
        .arg("-Urn")
        .arg(std::env::current_exe().expect("this file"))
        .args(["--exact", scenario, "--nocapture"])
        .env(INSIDE, "1")
        .status();
    assert!(
        status.expect("unshare runs").success(),
        "{scenario} failed inside the namespace"
    );
    false
}

fn why_not() -> Option<String> {
    let tried = Command::new("unshare")
        .args(["-Urn", "ip", "link"])
        .output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

/// Runs `ip` with these arguments.
pub(crate) fn ip(args: &str) {
    let output = Command::new("ip").args(args.split_whitespace()).output();
    let output = output.expect("ip runs");
    assert!(output.status.success(), "ip {args}: {output:?}");
}
