//! What one request over HTTP/2 allocates, the h2 crate's part included.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use http::Request;
use pool_core::{Body, Pool};

use super::peers::{ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, SETTINGS, frame, h2, head};

/// A server on a thread of its own, whose allocations are not counted. Ends with its connection.
fn serve(listener: &TcpListener) -> std::io::Result<()> {
    let mut io: TcpStream = listener.accept()?.0;
    io.set_nodelay(true)?;
    io.read_exact(&mut [0; 24])?;
    io.write_all(&frame(SETTINGS, 0, 0, &[]))?;
    let body = [b'x'; 1024];
    loop {
        let mut start = [0; 9];
        io.read_exact(&mut start)?;
        let length = u32::from_be_bytes([0, start[0], start[1], start[2]]);
        let stream = u32::from_be_bytes([start[5], start[6], start[7], start[8]]);
        let mut payload = vec![0; length as usize];
        io.read_exact(&mut payload)?;
        let ends = start[4] & END_STREAM != 0;
        match start[3] {
            SETTINGS if start[4] & ACK == 0 => io.write_all(&frame(SETTINGS, ACK, 0, &[]))?,
            PING if start[4] & ACK == 0 => io.write_all(&frame(PING, ACK, 0, &payload))?,
            HEADERS | DATA if ends => {
                let mut answer = frame(HEADERS, END_HEADERS, stream, &head(200));
                answer.extend(frame(DATA, END_STREAM, stream, &body));
                io.write_all(&answer)?;
            }
            _ => {}
        }
    }
}

/// Allocations and bytes for each of many such requests, one after the other.
fn per_request(request: impl Fn(&str) -> Request<Body>) -> (f64, f64) {
    const COUNT: u32 = 1000;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!(
        "http://{}/path?query",
        listener.local_addr().expect("bound")
    );
    let server = std::thread::spawn(move || serve(&listener));
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().expect("a runtime");
    let pool = Pool::builder().config(h2()).build().expect("a pool");
    let some = |count| {
        runtime.block_on(async {
            for _ in 0..count {
                let response = pool.request(request(&url)).await.expect("a response");
                let body = response.into_body().bytes().await.expect("a body");
                assert_eq!(body.len(), 1024);
            }
        });
    };
    some(COUNT / 10);
    let own = allocation_counter::measure(|| {
        for _ in 0..COUNT {
            let _built = request(&url);
        }
    });
    let counted = allocation_counter::measure(|| some(COUNT));
    runtime.block_on(pool.close(std::time::Duration::ZERO));
    drop((runtime, pool));
    // The client has closed.
    server.join().expect("no panic").expect_err("an end");
    let each = |all: u64, own: u64| (all - own) as f64 / f64::from(COUNT);
    let (all, own) = (counted, own);
    (
        each(all.count_total, own.count_total),
        each(all.bytes_total, own.bytes_total),
    )
}

fn get(url: &str) -> Request<Body> {
    Request::get(url).body(Body::empty()).expect("a request")
}

fn get_with_fields(url: &str) -> Request<Body> {
    let mut request = Request::get(url);
    for (name, value) in [
        ("accept", "text/html"),
        ("accept-encoding", "identity"),
        ("accept-language", "en"),
        ("user-agent", "pool"),
    ] {
        request = request.header(name, value);
    }
    request.body(Body::empty()).expect("a request")
}

fn post(url: &str) -> Request<Body> {
    Request::post(url)
        .body(Body::from("abc"))
        .expect("a request")
}

/// Of those of a GET three are the key, three the `ConnInfo` among the response's extensions, two the h2 crate's copies of
/// authority and path, one the future, one the response's body; reading it whole is one more, less the timer that none
/// needs. The codec keeps the fields it is given, so that a request which may be sent again is copied: a map of two parts,
/// and for each value that is not static the counter that makes it shared, once.
#[test]
fn a_request_allocates_little() {
    for (name, most, found) in [
        ("GET", 10.0, per_request(get)),
        ("GET with fields", 16.0, per_request(get_with_fields)),
        ("POST", 14.0, per_request(post)),
    ] {
        let (allocations, bytes) = found;
        eprintln!("{name}: {allocations} allocations, {bytes} bytes");
        assert!(allocations <= most, "{name}: {allocations} allocations");
    }
}
