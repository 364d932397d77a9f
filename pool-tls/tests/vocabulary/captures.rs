//! The captures in `tests/captures`.

use std::fs;
use std::path::{Path, PathBuf};

use pool_tls::client_hello::ClientHello;
use pool_tls::http2_opening::Http2Opening;
use serde_json::Value;

/// One connection of one client.
pub(crate) struct Connection {
    /// The folder and the number, such as `curl-7.88.1-debian/01`.
    pub(crate) name: String,
    pub(crate) hello: ClientHello,
    /// `None` if the client closed the connection before it spoke HTTP/2.
    pub(crate) opening: Option<Http2Opening>,
    /// What another program read in the same bytes.
    pub(crate) expected: Value,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

/// The connections of a client, by its folder.
pub(crate) fn of(client: &str) -> Vec<Connection> {
    let mut connections = Vec::new();
    for number in 1.. {
        let file = |name: String| folder().join(client).join(name);
        let Ok(hello) = fs::read(file(format!("ch{number:02}.bin"))) else {
            break;
        };
        let expected = fs::read(file(format!("conn{number:02}.json"))).expect("both are there");
        let opening = fs::read(file(format!("h2_{number:02}.bin"))).ok();
        let name = format!("{client}/{number:02}");
        connections.push(Connection {
            hello: ClientHello::parse(&hello).expect(&name),
            opening: opening.map(|bytes| Http2Opening::parse(&bytes).expect(&name)),
            expected: serde_json::from_slice(&expected).expect(&name),
            name,
        });
    }
    assert!(!connections.is_empty(), "no capture of {client}");
    connections
}

/// Those of all clients.
pub(crate) fn all() -> Vec<Connection> {
    let clients = fs::read_dir(folder()).expect("the captures are there");
    let clients = clients.map(|entry| entry.expect("it can be read"));
    let mut clients: Vec<String> = clients
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().expect("a plain name"))
        .collect();
    clients.sort();
    clients.iter().flat_map(|client| of(client)).collect()
}
