//! `pool fingerprint capture`.

use crate::args::CaptureArgs;
use crate::exit::{Exit, Failure};

pub(super) fn run(_args: &CaptureArgs) -> Result<Exit, Failure> {
    Err(Failure::environment("not in this build yet", ""))
}
