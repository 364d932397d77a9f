//! `pool` with a policy of one's own of each kind: everything else, the flags and the config file, is as in `pool`.

#![forbid(unsafe_code)]

use by_suffix::BySuffix;
use max_checkouts::MaxCheckouts;
use one_source::OneSource;
use one_strike::OneStrike;
use says_ok::SaysOk;
use std::process::ExitCode;

fn main() -> ExitCode {
    pool_cli::Cli::new()
        .eviction(MaxCheckouts::NAME, MaxCheckouts::from_options)
        .health(SaysOk::NAME, SaysOk::from_options)
        .outlier(OneStrike::NAME, OneStrike::from_options)
        .localip(OneSource::NAME, OneSource::from_options)
        .fingerprint(BySuffix::NAME, BySuffix::from_options)
        .run()
}
