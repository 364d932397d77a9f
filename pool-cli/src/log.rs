//! Logs on stderr, for those who ask.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::exit::Failure;

/// The variable with the filter, such as `pool_core=debug`.
const VARIABLE: &str = "POOL_LOG";

/// Installs a subscriber if the filter is set; else nothing is logged at all.
///
/// # Errors
///
/// If the filter is none.
pub(crate) fn install() -> Result<(), Failure> {
    let Some(filter) = std::env::var_os(VARIABLE).filter(|filter| !filter.is_empty()) else {
        return Ok(());
    };
    let filter = filter.to_string_lossy();
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Failure::usage(
            format!("{VARIABLE}={filter}: {error}"),
            format!("write levels by crate, as in {VARIABLE}=pool_core=debug"),
        )
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}
