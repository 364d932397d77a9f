//! An HTTP/2 server on one end of a wire.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::caps::Slipped;
use crate::clock::pass;
use crate::peer::{Order, Peer};
use crate::service::{ID, Manner, SIZE, Turn, question_of};

/// Serves the connection until either side has enough of it.
pub(crate) async fn serve(
    io: Slipped,
    mut peer: Peer,
    cap: Option<u32>,
    mut orders: UnboundedReceiver<Order>,
) {
    let mut builder = Builder::new();
    if let Some(cap) = cap {
        builder.max_concurrent_streams(cap);
    }
    // The h2 crate takes it by the real clock, and only simulated time may count.
    builder.reset_stream_duration(Duration::from_secs(3600));
    let Ok(mut server) = builder.handshake::<_, Bytes>(io).await else {
        return;
    };
    let mut exchanges = FuturesUnordered::new();
    loop {
        let step = poll_fn(|cx| {
            if let Poll::Ready(Some(order)) = orders.poll_recv(cx) {
                return Poll::Ready(Step::Told(order));
            }
            if let Poll::Ready(Some(after)) = exchanges.poll_next_unpin(cx) {
                return Poll::Ready(Step::Over(after));
            }
            server.poll_accept(cx).map(|accepted| match accepted {
                Some(Ok((request, respond))) => Step::Request(Box::new((request, respond))),
                Some(Err(_)) | None => Step::Gone,
            })
        })
        .await;
        match step {
            Step::Request(stream) => {
                let (request, respond) = *stream;
                let sick = peer.sick();
                let turn = Turn::throw(&mut peer.dice, sick);
                exchanges.push(exchange(peer.clone(), turn, request, respond));
            }
            Step::Over(After::GoOn) => {}
            Step::Over(After::Goaway) => server.graceful_shutdown(),
            Step::Over(After::HangUp) | Step::Gone => {
                peer.note("is over");
                return;
            }
            Step::Told(Order::Retire) => {
                peer.note("says goodbye");
                server.graceful_shutdown();
            }
            Step::Told(Order::Away(reason)) => {
                peer.note(format_args!("goes away for {reason:?}"));
                server.abrupt_shutdown(reason);
            }
        }
    }
}

enum Step {
    Told(Order),
    Over(After),
    Request(Box<(Request<RecvStream>, SendResponse<Bytes>)>),
    Gone,
}

/// What an exchange means for its connection.
#[derive(Clone, Copy, Debug)]
enum After {
    GoOn,
    Goaway,
    HangUp,
}

async fn exchange(
    peer: Peer,
    turn: Turn,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> After {
    let (head, body) = request.into_parts();
    let Some((id, size)) = number(&head.headers, ID).zip(number(&head.headers, SIZE)) else {
        peer.history
            .broken(format_args!("nonsense on wire {}", peer.id));
        return After::HangUp;
    };
    peer.note(format_args!("#{id} {turn:?}"));
    match turn.manner {
        Manner::HangUp => return After::HangUp,
        Manner::Refuse => {
            respond.send_reset(Reason::REFUSED_STREAM);
            return After::GoOn;
        }
        Manner::Early => return answer(respond, id, 413, &turn).await,
        _ => {}
    }
    // An error is a stream that the client or the connection gave up.
    let Ok(body) = read(body).await else {
        return After::GoOn;
    };
    peer.execute(id, &head.method, body == question_of(id, size));
    // Whoever has reset the stream hears no more of it.
    tokio::select! {
        // Always the same order, or two runs of one seed would differ.
        biased;
        () = pass(turn.think) => {}
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return After::GoOn,
    }
    match turn.manner {
        Manner::HangUpAfter => After::HangUp,
        Manner::HalfHead => {
            respond.send_reset(Reason::INTERNAL_ERROR);
            After::GoOn
        }
        Manner::Silent => {
            let _reset = poll_fn(|cx| respond.poll_reset(cx)).await;
            After::GoOn
        }
        _ => answer(respond, id, 200, &turn).await,
    }
}

async fn read(mut body: RecvStream) -> Result<BytesMut, h2::Error> {
    let mut whole = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

async fn answer(mut respond: SendResponse<Bytes>, id: usize, status: u16, turn: &Turn) -> After {
    let half = turn.manner == Manner::HalfBody;
    let mut pieces = turn.body(id);
    if half {
        pieces.truncate(pieces.len() / 2);
    }
    let head = Response::builder()
        .status(status)
        .header(ID, id)
        .header(SIZE, turn.size);
    let head = head.body(()).expect("the head is in order");
    let is_end = pieces.is_empty() && !half;
    let Ok(mut stream) = respond.send_response(head, is_end) else {
        return After::GoOn;
    };
    let count = pieces.len();
    for (at, mut piece) in pieces.into_iter().enumerate() {
        pass(turn.pause).await;
        while !piece.is_empty() {
            stream.reserve_capacity(piece.len());
            // None and errors are a stream that is gone.
            let Some(Ok(room)) = poll_fn(|cx| stream.poll_capacity(cx)).await else {
                return After::GoOn;
            };
            let part = piece.split_to(room.min(piece.len()));
            let is_end = !half && at + 1 == count && piece.is_empty();
            if stream.send_data(part, is_end).is_err() {
                return After::GoOn;
            }
        }
    }
    match turn.manner {
        Manner::HalfBody if turn.chunked => {
            stream.send_reset(Reason::INTERNAL_ERROR);
            After::GoOn
        }
        Manner::HalfBody => After::HangUp,
        Manner::Goaway | Manner::Last => After::Goaway,
        _ => After::GoOn,
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<usize> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
