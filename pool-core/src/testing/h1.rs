//! HTTP/1.1 on one accepted connection.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::conn::{Command, Commands, Conn};
use super::idle::Idle;
use super::payload::Payload;
use super::reply::Reply;
use super::script::{Close, OnLimit};
use super::wire::Io;

/// Serves `io` until either side closes it.
pub(super) async fn serve(io: impl Io, conn: Arc<Conn>, mut commands: Commands) {
    let service = service_fn(|request| exchange(Arc::clone(&conn), request));
    let mut server = pin!(http1::Builder::new().serve_connection(TokioIo::new(io), service));
    let mut idle = Idle::default();
    loop {
        let step = poll_fn(|cx| {
            if let Poll::Ready(Some(command)) = commands.poll_recv(cx) {
                return Poll::Ready(Step::Command(command));
            }
            // Whatever error ends a connection, the client saw more of it than we did.
            if server.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Step::Ended);
            }
            // Only now: this poll has written what the last exchange left.
            if let Some(command) = conn.due(conn.ended()) {
                return Poll::Ready(Step::Command(command));
            }
            let idle_close = conn.core.script().idle_close;
            let is_idle = conn.begun() == conn.ended();
            idle.poll(cx, is_idle, idle_close).map(|()| Step::Ended)
        })
        .await;
        match step {
            Step::Command(Command::Goaway) => server.as_mut().graceful_shutdown(),
            Step::Command(Command::CloseIfIdle) if conn.begun() == conn.ended() => return,
            Step::Command(Command::CloseIfIdle | Command::Look) => {}
            Step::Command(Command::End(Close::Reset)) => return conn.cut(),
            Step::Command(Command::End(_) | Command::AbruptGoaway(_)) | Step::Ended => return,
            Step::Command(Command::Silence) => return conn.keep_silent(commands).await,
        }
    }
}

enum Step {
    Command(Command),
    Ended,
}

async fn exchange(
    conn: Arc<Conn>,
    request: Request<Incoming>,
) -> Result<Response<Payload>, Infallible> {
    let after = conn.core.script().silent_after;
    if after.is_some_and(|after| conn.begun() >= after) {
        // The driver falls silent when it sees that the earlier ones are over.
        return pending().await;
    }
    let (head, body) = request.into_parts();
    let exchange = conn.begin(&head);
    let says_close = exchange.is_last() && exchange.script.on_limit == OnLimit::Goaway;
    let Ok(body) = body.collect().await else {
        // hyper has seen the same error and ends the connection.
        return pending().await;
    };
    let how = match exchange.reply(head, body.to_bytes()).await {
        Reply::Answer(mut response) => {
            if says_close {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            return Ok(*response);
        }
        Reply::End(how, exchange) => {
            conn.end(how);
            // The request stays in progress until the driver drops it.
            let _exchange = exchange;
            return pending().await;
        }
        Reply::Reset(_) => Close::Reset,
    };
    conn.end(how);
    pending().await
}
