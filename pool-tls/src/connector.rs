//! The seam between a pool and a TLS implementation.

use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream that TLS can run over, and that comes out of it.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + ?Sized> Io for T {}

/// A boxed [`Io`].
pub type BoxedIo = Box<dyn Io>;
