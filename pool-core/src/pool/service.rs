//! The pool as a tower service.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tower_service::Service;

use super::Pool;
use crate::error::{BoxError, Error};
use crate::http::{Body, PoolBody};

/// A `tower_service::Service` of HTTP requests; cloning is one atomic increment.
///
/// `poll_ready` is always ready: which queue a request joins is known only with its URI, so the waiting happens in the
/// response future, in a bounded queue.
#[derive(Clone, Debug)]
pub struct PoolClient {
    pool: Pool,
}

impl PoolClient {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool }
    }
}

impl<B> Service<http::Request<B>> for PoolClient
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = http::Response<PoolBody>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let pool = self.pool.clone();
        Box::pin(async move { pool.request(request.map(Body::wrap)).await })
    }
}
