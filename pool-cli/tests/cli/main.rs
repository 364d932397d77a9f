//! The `pool` binary, run as people run it, against origins that count.

mod access;
mod access_files;
mod check;
mod config;
mod demo;
#[cfg(feature = "hickory")]
mod dns;
mod fetch_input;
mod fetch_network;
mod fetch_output;
mod fingerprint;
mod fingerprint_capture;
mod fingerprint_config;
mod fingerprint_import;
mod interrupt;
mod localip;
mod localip_namespace;
mod plan;
mod support;
mod warm;
