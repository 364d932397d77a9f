//! The picture of a warm-up: a line per address, a character per source.

use std::net::{IpAddr, SocketAddr};

use pool_core::{WarmCell, WarmOutcome};
use serde::Serialize;

/// What became of every cell.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Matrix {
    targets: Vec<SocketAddr>,
    /// Empty where the operating system chooses, and where the addresses do not share them.
    sources: Vec<IpAddr>,
    /// By target: a character per connection, source by source, as [`LEGEND`] says.
    cells: Vec<String>,
    ready: usize,
}

/// What the characters mean.
const LEGEND: &str = "# open    ! a status the check refuses    x no connection";

/// More lines than this, and only those with something missing are shown.
const MOST_LINES: usize = 40;

/// More connections to an address than this are a number.
const MOST_CHARACTERS: usize = 64;

impl Matrix {
    /// Of cells by address, then source, as a report has them.
    pub(super) fn new(cells: &[WarmCell]) -> Self {
        let rows: Vec<_> = cells.chunk_by(|a, b| a.target == b.target).collect();
        let sources_of = |row: &[WarmCell]| {
            let mut sources: Vec<_> = row.iter().filter_map(|cell| cell.source).collect();
            sources.dedup();
            sources
        };
        let sources = rows.first().map(|row| sources_of(row)).unwrap_or_default();
        let shared = rows.iter().all(|row| sources_of(row) == sources);
        let line = |row: &&[WarmCell]| row.iter().map(|cell| symbol(&cell.outcome)).collect();
        let lines: Vec<String> = rows.iter().map(line).collect();
        Self {
            targets: rows.iter().map(|row| row[0].target).collect(),
            sources: if shared { sources } else { Vec::new() },
            ready: lines.iter().map(|line| open(line)).sum(),
            cells: lines,
        }
    }

    /// Several lines.
    pub(super) fn text(&self) -> String {
        let rows = self.targets.iter().zip(&self.cells);
        let is_large = self.targets.len() > MOST_LINES;
        let is_shown = |cells: &str| !is_large || open(cells) < cells.len();
        let (shown, whole): (Vec<_>, Vec<_>) = rows.partition(|(_, cells)| is_shown(cells));
        let left_out = shown.len().saturating_sub(MOST_LINES);
        let shown = &shown[..shown.len() - left_out];

        let width = shown.iter().map(|(target, _)| target.to_string().len());
        let width = width.max().unwrap_or(0);
        let drawn = shown
            .iter()
            .any(|(_, cells)| cells.len() <= MOST_CHARACTERS);
        let mut text = match (self.sources.first(), self.sources.last()) {
            (Some(first), Some(last)) if drawn => format!("{:width$}  {first} to {last}\n", ""),
            _ => String::new(),
        };
        for (target, cells) in shown {
            let (target, ready, all) = (target.to_string(), open(cells), cells.len());
            text.push_str(&if all > MOST_CHARACTERS {
                format!("{target:width$}  {ready} of {all} open\n")
            } else {
                format!("{target:width$}  {cells}  {ready:>2} open\n")
            });
        }
        if left_out > 0 {
            text.push_str(&format!(
                "and {left_out} more addresses with something missing\n"
            ));
        }
        if !whole.is_empty() {
            let whole = whole.len();
            text.push_str(&format!(
                "all open: {whole} of {} addresses\n",
                self.targets.len()
            ));
        }
        if drawn {
            text.push_str(&format!("{:width$}  {LEGEND}\n", ""));
        }
        text
    }
}

fn open(cells: &str) -> usize {
    cells.chars().filter(|cell| *cell == '#').count()
}

fn symbol(outcome: &WarmOutcome) -> char {
    match outcome {
        WarmOutcome::Ready(_) | WarmOutcome::Present => '#',
        WarmOutcome::Rejected { .. } => '!',
        _ => 'x',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: &[(&str, String)]) -> String {
        let cells: Vec<_> = rows.iter().map(|(_, cells)| cells.clone()).collect();
        let matrix = Matrix {
            targets: rows.iter().map(|(addr, _)| addr.parse().unwrap()).collect(),
            sources: vec!["127.0.2.1".parse().unwrap(), "127.0.2.2".parse().unwrap()],
            ready: cells.iter().map(|cells| open(cells)).sum(),
            cells,
        };
        matrix.text()
    }

    #[test]
    fn every_target_is_a_line_and_every_source_a_character() {
        let text = matrix(&[
            ("127.0.1.1:443", "##".into()),
            ("127.0.1.20:443", "#x".into()),
        ]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "                127.0.2.1 to 127.0.2.2");
        assert_eq!(lines[1], "127.0.1.1:443   ##   2 open");
        assert_eq!(lines[2], "127.0.1.20:443  #x   1 open");
    }

    #[test]
    fn of_many_lines_those_with_something_missing_are_shown() {
        let addrs: Vec<_> = (0..200).map(|i| format!("127.0.1.{i}:443")).collect();
        let rows = addrs.iter().enumerate();
        let rows: Vec<_> = rows
            .map(|(i, addr)| (addr.as_str(), if i == 7 { "#x" } else { "##" }.to_owned()))
            .collect();
        let text = matrix(&rows);
        assert!(text.contains("127.0.1.7:443  #x   1 open"), "{text}");
        assert!(text.contains("all open: 199 of 200 addresses"), "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");

        let broken: Vec<_> = addrs
            .iter()
            .map(|addr| (addr.as_str(), "xx".into()))
            .collect();
        let text = matrix(&broken);
        assert!(text.contains("and 160 more addresses"), "{text}");
    }

    #[test]
    fn a_long_line_is_a_number() {
        let text = matrix(&[("127.0.1.1:443", "#".repeat(250) + "xxxxxx")]);
        assert_eq!(text, "127.0.1.1:443  250 of 256 open\n");
    }
}
