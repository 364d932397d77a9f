//! The groups of questions, one file each.

mod acquire;
mod waiting;
mod wide;

use crate::harness::Effort;
use crate::report::Table;

/// Measures one group.
type Measure = fn(Effort) -> Vec<Table>;

/// What a command line may ask for, in the order it is run.
pub(crate) const GROUPS: [(&str, Measure); 3] = [
    ("acquire", |effort| vec![acquire::table(effort)]),
    ("waiting", |effort| {
        vec![waiting::timed(effort), waiting::counted(effort)]
    }),
    ("wide", |effort| {
        vec![wide::selection(effort), wide::load(effort)]
    }),
];

/// Whether there is a group of this name.
pub(crate) fn is_group(name: &str) -> bool {
    GROUPS.iter().any(|(group, _)| *group == name)
}
