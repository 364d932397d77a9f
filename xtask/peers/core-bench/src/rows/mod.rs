//! The groups of questions, one file each.

pub(crate) mod acquire;
pub(crate) mod waiting;
pub(crate) mod wide;
