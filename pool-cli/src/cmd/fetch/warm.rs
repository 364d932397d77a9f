//! The matrix of an origin, opened before its first request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::Uri;
use pool_core::{ErrorKind, Pool, Warm};
use tokio::sync::OnceCell;

use crate::cmd::warm::refused;
use crate::exit::{Failure, chain};
use crate::output::{note, warm_progress};

/// Warms each origin once; whoever asks meanwhile waits for it.
#[derive(Debug, Default)]
pub(super) struct Warmer {
    /// By scheme and authority.
    origins: Mutex<HashMap<String, Arc<OnceCell<()>>>>,
}

impl Warmer {
    /// Returns when every address of the origin of `uri` was tried from every source.
    ///
    /// Cells that stay cold are told on stderr: the requests themselves find other ways.
    ///
    /// # Errors
    ///
    /// If the plan is larger than the limits.
    pub(super) async fn warm(&self, pool: &Pool, uri: &Uri) -> Result<(), Failure> {
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let origin = format!("{scheme}://{}", authority.to_ascii_lowercase());
        let cell = {
            let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(origins.entry(origin.clone()).or_default())
        };
        cell.get_or_try_init(|| open(pool, &origin)).await?;
        Ok(())
    }
}

async fn open(pool: &Pool, origin: &str) -> Result<(), Failure> {
    let plan = Warm::new(origin).progress(warm_progress(format!("warm {origin}")));
    match pool.warm(&plan).await {
        Ok(report) if report.failed() == 0 => Ok(()),
        Ok(report) => {
            let (ready, cold) = (report.ready(), report.failed());
            note(&format!("warm {origin}: {ready} open, {cold} stayed cold"));
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Request => Err(refused(origin, &error)),
        Err(error) => {
            note(&format!("warm {origin}: {}", chain(&error)));
            Ok(())
        }
    }
}
