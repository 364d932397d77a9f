//! `pool` with a policy of one's own of each kind: everything else, the flags and the config file, is as in `pool`.

#![forbid(unsafe_code)]

use by_suffix::BySuffix;
use max_checkouts::MaxCheckouts;
use one_source::OneSource;
use one_strike::OneStrike;
use pool_cli::{Cli, OptionDoc, PolicyKind};
use rebind_guard::RebindGuard;
use says_ok::SaysOk;
use std::process::ExitCode;

fn main() -> ExitCode {
    described(
        Cli::new()
            .eviction(MaxCheckouts::NAME, MaxCheckouts::from_options)
            .health(SaysOk::NAME, SaysOk::from_options)
            .outlier(OneStrike::NAME, OneStrike::from_options)
            .access(RebindGuard::NAME, RebindGuard::from_options)
            .localip(OneSource::NAME, OneSource::from_options)
            .fingerprint(BySuffix::NAME, BySuffix::from_options),
    )
    .run()
}

/// With what `my-pool plugins list` says of each.
fn described(cli: Cli) -> Cli {
    let required = |key: &str, meaning: &str| OptionDoc {
        key: key.into(),
        meaning: meaning.into(),
        default: None,
    };
    cli.describe(
        PolicyKind::Eviction,
        MaxCheckouts::NAME,
        "closes a connection that has served its requests",
        MaxCheckouts::OPTIONS,
    )
    .describe(
        PolicyKind::Health,
        SaysOk::NAME,
        "asks the application, which must answer ok",
        SaysOk::OPTIONS,
    )
    .describe(
        PolicyKind::Outlier,
        OneStrike::NAME,
        "leaves an address out as soon as anything fails there",
        OneStrike::OPTIONS,
    )
    .describe(
        PolicyKind::Access,
        RebindGuard::NAME,
        "denies private addresses to names that are not ours",
        RebindGuard::OPTIONS,
    )
    .describe(
        PolicyKind::LocalIp,
        OneSource::NAME,
        "leases one address",
        OneSource::OPTIONS,
    )
    .describe(
        PolicyKind::Fingerprint,
        BySuffix::NAME,
        "chooses a profile for the hosts below a domain",
        [
            required("suffix", "how the names of these hosts end"),
            required("profile", "the profile they are greeted with"),
        ],
    )
}
