//! Which connections a plan wants, by address and source.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::config::Limits;

/// One connection that should be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) target: SocketAddr,
    pub(super) source: Option<IpAddr>,
    /// Which of its cell, and its place among the sources. Opened in this order, an address that does not answer does not hold
    /// up all the others, and every cell has its first connection before any has its second.
    pub(super) turn: (usize, usize),
}

/// How many connections a plan wants: so many for each address and source, but neither fewer nor more than this in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) per_cell: usize,
    pub(super) at_least: usize,
    pub(super) at_most: usize,
}

impl Size {
    /// The wanted connections, by address, then source.
    ///
    /// # Errors
    ///
    /// What is wrong, with both numbers, if they do not fit into the limits; nothing was made for them then.
    pub(super) fn cells(
        self,
        targets: &[SocketAddr],
        sources: &[IpAddr],
        limits: &Limits,
    ) -> Result<Vec<Wanted>, String> {
        let rows_of = |target: &SocketAddr| rows(*target, sources).count();
        let in_all: usize = targets.iter().map(rows_of).sum();
        let full = in_all.saturating_mul(self.per_cell);
        let total = match in_all {
            0 => 0,
            _ => full.max(self.at_least).min(self.at_most),
        };
        if total == full {
            // Otherwise they are told by the connections that are left.
            for target in targets {
                let to_target = rows_of(target).saturating_mul(self.per_cell);
                fits_at(*target, to_target, limits)?;
            }
        }
        fits(total, limits)?;
        let copies = if total == full {
            self.per_cell
        } else {
            total.div_ceil(in_all.max(1))
        };
        let mut cells: Vec<Wanted> = targets
            .iter()
            .flat_map(|&target| of_target(target, sources, copies))
            .collect();
        if cells.len() > total {
            cells = first(cells, total);
            let mut to: HashMap<SocketAddr, usize> = HashMap::new();
            for cell in &cells {
                *to.entry(cell.target).or_default() += 1;
            }
            for (target, to_target) in to {
                fits_at(target, to_target, limits)?;
            }
        }
        Ok(cells)
    }
}

/// The first `total` in their turns, in the order in which they were.
fn first(cells: Vec<Wanted>, total: usize) -> Vec<Wanted> {
    let mut numbered: Vec<(usize, Wanted)> = cells.into_iter().enumerate().collect();
    numbered.sort_by_key(|(_, cell)| cell.turn);
    numbered.truncate(total);
    numbered.sort_by_key(|(at, _)| *at);
    numbered.into_iter().map(|(_, cell)| cell).collect()
}

fn of_target(
    target: SocketAddr,
    sources: &[IpAddr],
    copies: usize,
) -> impl Iterator<Item = Wanted> {
    rows(target, sources)
        .enumerate()
        .flat_map(move |(place, source)| {
            (0..copies).map(move |copy| Wanted {
                target,
                source,
                turn: (copy, place),
            })
        })
}

/// The sources of an address's cells: those of its family, or the operating system's choice if there are none at all.
fn rows(target: SocketAddr, sources: &[IpAddr]) -> impl Iterator<Item = Option<IpAddr>> {
    let fitting = sources
        .iter()
        .filter(move |source| source.is_ipv4() == target.is_ipv4());
    let any = sources.is_empty().then_some(None);
    fitting.copied().map(Some).chain(any)
}

fn fits_at(target: SocketAddr, connections: usize, limits: &Limits) -> Result<(), String> {
    let limit = limits.per_endpoint;
    if connections <= limit {
        return Ok(());
    }
    Err(format!(
        "the plan wants {connections} connections to {target}, limits.per_endpoint is {limit}"
    ))
}

fn fits(total: usize, limits: &Limits) -> Result<(), String> {
    let bounds = [
        ("limits.per_host", limits.per_host),
        ("limits.total", limits.total),
        // More idle ones than are kept would be closed as soon as they are open.
        ("limits.idle_per_host", limits.idle_per_host),
        ("limits.idle_total", limits.idle_total),
    ];
    match bounds.into_iter().min_by_key(|(_, limit)| *limit) {
        Some((name, limit)) if total > limit => Err(format!(
            "the plan wants {total} connections, {name} is {limit}"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(targets: &[&str], sources: &[&str], size: Size) -> Result<Vec<String>, String> {
        let targets: Vec<SocketAddr> = targets.iter().map(|t| t.parse().unwrap()).collect();
        let sources: Vec<IpAddr> = sources.iter().map(|s| s.parse().unwrap()).collect();
        let cells = size.cells(&targets, &sources, &Limits::default())?;
        let text = |cell: &Wanted| match cell.source {
            Some(source) => format!("{} from {source}", cell.target),
            None => cell.target.to_string(),
        };
        Ok(cells.iter().map(text).collect())
    }

    fn size(per_cell: usize, at_least: usize, at_most: usize) -> Size {
        Size {
            per_cell,
            at_least,
            at_most,
        }
    }

    const TARGETS: [&str; 3] = ["10.0.0.1:1", "10.0.0.2:1", "[::1]:1"];
    const SOURCES: [&str; 3] = ["10.1.0.1", "10.1.0.2", "::2"];

    #[test]
    fn every_address_is_reached_from_every_source_of_its_family() {
        let expected = [
            "10.0.0.1:1 from 10.1.0.1",
            "10.0.0.1:1 from 10.1.0.2",
            "10.0.0.2:1 from 10.1.0.1",
            "10.0.0.2:1 from 10.1.0.2",
            "[::1]:1 from ::2",
        ];
        let all = cells(&TARGETS, &SOURCES, size(1, 0, usize::MAX));
        assert_eq!(all.unwrap(), expected);
        let os = cells(&TARGETS, &[], size(1, 0, usize::MAX));
        assert_eq!(os.unwrap(), TARGETS);
    }

    #[test]
    fn a_ceiling_leaves_the_last_turns_out() {
        // One for each address before any source has its second address.
        let three = cells(&TARGETS, &SOURCES, size(2, 0, 3)).unwrap();
        assert_eq!(
            three,
            [
                "10.0.0.1:1 from 10.1.0.1",
                "10.0.0.2:1 from 10.1.0.1",
                "[::1]:1 from ::2"
            ]
        );
        for most in 0..=10 {
            let some = cells(&TARGETS, &SOURCES, size(2, 0, most)).unwrap();
            assert_eq!(some.len(), most);
        }
        assert_eq!(cells(&TARGETS, &SOURCES, size(2, 0, 11)).unwrap().len(), 10);
    }

    #[test]
    fn a_floor_adds_turns_to_a_small_matrix() {
        let five = cells(&TARGETS[..2], &[], size(1, 5, usize::MAX)).unwrap();
        assert_eq!(five.iter().filter(|cell| *cell == TARGETS[0]).count(), 3);
        assert_eq!(five.len(), 5);
        // Where there is nothing to connect from there is nothing to add.
        let none = cells(&TARGETS[2..], &SOURCES[..2], size(1, 5, usize::MAX));
        assert_eq!(none.unwrap().len(), 0);
        // The ceiling wins.
        assert_eq!(cells(&TARGETS, &[], size(1, 9, 4)).unwrap().len(), 4);
    }

    #[test]
    fn what_does_not_fit_is_refused_before_it_is_made() {
        let error = cells(&TARGETS, &[], size(usize::MAX, 0, usize::MAX)).unwrap_err();
        assert!(error.ends_with("limits.per_host is 16"), "{error}");
        let error = cells(&TARGETS, &[], size(0, usize::MAX, usize::MAX)).unwrap_err();
        assert!(error.ends_with("limits.per_host is 16"), "{error}");
        // A ceiling makes it fit.
        assert_eq!(
            cells(&TARGETS, &[], size(usize::MAX, 0, 16)).unwrap().len(),
            16
        );
    }
}
