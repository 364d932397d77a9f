//! The first interrupt asks for an end, the second is one.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::exit::INTERRUPTED;
use crate::output;

/// Whether SIGINT or SIGTERM has come.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Takes both signals from now on. The second one ends the process at once with exit code 130.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub(crate) fn listen() -> io::Result<Self> {
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        let (tell, asked) = watch::channel(false);
        tokio::spawn(async move {
            for _ in 0..2 {
                tokio::select! {
                    _ = int.recv() => {}
                    _ = term.recv() => {}
                }
                if *tell.borrow() {
                    // Also while the main task hangs in a write that nobody reads.
                    std::process::exit(INTERRUPTED.into());
                }
                output::note(
                    "\ninterrupted: finishing what is under way; once more to stop at once",
                );
                tell.send_replace(true);
            }
        });
        Ok(Self(asked))
    }

    /// Whether the first one has come.
    pub(crate) fn has_come(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the first one.
    pub(crate) async fn come(mut self) {
        if self.0.wait_for(|asked| *asked).await.is_err() {
            // The runtime is ending, and so is everybody who waits here.
            std::future::pending::<()>().await;
        }
    }
}
