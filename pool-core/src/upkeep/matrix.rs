//! Which connections a plan wants, by profile, address and source.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::config::Limits;

/// One connection that should be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) place: Place,
    pub(super) source: Option<IpAddr>,
    /// Which of its cell, and its place among the sources. Opened in this order, an address that does not answer does not hold
    /// up all the others, and every cell has its first connection before any has its second.
    pub(super) turn: (usize, usize),
}

/// An address, under one of the profiles of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// The index of the profile.
    pub(super) profile: usize,
    pub(super) target: SocketAddr,
}

/// How many connections a plan wants: so many for each address and source, but neither fewer nor more than this in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) per_cell: usize,
    pub(super) at_least: usize,
    pub(super) at_most: usize,
}

impl Size {
    /// The wanted connections, in the order of the places, then by source. `profiles` is how many of those there are.
    ///
    /// # Errors
    ///
    /// What is wrong, with both numbers, if they do not fit into the limits; nothing was made for them then.
    pub(super) fn cells(
        self,
        places: &[Place],
        profiles: usize,
        sources: &[IpAddr],
        limits: &Limits,
    ) -> Result<Vec<Wanted>, String> {
        let rows_of = |place: &Place| rows(place.target, sources).count();
        let in_all: usize = places.iter().map(rows_of).sum();
        let full = in_all.saturating_mul(self.per_cell);
        let total = match in_all {
            0 => 0,
            _ => full.max(self.at_least).min(self.at_most),
        };
        if total == full {
            // Otherwise they are told by the connections that are left.
            for place in places {
                let there = rows_of(place).saturating_mul(self.per_cell);
                fits_at(place.target, there, limits)?;
            }
        }
        fits(total, profiles, limits)?;
        let copies = if total == full {
            self.per_cell
        } else {
            total.div_ceil(in_all.max(1))
        };
        let mut cells: Vec<Wanted> = places
            .iter()
            .flat_map(|&place| at_place(place, sources, copies))
            .collect();
        if cells.len() > total {
            cells = first(cells, total);
        }
        let mut at: HashMap<Place, usize> = HashMap::new();
        let mut under = vec![0; profiles];
        for Wanted { place, .. } in &cells {
            *at.entry(*place).or_default() += 1;
            under[place.profile] += 1;
        }
        for (place, there) in at {
            fits_at(place.target, there, limits)?;
        }
        // They need not be shared out evenly: names may have moved between two lookups.
        for there in under {
            fits(there, 1, limits)?;
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

fn at_place(place: Place, sources: &[IpAddr], copies: usize) -> impl Iterator<Item = Wanted> {
    rows(place.target, sources)
        .enumerate()
        .flat_map(move |(row, source)| {
            (0..copies).map(move |copy| Wanted {
                place,
                source,
                turn: (copy, row),
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

fn fits(total: usize, profiles: usize, limits: &Limits) -> Result<(), String> {
    let bounds = [
        ("limits.per_host", limits.per_host, profiles),
        ("limits.total", limits.total, 1),
        // More idle ones than are kept would be closed as soon as they are open.
        ("limits.idle_per_host", limits.idle_per_host, profiles),
        ("limits.idle_total", limits.idle_total, 1),
    ];
    let tightest = bounds
        .into_iter()
        .min_by_key(|(_, limit, hosts)| limit.saturating_mul(*hosts));
    match tightest {
        Some((name, limit, hosts)) if total > limit.saturating_mul(hosts) => {
            let each = match hosts {
                0 | 1 => String::new(),
                _ => format!(" for each of {hosts} profiles"),
            };
            Err(format!(
                "the plan wants {total} connections, {name} is {limit}{each}"
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(targets: &[&str], sources: &[&str], size: Size) -> Result<Vec<String>, String> {
        let place = |target: &&str| Place {
            profile: 0,
            target: target.parse().unwrap(),
        };
        let places: Vec<Place> = targets.iter().map(place).collect();
        let sources: Vec<IpAddr> = sources.iter().map(|s| s.parse().unwrap()).collect();
        let cells = size.cells(&places, 1, &sources, &Limits::default())?;
        let text = |cell: &Wanted| match cell.source {
            Some(source) => format!("{} from {source}", cell.place.target),
            None => cell.place.target.to_string(),
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

    #[test]
    fn each_profile_has_the_whole_matrix_and_the_limits_of_a_host_of_its_own() {
        let place = |profile, host| Place {
            profile,
            target: SocketAddr::from(([10, 0, 0, host], 1)),
        };
        let places = [place(0, 1), place(0, 2), place(1, 1), place(1, 2)];
        let limits = Limits::default();
        let cells = |per_cell, at_most| size(per_cell, 0, at_most).cells(&places, 2, &[], &limits);
        let all = cells(8, usize::MAX).unwrap();
        let under = |profile| all.iter().filter(move |cell| cell.place.profile == profile);
        assert_eq!((under(0).count(), under(1).count()), (16, 16));
        let error = cells(9, usize::MAX).unwrap_err();
        assert_eq!(
            error,
            "the plan wants 36 connections, limits.per_host is 16 for each of 2 profiles"
        );
        // One for each address and profile before any gets its second.
        let four: Vec<Place> = cells(3, 4).unwrap().iter().map(|cell| cell.place).collect();
        assert_eq!(four, places);
    }
}
