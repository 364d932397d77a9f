//! One module per subcommand.

pub(crate) mod access;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod fetch;
pub(crate) mod fingerprint;
pub(crate) mod localip;
mod matrix;
pub(crate) mod plan;
pub(crate) mod plugins;
mod process;
mod setup;
mod url;
pub(crate) mod warm;
