//! What the benchmarks have in common: tables, statistics, targets, the machine.

#![forbid(unsafe_code)]

mod machine;
mod stats;
mod table;
mod targets;

pub use machine::Machine;
pub use stats::{median, quantile, ratio, spread};
pub use table::{Column, Row, Table, column, show};
pub use targets::{Bound, Target, Verdict, budget, judge, judge_some, time};
