//! HTTP/2 on one accepted connection.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use h2::server::{Builder, SendResponse};
use h2::{Error, Reason, RecvStream, SendStream};
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::task::JoinSet;

use super::conn::{Command, Commands, Conn, Exchange};
use super::idle::Idle;
use super::payload::Payload;
use super::reply::Reply;
use super::script::{Close, OnLimit};
use super::wire::Io;

/// Serves `io` until either side closes it. Its exchanges are tasks that end with it.
pub(super) async fn serve(io: impl Io, conn: Arc<Conn>, mut commands: Commands) {
    let mut builder = Builder::new();
    builder.initial_window_size(WINDOW);
    builder.initial_connection_window_size(WINDOW);
    let max_streams = conn.core.script().max_streams.or(conn.core.max_streams);
    if let Some(max_streams) = max_streams {
        builder.max_concurrent_streams(max_streams);
    }
    let Ok(mut server) = builder.handshake::<_, Bytes>(io).await else {
        return;
    };
    let mut exchanges = JoinSet::new();
    // Exchanges whose task has ended: everything they sent is with the connection.
    let mut sent = 0;
    // Streams that are never answered: dropping them would reset them.
    let mut unanswered = Vec::new();
    let mut idle = Idle::default();
    // GOAWAY was said and all streams died: only writing it is left.
    let mut is_ending = false;
    loop {
        let step = poll_fn(|cx| {
            if let Poll::Ready(Some(command)) = commands.poll_recv(cx) {
                return Poll::Ready(Step::Command(command));
            }
            if let Poll::Ready(Some(_)) = exchanges.poll_join_next(cx) {
                return Poll::Ready(Step::Sent);
            }
            match server.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    return Poll::Ready(Step::Request(Box::new((request, respond))));
                }
                // Whatever error ends a connection, the client saw more of it than we did.
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Step::Ended),
                Poll::Pending => {}
            }
            // Only now: this poll has written what the last exchange left.
            if let Some(command) = conn.due(sent) {
                return Poll::Ready(Step::Command(command));
            }
            if is_ending {
                return Poll::Pending;
            }
            let idle_close = conn.core.script().idle_close;
            idle.poll(cx, exchanges.is_empty(), idle_close)
                .map(|()| Step::Command(Command::AbruptGoaway(Reason::NO_ERROR)))
        })
        .await;
        match step {
            Step::Sent => sent += 1,
            Step::Request(stream) => {
                let after = conn.core.script().silent_after;
                if after.is_some_and(|after| conn.begun() >= after) {
                    unanswered.push(stream);
                    continue;
                }
                let (request, respond) = *stream;
                let (head, body) = request.into_parts();
                let exchange = conn.begin(&head);
                if exchange.is_last() && exchange.script.on_limit == OnLimit::Goaway {
                    server.graceful_shutdown();
                }
                let request = Request::from_parts(head, body);
                exchanges.spawn(self::exchange(exchange, request, respond));
            }
            Step::Command(Command::Goaway) => server.graceful_shutdown(),
            Step::Command(Command::AbruptGoaway(reason) | Command::End(Close::Goaway(reason))) => {
                server.abrupt_shutdown(reason);
                is_ending = true;
            }
            Step::Command(Command::CloseIfIdle) if exchanges.is_empty() => return,
            Step::Command(Command::CloseIfIdle | Command::Look) => {}
            Step::Command(Command::End(Close::Reset)) => return conn.cut(),
            Step::Command(Command::End(Close::Fin)) | Step::Ended => return,
            Step::Command(Command::Silence) => return conn.keep_silent(commands).await,
        }
    }
}

enum Step {
    Command(Command),
    Sent,
    Request(Box<(Request<RecvStream>, SendResponse<Bytes>)>),
    Ended,
}

async fn exchange(
    exchange: Exchange,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let (head, body) = request.into_parts();
    // An error here or below is a stream that the client or the connection gave up.
    let Ok(body) = read(body).await else { return };
    let conn = Arc::clone(&exchange.conn);
    let reply = exchange.reply(head, body);
    let Some(reply) = unless_reset(reply, |cx| respond.poll_reset(cx)).await else {
        return;
    };
    match reply {
        Reply::Answer(response) => {
            let _ = send(*response, &mut respond).await;
        }
        Reply::End(how, exchange) => {
            conn.end(how);
            // The stream stays open until the driver drops it.
            let _exchange = exchange;
            pending::<()>().await;
        }
        Reply::Reset(reason) => respond.send_reset(reason),
    }
}

async fn read(mut body: RecvStream) -> Result<Bytes, Error> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

async fn send(response: Response<Payload>, respond: &mut SendResponse<Bytes>) -> Result<(), Error> {
    let (head, mut payload) = response.into_parts();
    let is_end = payload.is_end_stream();
    // Over before the client can know it: were it after, the client's next stream could be counted beside this one.
    payload.end_exchange_if(is_end);
    let mut stream = respond.send_response(Response::from_parts(head, ()), is_end)?;
    while !payload.is_end_stream() {
        let frame = payload.frame();
        let Some(frame) = unless_reset(frame, |cx| stream.poll_reset(cx)).await else {
            return Ok(());
        };
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => send_data(data, &mut payload, &mut stream).await?,
                Err(frame) => {
                    payload.end_exchange_if(true);
                    stream.send_trailers(frame.into_trailers().unwrap_or_default())?;
                }
            },
            Some(Err(_)) => {
                payload.end_exchange_if(true);
                stream.send_reset(Reason::INTERNAL_ERROR);
            }
            None => break,
        }
    }
    Ok(())
}

/// Sends `data`, of which the rest of the payload knows whether it is the last, as far as the windows let it.
async fn send_data(
    mut data: Bytes,
    payload: &mut Payload,
    stream: &mut SendStream<Bytes>,
) -> Result<(), Error> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let capacity = poll_fn(|cx| stream.poll_capacity(cx)).await;
        let Some(capacity) = capacity.transpose()? else {
            return Err(Reason::CANCEL.into());
        };
        let chunk = data.split_to(capacity.min(data.len()));
        let is_end = data.is_empty() && payload.is_end_stream();
        payload.end_exchange_if(is_end);
        stream.send_data(chunk, is_end)?;
    }
    Ok(())
}

/// The output of `work`; `None` if the client resets the stream before.
async fn unless_reset<T>(
    work: impl Future<Output = T>,
    mut poll_reset: impl FnMut(&mut Context<'_>) -> Poll<Result<Reason, Error>>,
) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if poll_reset(cx).is_ready() {
            return Poll::Ready(None);
        }
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Receive windows of a stream and of the connection, in bytes: large enough never to be what a scenario measures.
const WINDOW: u32 = 4 * 1024 * 1024;
