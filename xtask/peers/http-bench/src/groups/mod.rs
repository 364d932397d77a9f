//! The groups of questions, one file each.

mod bind;
mod cold;
mod fleet;
mod idle;
pub(crate) mod instructions;
mod throughput;

use bench_report::Table;

use crate::BoxError;
use crate::bench::Bench;

/// Measures one group.
type Measure = fn(&mut Bench) -> Result<Vec<Table>, BoxError>;

/// What a command line may ask for, in the order it is run.
pub(crate) const GROUPS: [(&str, Measure); 6] = [
    ("instructions", instructions::tables),
    ("throughput", throughput::tables),
    ("idle", idle::tables),
    ("cold", cold::tables),
    ("fleet", fleet::tables),
    ("bind", bind::tables),
];

/// Whether there is a group of this name.
pub(crate) fn is_group(name: &str) -> bool {
    GROUPS.iter().any(|(group, _)| *group == name)
}
