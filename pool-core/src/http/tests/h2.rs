//! HTTP/2: when a stream's slot is free, and what the owner hears about the connection.

use super::*;
use http_body::Frame;

async fn pair() -> (Rig, RawPeer) {
    let (io, peer) = tokio::io::duplex(64 * 1024);
    let settings = settings();
    let (mut rig, peer) = tokio::join!(Rig::h2(io, &settings), RawPeer::greet(peer));
    // The first SETTINGS has no limit, and says so.
    assert_eq!(rig.next().await, Event::Limit(usize::MAX));
    (rig, peer)
}

#[tokio::test(start_paused = true)]
async fn the_slot_is_free_when_both_bodies_have_ended() {
    let (mut rig, mut peer) = pair().await;
    let (feed, body) = fed();
    feed.send(piece("abc")).unwrap();
    let serve = async {
        peer.read(DATA).await;
        peer.write(HEADERS, END_HEADERS, 1, STATUS_200).await;
        peer.write(DATA, 0, 1, b"x").await;
    };
    let (response, ()) = tokio::join!(rig.send(post(body)), serve);
    let mut body = response.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    assert!(rig.is_quiet().await);

    // The upload goes on while the response is read.
    drop(feed);
    let serve = async {
        let (flags, ..) = peer.read(DATA).await;
        assert_eq!(flags & END_STREAM, END_STREAM);
        pass(Duration::from_millis(1)).await;
        assert!(rig.events.is_empty());
        peer.write(DATA, END_STREAM, 1, b"y").await;
    };
    let (last, ()) = tokio::join!(body.frame(), serve);
    assert_eq!(last.unwrap().unwrap().into_data().unwrap(), "y");
    assert_eq!(rig.next().await, Event::Returned(None));
    assert!(rig.conn.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_response_without_a_body_frees_the_slot_at_once() {
    let (mut rig, mut peer) = pair().await;
    let serve = async {
        peer.read(HEADERS).await;
        let flags = END_HEADERS | END_STREAM;
        peer.write(HEADERS, flags, 1, STATUS_200).await;
    };
    let (response, ()) = tokio::join!(rig.send(get()), serve);
    assert_eq!(rig.next().await, Event::Returned(None));
    assert!(http_body::Body::is_end_stream(response.unwrap().body()));
}

#[tokio::test(start_paused = true)]
async fn streams_share_a_connection() {
    let (rig, mut peer) = pair().await;
    let serve = async {
        peer.read(HEADERS).await;
        peer.read(HEADERS).await;
        for stream in [3, 1] {
            peer.write(HEADERS, END_HEADERS, stream, STATUS_200).await;
            let data = if stream == 1 { b"one" } else { b"two" };
            peer.write(DATA, END_STREAM, stream, data).await;
        }
    };
    let (one, two, ()) = tokio::join!(rig.send(get()), rig.send(get()), serve);
    assert_eq!(text(one.unwrap()).await, "one");
    assert_eq!(text(two.unwrap()).await, "two");
}

#[tokio::test(start_paused = true)]
async fn trailers_go_both_ways() {
    let (io, peer) = tokio::io::duplex(64 * 1024);
    let server = tokio::spawn(async move {
        let mut conn = ::h2::server::handshake(peer).await.unwrap();
        let (request, mut respond) = conn.accept().await.unwrap().unwrap();
        let serve = tokio::spawn(async move {
            let mut body = request.into_body();
            assert_eq!(body.data().await.unwrap().unwrap(), "abc");
            assert!(body.data().await.is_none());
            let sum = body.trailers().await.unwrap().unwrap();
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            stream.send_data(Bytes::from_static(b"x"), false).unwrap();
            stream.send_trailers(sum).unwrap();
        });
        while conn.accept().await.is_some() {}
        serve.await.unwrap();
    });
    let mut rig = Rig::h2(io, &settings()).await;
    let (feed, body) = fed();
    feed.send(piece("abc")).unwrap();
    feed.send(Frame::trailers(trailers("x-sum", "1"))).unwrap();
    let response = rig.send(post(body)).await.unwrap();
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-sum"], "1");
    assert_eq!(collected.to_bytes(), "x");
    while rig.next().await != Event::Returned(None) {}
    rig.conn.close(CloseReason::Idle);
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_body_nobody_reads_holds_its_peer_back() {
    let (io, peer) = tokio::io::duplex(1024 * 1024);
    let settings = with_stream_window(64 * 1024);
    let (sent, mut progress) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut conn = ::h2::server::handshake(peer).await.unwrap();
        let (_request, mut respond) = conn.accept().await.unwrap().unwrap();
        tokio::spawn(async move {
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            for _ in 0..32 {
                stream.reserve_capacity(8 * 1024);
                while stream.capacity() < 8 * 1024 {
                    std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
                }
                stream.send_data(vec![0; 8 * 1024].into(), false).unwrap();
                sent.send(()).unwrap();
            }
            stream.send_data(Bytes::new(), true).unwrap();
        });
        while conn.accept().await.is_some() {}
    });
    let rig = Rig::h2(io, &settings).await;
    let response = rig.send(get()).await.unwrap();
    pass(Duration::from_secs(1)).await;
    assert_eq!(progress.len(), 8, "one window of 64 KiB, in 8 KiB pieces");
    let body = response.into_body().bytes().await.unwrap();
    assert_eq!(body.len(), 256 * 1024);
    while progress.recv().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn an_early_response_stops_the_upload_and_keeps_the_connection() {
    let (mut rig, mut peer) = pair().await;
    let (feed, body) = fed();
    feed.send(piece("abc")).unwrap();
    let serve = async {
        peer.read(DATA).await;
        peer.write(HEADERS, END_HEADERS, 1, STATUS_413).await;
        peer.write(DATA, END_STREAM, 1, b"big").await;
        peer.reset(1, 0).await;
    };
    let (response, ()) = tokio::join!(rig.send(post(body)), serve);
    let response = response.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(text(response).await, "big");
    assert_eq!(rig.next().await, Event::Returned(None));
    assert!(feed.is_closed(), "the upload was stopped");
    assert!(rig.conn.is_open());
    assert!(rig.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn a_body_dropped_early_cancels_its_stream_and_keeps_the_connection() {
    let (mut rig, mut peer) = pair().await;
    let serve = async {
        peer.read(HEADERS).await;
        peer.write(HEADERS, END_HEADERS, 1, STATUS_200).await;
    };
    let (response, ()) = tokio::join!(rig.send(get()), serve);
    std::thread::spawn(move || drop(response.unwrap()))
        .join()
        .unwrap();
    let (_, stream, code) = peer.read(RST_STREAM).await;
    assert_eq!((stream, code), (1, 8_u32.to_be_bytes().to_vec()));
    assert_eq!(rig.next().await, Event::Returned(None));
    assert!(rig.conn.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_request_cancels_its_stream() {
    let (mut rig, mut peer) = pair().await;
    {
        let mut sending = std::pin::pin!(rig.send(get()));
        tokio::select! {
            biased;
            _ = &mut sending => unreachable!("nobody answers"),
            _ = peer.read(HEADERS) => {}
        }
    }
    let (_, stream, code) = peer.read(RST_STREAM).await;
    assert_eq!((stream, code), (1, 8_u32.to_be_bytes().to_vec()));
    assert_eq!(rig.next().await, Event::Returned(None));
}

#[tokio::test(start_paused = true)]
async fn changes_of_the_stream_limit_are_reported() {
    let (mut rig, mut peer) = pair().await;
    for limit in [5, 1, 0, 100] {
        peer.limit_streams(limit).await;
        assert_eq!(rig.next().await, Event::Limit(limit as usize));
    }
    peer.limit_streams(100).await;
    assert!(rig.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_the_streams_in_flight() {
    let (mut rig, mut peer) = pair().await;
    let serve = async {
        peer.read(HEADERS).await;
        peer.write(HEADERS, END_HEADERS, 1, STATUS_200).await;
    };
    let (response, ()) = tokio::join!(rig.send(get()), serve);
    rig.conn.close(CloseReason::Lifetime);
    assert!(!rig.conn.is_open());
    let refused = rig.send(get()).await.unwrap_err();
    assert_eq!(refused.evidence, Evidence::NotSent);
    assert_eq!(rig.next().await, Event::Returned(None));
    // Longer than a goodbye may take, shorter than the peer may be silent.
    pass(Duration::from_secs(15)).await;
    assert!(rig.events.is_empty());

    peer.write(DATA, END_STREAM, 1, b"x").await;
    assert_eq!(text(response.unwrap()).await, "x");
    assert_eq!(rig.next().await, Event::Returned(None));
    assert_eq!(rig.next().await, Event::Closed(CloseReason::Lifetime));
    peer.read(GOAWAY).await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_waits_for_the_peers_windows() {
    let (mut rig, mut peer) = pair().await;
    let terms = ExchangeTerms {
        response_head: Some(Duration::from_secs(5)),
        body_idle: None,
        ..ExchangeTerms::default()
    };
    let serve = async {
        let mut received = 0;
        while received < 65_535 {
            received += peer.read(DATA).await.2.len();
        }
        assert_eq!(received, 65_535);
        for stream in [0, 1] {
            // Slow, but within the limit: progress moves the deadline.
            pass(Duration::from_secs(2)).await;
            let more = 100_000_u32.to_be_bytes();
            peer.write(WINDOW_UPDATE, 0, stream, &more).await;
        }
        loop {
            let (flags, _, data) = peer.read(DATA).await;
            received += data.len();
            if flags & END_STREAM != 0 {
                break;
            }
        }
        pass(Duration::from_secs(4)).await;
        let flags = END_HEADERS | END_STREAM;
        peer.write(HEADERS, flags, 1, STATUS_200).await;
        received
    };
    let request = post(vec![0; 100_000]);
    let (response, received) = tokio::join!(rig.send_within(request, &terms), serve);
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(received, 100_000);
    assert_eq!(rig.next().await, Event::Returned(None));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_ends_first_cancels_the_rest_of_the_upload() {
    let (mut rig, mut peer) = pair().await;
    let (feed, body) = fed();
    feed.send(piece("abc")).unwrap();
    let serve = async {
        peer.read(DATA).await;
        let flags = END_HEADERS | END_STREAM;
        peer.write(HEADERS, flags, 1, STATUS_413).await;
    };
    let (response, ()) = tokio::join!(rig.send(post(body)), serve);
    assert_eq!(response.unwrap().status(), 413);
    let (_, stream, _) = peer.read(RST_STREAM).await;
    assert_eq!(stream, 1);
    assert_eq!(rig.next().await, Event::Returned(None));
    assert!(feed.is_closed());
    assert!(rig.conn.is_open());
}
