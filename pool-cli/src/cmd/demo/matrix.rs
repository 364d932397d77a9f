//! The picture of a warm-up: a line per target, a character per source.

use std::net::{IpAddr, SocketAddr};

use pool_core::{WarmOutcome, WarmReport};
use serde::Serialize;

use super::stage::Stage;

/// What became of every cell.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Matrix {
    targets: Vec<SocketAddr>,
    /// Empty where the operating system chooses.
    sources: Vec<IpAddr>,
    /// By target: a character per source, as [`LEGEND`] says.
    cells: Vec<String>,
    ready: usize,
}

/// What the characters mean.
pub(super) const LEGEND: &str = "# open    ! a status the check refuses    x no connection";

impl Matrix {
    pub(super) fn new(stage: &Stage, report: &WarmReport) -> Self {
        let targets = stage.fleet.addrs();
        let line = |target: &SocketAddr| {
            let of_target = report.cells.iter().filter(|cell| cell.target == *target);
            of_target.map(|cell| symbol(&cell.outcome)).collect()
        };
        Self {
            cells: targets.iter().map(line).collect(),
            targets,
            sources: stage.sources.clone(),
            ready: report.ready(),
        }
    }

    /// Several lines.
    pub(super) fn text(&self) -> String {
        let width = self.targets.iter().map(|target| target.to_string().len());
        let width = width.max().unwrap_or(0);
        let mut text = match (self.sources.first(), self.sources.last()) {
            (Some(first), Some(last)) => format!("{:width$}  {first} to {last}\n", ""),
            _ => String::new(),
        };
        for (target, cells) in self.targets.iter().zip(&self.cells) {
            let ready = cells.chars().filter(|cell| *cell == '#').count();
            text.push_str(&format!(
                "{:width$}  {cells}  {ready:>2} open\n",
                target.to_string()
            ));
        }
        text.push_str(&format!("{:width$}  {LEGEND}\n", ""));
        text
    }
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

    #[test]
    fn every_target_is_a_line_and_every_source_a_character() {
        let matrix = Matrix {
            targets: vec![
                "127.0.1.1:443".parse().unwrap(),
                "127.0.1.20:443".parse().unwrap(),
            ],
            sources: vec!["127.0.2.1".parse().unwrap(), "127.0.2.2".parse().unwrap()],
            cells: vec!["##".into(), "#x".into()],
            ready: 3,
        };
        let text = matrix.text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "                127.0.2.1 to 127.0.2.2");
        assert_eq!(lines[1], "127.0.1.1:443   ##   2 open");
        assert_eq!(lines[2], "127.0.1.20:443  #x   1 open");
    }
}
