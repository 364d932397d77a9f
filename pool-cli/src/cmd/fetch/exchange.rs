//! One request: sent, its body read, hashed and saved.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::BodyExt;
use pool_core::{ConnInfo, Error, Pool};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};

use super::files::PartFile;
use super::input::Job;
use super::record::{Conn, Done, Failed, Record};
use super::request::Template;
use super::warm::Warmer;
use crate::exit::Failure;
use crate::output::{Output, micros};

/// What every exchange of a run uses.
#[derive(Debug)]
pub(super) struct Exchanger {
    pub(super) pool: Pool,
    pub(super) template: Template,
    pub(super) warmer: Option<Warmer>,
    /// For one request in all, from asking for a connection to the body's end.
    pub(super) max_time: Option<Duration>,
}

/// Where a body goes.
#[derive(Debug)]
pub(super) enum Save {
    /// It is counted and hashed.
    Nowhere,
    /// As it comes.
    Stdout,
    /// Whole, or not at all.
    File(PathBuf),
}

impl Exchanger {
    /// Does one job.
    ///
    /// # Errors
    ///
    /// Only what ends the whole run: a plan to warm that is too large, or a stdout that cannot be written. Everything
    /// else is a record.
    pub(super) async fn run(&self, job: Job, save: Save) -> Result<Record, Failure> {
        if let Some(warmer) = &self.warmer {
            warmer.warm(&self.pool, &job.uri).await?;
        }
        let uri = job.uri.clone();
        let request = self.template.request(job);
        let mut conn = None;
        let exchange = self.exchange(&uri, request, save, &mut conn);
        let outcome = match self.max_time {
            None => exchange.await,
            Some(limit) => match timeout(limit, exchange).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let attempts = conn.map_or(0, |conn: ConnInfo| conn.attempts);
                    let late = Failed::max_time(uri.to_string(), attempts, limit);
                    return Ok(Record::Failed(late));
                }
            },
        };
        match outcome {
            Ok(done) => Ok(Record::Done(done)),
            Err(Broken::Item(failed)) => Ok(Record::Failed(failed)),
            Err(Broken::Run(failure)) => Err(failure),
        }
    }

    /// Puts into `conn` which connection it got, as soon as that is known.
    async fn exchange(
        &self,
        uri: &Uri,
        request: Request<Bytes>,
        save: Save,
        conn: &mut Option<ConnInfo>,
    ) -> Result<Done, Broken> {
        let failed = |error: &Error| Broken::Item(Failed::pool(uri.to_string(), error));
        let start = Instant::now();
        let response = self.pool.request(request).await.map_err(|e| failed(&e))?;
        let ttfb = start.elapsed();
        *conn = response.extensions().get().cloned();
        let attempts = conn.as_ref().map_or(1, |conn| conn.attempts);
        let unsaved = |file: &PathBuf, error| {
            let file = file.display().to_string();
            Broken::Item(Failed::save(uri.to_string(), attempts, &file, &error))
        };

        let mut target = match &save {
            Save::Nowhere => Target::Nowhere,
            Save::Stdout => Target::Stdout(Output::stdout()),
            Save::File(path) => {
                let part = PartFile::create(path.clone()).await;
                Target::File(part.map_err(|error| unsaved(path, error))?)
            }
        };
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut hash = Sha256::new();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|e| failed(&e))?.into_data() else {
                continue;
            };
            bytes += data.len() as u64;
            hash.update(&data);
            match (&mut target, &save) {
                (Target::Stdout(output), _) => output.write(&data).map_err(Broken::Run)?,
                (Target::File(part), Save::File(path)) => {
                    let written = part.write(&data).await;
                    written.map_err(|error| unsaved(path, error))?;
                }
                _ => {}
            }
        }
        let total = start.elapsed();
        let file = match (target, &save) {
            (Target::File(part), Save::File(path)) => {
                let kept = part.keep().await.map_err(|error| unsaved(path, error))?;
                Some(kept.display().to_string())
            }
            _ => None,
        };
        Ok(Done {
            url: uri.to_string(),
            status,
            bytes,
            sha256: hex(&hash.finalize()),
            ttfb_us: micros(ttfb),
            total_us: micros(total),
            attempts,
            conn: conn.as_ref().map(Conn::from),
            file,
        })
    }
}

/// What an exchange broke on.
enum Broken {
    Item(Failed),
    Run(Failure),
}

/// A [`Save`] that was opened.
enum Target {
    Nowhere,
    Stdout(Output),
    File(PartFile),
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_written_as_everybody_does() {
        assert_eq!(
            hex(&Sha256::digest(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
