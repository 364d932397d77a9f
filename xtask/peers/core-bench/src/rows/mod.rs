//! The groups of questions, one file each.

pub(crate) mod acquire;
