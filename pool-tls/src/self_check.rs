//! What a connector really sends, read back.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::client_hello::ClientHello;
use crate::fidelity::FidelityReport;
use crate::spec::ClientHelloSpec;
use crate::{Plan, TlsConnector, TlsContext, TlsError, TlsErrorKind};

/// Connects to a listener in memory that takes the hello and hangs up, `times` times, and compares what came with the plan's
/// profile.
///
/// No network is used. At least two hellos are needed to see that extensions are permuted, and eight leave little to chance.
/// `None` for a profile without a hello: there is nothing to compare with.
///
/// # Errors
///
/// [`TlsErrorKind::Other`] if no hello came, one cannot be read, or the hellos differ in more than a client's own may;
/// what [`connect`](TlsConnector::connect) said if it sent nothing.
///
/// # Cancel safety
///
/// Nothing is lost.
pub async fn self_check(
    connector: &dyn TlsConnector,
    plan: &Plan,
    times: usize,
) -> Result<Option<FidelityReport>, TlsError> {
    let Some(wanted) = &plan.profile().hello else {
        return Ok(None);
    };
    let mut hellos = Vec::with_capacity(times);
    for _ in 0..times {
        // A scope of its own: nobody's ticket is spent on this, and no hello is a resumed one.
        let cx = TlsContext::new("example.com", plan).with_scope("self-check");
        let listener = Listener::default();
        let outcome = connector.connect(&cx, Box::new(listener.clone())).await;
        let records = listener.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let (true, Err(error)) = (records.is_empty(), outcome) {
            return Err(error);
        }
        hellos.push(ClientHello::parse(&records).map_err(unreadable)?);
    }
    let sent = ClientHelloSpec::from_hellos(&hellos).map_err(unreadable)?;
    Ok(Some(FidelityReport::compare(wanted, &sent)))
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> TlsError {
    TlsError::new(TlsErrorKind::Other).with_source(error)
}

/// Keeps what it is sent, and has nothing to say.
#[derive(Clone, Debug, Default)]
struct Listener(Arc<Mutex<Vec<u8>>>);

impl AsyncRead for Listener {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Listener {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
