//! What a warm-up and a hold brought, for people and for programs.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pool_core::{Error, WarmCell, WarmOutcome, WarmReport};
use serde::Serialize;

use super::closings::{By, Closing, Counts};
use crate::cmd::matrix::Matrix;
use crate::exit::{Exit, chain};
use crate::output::printable;

/// What was opened.
#[derive(Debug, Serialize)]
pub(super) struct Opened {
    ready: usize,
    failed: usize,
    targets: Vec<Target>,
}

#[derive(Debug, Serialize)]
struct Target {
    url: String,
    ready: usize,
    failed: usize,
    /// Why there are no cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Wrong>,
    cells: Vec<Cell>,
    /// One for each profile, with its name where there are several.
    #[serde(skip)]
    matrices: Vec<(Option<String>, Matrix)>,
}

#[derive(Debug, Serialize)]
struct Cell {
    target: SocketAddr,
    /// Null where the operating system chooses.
    source: Option<IpAddr>,
    /// Null in plain text.
    profile: Option<String>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Wrong>,
}

#[derive(Debug, Serialize)]
struct Wrong {
    kind: &'static str,
    message: String,
}

/// More lines of one kind than this are summed up.
const MOST_LINES: usize = 32;

impl Opened {
    pub(super) fn new(origins: &[String], outcomes: Vec<Result<WarmReport, Error>>) -> Self {
        let targets: Vec<_> = origins.iter().zip(outcomes).map(Target::new).collect();
        Self {
            ready: targets.iter().map(|target| target.ready).sum(),
            failed: targets.iter().map(|target| target.failed).sum(),
            targets,
        }
    }

    pub(super) fn exit(&self) -> Exit {
        match self.failed {
            0 => Exit::AllGood,
            _ => Exit::SomeFailed,
        }
    }

    /// A matrix for each target; of many targets, for those with something missing.
    pub(super) fn text(&self) -> String {
        let is_large = self.targets.len() > MOST_LINES;
        let is_shown = |target: &&Target| !is_large || target.failed > 0;
        let shown: Vec<_> = self.targets.iter().filter(is_shown).collect();
        let mut text = String::new();
        for target in shown.iter().take(MOST_LINES) {
            text.push_str(&target.text());
        }
        if let Some(more) = shown.len().checked_sub(MOST_LINES).filter(|more| *more > 0) {
            text.push_str(&format!("and {more} more targets with something missing\n"));
        }
        let (ready, all) = (self.ready, self.ready + self.failed);
        text.push_str(&match self.targets.len() {
            1 => format!("{ready} of {all} open\n"),
            targets => format!("{ready} of {all} open, to {targets} targets\n"),
        });
        text
    }
}

impl Target {
    fn new((url, outcome): (&String, Result<WarmReport, Error>)) -> Self {
        let (cells, error) = match outcome {
            Ok(report) => (report.cells, None),
            Err(error) => (Vec::new(), Some(Wrong::new(&error))),
        };
        let under: Vec<_> = cells.chunk_by(|a, b| a.profile == b.profile).collect();
        let name = |cell: &WarmCell| cell.profile.as_ref().map(ToString::to_string);
        let heading = |cell| (under.len() > 1).then(|| name(cell)).flatten();
        let matrices = under
            .iter()
            .map(|cells| (heading(&cells[0]), Matrix::new(cells)))
            .collect();
        let cells: Vec<_> = cells.iter().map(Cell::new).collect();
        let ready = cells.iter().filter(|cell| cell.error.is_none()).count();
        Self {
            url: url.clone(),
            ready,
            // A name without an address is one thing that failed.
            failed: cells.len() - ready + usize::from(error.is_some()),
            error,
            cells,
            matrices,
        }
    }

    fn text(&self) -> String {
        let url = &self.url;
        if let Some(error) = &self.error {
            return format!("{url}: {}\n\n", error.message);
        }
        let mut text = format!("{url}\n");
        for (profile, matrix) in &self.matrices {
            if let Some(profile) = profile {
                text.push_str(&format!("under {}\n", printable(profile)));
            }
            text.push_str(&matrix.text());
        }
        let mut failures: BTreeMap<_, Vec<&Cell>> = BTreeMap::new();
        for cell in &self.cells {
            if let Some(error) = &cell.error {
                let of_kind = failures.entry((cell.target, error.kind)).or_default();
                of_kind.push(cell);
            }
        }
        for ((target, _), cells) in failures.iter().take(MOST_LINES) {
            text.push_str(&format!("{target}  {} failed", cells.len()));
            if let (1, Some(source)) = (cells.len(), cells[0].source) {
                text.push_str(&format!(" from {source}"));
            }
            let message = cells[0].error.as_ref().map_or("", |error| &error.message);
            text.push_str(&format!(": {message}\n"));
        }
        if let Some(more) = failures.len().checked_sub(MOST_LINES).filter(|n| *n > 0) {
            text.push_str(&format!("and {more} more; --json has all\n"));
        }
        text.push('\n');
        text
    }
}

impl Cell {
    fn new(cell: &WarmCell) -> Self {
        let wrong = |kind, message: String| Some(Wrong { kind, message });
        let (state, error) = match &cell.outcome {
            WarmOutcome::Ready(_) | WarmOutcome::Present => ("ready", None),
            WarmOutcome::Rejected { status } => (
                "rejected",
                wrong("status", format!("the health check got {status}")),
            ),
            WarmOutcome::Unhealthy(why) => {
                ("unhealthy", wrong("unhealthy", printable(&chain(why))))
            }
            WarmOutcome::Failed(error) => ("failed", Some(Wrong::new(error))),
            other => ("failed", wrong("failed", printable(&format!("{other:?}")))),
        };
        Self {
            target: cell.target,
            source: cell.source,
            profile: cell.profile.as_ref().map(ToString::to_string),
            state,
            error,
        }
    }
}

impl Wrong {
    fn new(error: &Error) -> Self {
        Self {
            kind: error.kind().code(),
            message: printable(&chain(error)),
        }
    }
}

/// What happened after it was opened.
#[derive(Debug, Serialize)]
pub(super) struct Held {
    /// How long.
    pub(super) held_ms: u64,
    /// Connections that were open at the end.
    pub(super) open: usize,
    /// With --keep, how many were opened again, and how often that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reopened: Option<Reopened>,
    pub(super) closings: Vec<Closing>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Reopened {
    pub(super) opened: usize,
    pub(super) failed: usize,
}

impl Held {
    pub(super) fn new(held: Duration, counts: Counts, closings: Vec<Closing>) -> Self {
        Self {
            held_ms: held.as_millis().try_into().unwrap_or(u64::MAX),
            open: counts.open(),
            reopened: None,
            closings,
        }
    }

    /// Who closed what when.
    pub(super) fn text(&self) -> String {
        let held = self.held_ms as f64 / 1e3;
        let mut text = format!("\nheld for {held:.1} s, {} open at the end\n", self.open);
        if let Some(Reopened { opened, failed }) = self.reopened {
            text.push_str(&format!(
                "{opened} opened again, {failed} attempts at that failed\n"
            ));
        }
        if self.closings.is_empty() {
            text.push_str("nothing was closed\n");
        }
        if self.closings.len() <= MOST_LINES {
            for closing in &self.closings {
                text.push_str(&format!("{}  {}\n", closing.target, line(closing)));
            }
            return text;
        }
        let mut sums: BTreeMap<_, (usize, Closing)> = BTreeMap::new();
        for closing in &self.closings {
            let key = (closing.by, closing.reason, closing.idle_ms.is_none());
            sums.entry(key)
                .and_modify(|(addrs, sum)| {
                    *addrs += 1;
                    sum.merge(closing);
                })
                .or_insert((1, closing.clone()));
        }
        for (addrs, sum) in sums.values() {
            text.push_str(&format!("{addrs} addresses  {}\n", line(sum)));
        }
        text
    }
}

fn line(closing: &Closing) -> String {
    let Closing { count, reason, .. } = closing;
    let who = match (closing.by, *reason) {
        (By::Peer, "peer_closed") => "closed by the peer".to_owned(),
        (By::Peer, reason) => format!("closed by the peer ({reason})"),
        (By::Us, reason) => format!("closed by us ({reason})"),
        (By::Error, reason) => format!("broken ({reason})"),
    };
    let (times, what) = match closing.idle_ms {
        Some(idle) => (idle, "idle"),
        None => (closing.open_ms, "in use"),
    };
    let [min, mean, max] = [times.min, times.mean, times.max].map(|ms| ms / 1e3);
    let mut text = format!("{count} {who} after {mean:.1} s {what}");
    if *count > 1 {
        text.push_str(&format!(" (min {min:.1}, max {max:.1})"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::closings::Times;
    use super::*;

    fn closing(host: u8, count: u32, ms: [f64; 3]) -> Closing {
        let [min, mean, max] = ms;
        let times = Times { min, mean, max };
        Closing {
            target: SocketAddr::from(([192, 0, 2, host], 443)),
            by: By::Peer,
            reason: "peer_closed",
            count,
            idle_ms: Some(times),
            open_ms: times,
        }
    }

    fn text(closings: Vec<Closing>) -> String {
        let held = Duration::from_secs(80);
        Held::new(held, Counts::default(), closings).text()
    }

    #[test]
    fn a_line_says_who_closed_how_many_after_what_time() {
        let text = text(vec![
            closing(1, 16, [75_000.0, 75_049.0, 75_200.0]),
            closing(2, 1, [5_000.0; 3]),
        ]);
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "held for 80.0 s, 0 open at the end",
                "192.0.2.1:443  16 closed by the peer after 75.0 s idle (min 75.0, max 75.2)",
                "192.0.2.2:443  1 closed by the peer after 5.0 s idle",
            ]
        );
    }

    #[test]
    fn many_addresses_are_summed_up() {
        let of = |host: u8| {
            let ms = f64::from(host) * 1e3;
            closing(host, if host == 1 { 3 } else { 1 }, [ms, ms, ms])
        };
        let text = text((1..=101).map(of).collect());
        let expected =
            "101 addresses  103 closed by the peer after 50.0 s idle (min 1.0, max 101.0)";
        assert_eq!(text.lines().last(), Some(expected));
    }
}
