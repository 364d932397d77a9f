//! Names asked of DNS servers that a flag names.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

use super::support::{Pool, Site};

/// A DNS server on loopback, and the names it was asked for.
struct Server {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Knows every name, at these addresses; without any it says that there is no such name.
    async fn start(addrs: &[Ipv4Addr]) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let addr = socket.local_addr().expect("it is bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (addrs, names) = (addrs.to_vec(), asked.clone());
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let (name, answer) = answer(&buffer[..length], &addrs);
                names.lock().expect("whole").push(name);
                socket.send_to(&answer, from).await.expect("sent");
            }
        });
        Self { addr, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("whole").clone()
    }
}

/// What the question names, and the answer to it (RFC 1035 section 4).
fn answer(question: &[u8], addrs: &[Ipv4Addr]) -> (String, Vec<u8>) {
    const HEADER: usize = 12;
    let (mut at, mut labels) = (HEADER, Vec::new());
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..=at + length]).into_owned());
        at += length + 1;
    }
    let end = at + 5;
    let wants_v4 = question[at + 1..at + 3] == [0, 1];
    let addrs = if wants_v4 { addrs } else { &[] };
    let no_such_name: u8 = if addrs.is_empty() && wants_v4 { 3 } else { 0 };
    let mut answer = question[..2].to_vec();
    // A response, recursion desired and available; one question, so many answers.
    answer.extend([
        0x81,
        0x80 | no_such_name,
        0,
        1,
        0,
        addrs.len() as u8,
        0,
        0,
        0,
        0,
    ]);
    answer.extend(&question[HEADER..end]);
    for addr in addrs {
        // The name of the question, type A, class IN, a minute, four bytes.
        answer.extend([0xc0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(addr.octets());
    }
    (labels.join("."), answer)
}

fn local(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, last)
}

/// `pool fetch` of the fleet, by name alone.
fn fetch(site: &Site, servers: &str) -> Pool {
    let (url, ca) = (site.url("/"), site.ca());
    Pool::new(&["fetch", "--cacert", &ca, "--dns-servers", servers, &url])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_of_the_flag_are_asked_and_their_answers_united() {
    let site = Site::many(2).await;
    let one = Server::start(&[local(1)]).await;
    let two = Server::start(&[local(2)]).await;
    let servers = format!("{},{}", one.addr, two.addr);
    fetch(&site, &servers).args(&["--warm"]).run().code(0);
    let conns = site.fleet.ledger().conns();
    let mut reached: Vec<_> = conns.iter().map(|conn| conn.addr.ip()).collect();
    reached.sort();
    assert_eq!(reached, [local(1), local(2)]);
    for server in [one, two] {
        let asked = server.asked();
        assert!(!asked.is_empty(), "{asked:?}");
        assert!(
            asked.iter().all(|name| name == site.fleet.name()),
            "{asked:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_they_do_not_know_is_an_error_and_a_flag_goes_before_them() {
    let site = Site::many(1).await;
    let server = Server::start(&[]).await;
    let servers = server.addr.to_string();
    let ended = fetch(&site, &servers).run().code(1);
    let ended = ended.says("name lookup failed").says(site.fleet.name());
    assert_eq!(ended.stdout, "");
    let before = server.asked().len();
    let resolve = format!("{}:{}:{}", site.fleet.name(), site.fleet.port(), local(1));
    fetch(&site, &servers)
        .args(&["--resolve", &resolve])
        .run()
        .code(0);
    assert_eq!(
        server.asked().len(),
        before,
        "nobody asks for what is known"
    );
}
