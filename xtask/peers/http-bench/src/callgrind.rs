//! Instructions, counted by valgrind.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::BoxError;
use crate::child;

/// Whether it can be run.
pub(crate) fn is_here() -> bool {
    let mut command = Command::new("valgrind");
    command.arg("--version").stdin(Stdio::null());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// What stands before a program that is to be counted into `file`: from the first counted request to the last, so that
/// it does not matter how many connections were opened before.
pub(crate) fn before(file: &Path) -> [String; 4] {
    let out = format!("--callgrind-out-file={}", file.display());
    let only = "--toggle-collect=bench_load::runs::measured*".to_owned();
    [
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        only,
        out,
    ]
}

/// Runs a command that begins with [`before`] and returns its instructions.
pub(crate) fn count(command: &mut Command, file: &Path) -> Result<u64, BoxError> {
    child::once(command)?;
    let text = String::from_utf8_lossy(&std::fs::read(file)?).into_owned();
    total(&text).ok_or_else(|| format!("{}: no total", file.display()).into())
}

fn total(text: &str) -> Option<u64> {
    let line = text.lines().rev();
    line.filter_map(|line| {
        line.strip_prefix("totals: ")
            .or(line.strip_prefix("summary: "))
    })
    .find_map(|number| number.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_last_one() {
        let text = "events: Ir\nsummary: 12\n\nfn=(1) main\n1 12\ntotals: 13\n";
        assert_eq!(total(text), Some(13));
        assert_eq!(total("fn=(1) main\n"), None);
    }
}
