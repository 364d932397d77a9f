//! `pool fingerprint import`.

use std::path::PathBuf;

use crate::exit::{Exit, Failure};

pub(super) fn run(_files: &[PathBuf], _name: &str, _json: bool) -> Result<Exit, Failure> {
    Err(Failure::environment("not in this build yet", ""))
}
