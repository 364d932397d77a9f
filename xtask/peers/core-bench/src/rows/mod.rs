//! The groups of questions, one file each.

mod acquire;
mod batch;
pub(crate) mod cleanup;
mod origin;
mod sources;
mod upkeep;
pub(crate) mod waiting;
mod wide;

use crate::harness::Effort;
use bench_report::Table;

/// Measures one group.
type Measure = fn(Effort) -> Vec<Table>;

/// What a command line may ask for, in the order it is run.
pub(crate) const GROUPS: [(&str, Measure); 8] = [
    ("acquire", |effort| vec![acquire::table(effort)]),
    ("waiting", |effort| {
        vec![waiting::timed(effort), waiting::counted(effort)]
    }),
    ("wide", |effort| {
        vec![wide::selection(effort), wide::load(effort)]
    }),
    ("batch", |effort| vec![batch::table(effort)]),
    ("cleanup", |effort| vec![cleanup::table(effort)]),
    ("origin", |effort| vec![origin::table(effort)]),
    ("sources", |effort| vec![sources::table(effort)]),
    ("upkeep", |effort| vec![upkeep::table(effort)]),
];

/// Whether there is a group of this name.
pub(crate) fn is_group(name: &str) -> bool {
    GROUPS.iter().any(|(group, _)| *group == name)
}
