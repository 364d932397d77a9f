use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::*;

/// A DNS server on loopback that knows one name.
struct Server {
    addr: SocketAddr,
    zone: Arc<Zone>,
}

struct Zone {
    addrs: Mutex<Vec<IpAddr>>,
    ttl: u32,
    asked: AtomicUsize,
    over_tcp: AtomicUsize,
}

/// As long as a datagram may be that every resolver takes.
const DATAGRAM: usize = 512;

impl Server {
    async fn start(addrs: Vec<IpAddr>, ttl: u32) -> Self {
        let zone = Arc::new(Zone {
            addrs: Mutex::new(addrs),
            ttl,
            asked: AtomicUsize::new(0),
            over_tcp: AtomicUsize::new(0),
        });
        // A port that is free for both.
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (tcp, udp);
            }
        };
        let addr = tcp.local_addr().unwrap();
        tokio::spawn(zone.clone().datagrams(udp));
        tokio::spawn(zone.clone().streams(tcp));
        Self { addr, zone }
    }

    fn asked(&self) -> usize {
        self.zone.asked.load(Ordering::Relaxed)
    }
}

impl Zone {
    async fn datagrams(self: Arc<Self>, udp: UdpSocket) {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            let mut answer = self.answer(&buffer[..length]);
            if answer.to_vec().unwrap().len() > DATAGRAM {
                answer = answer.truncate();
                answer.metadata.truncation = true;
            }
            udp.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        }
    }

    async fn streams(self: Arc<Self>, tcp: TcpListener) {
        while let Ok((stream, _)) = tcp.accept().await {
            tokio::spawn(self.clone().stream(stream));
        }
    }

    async fn stream(self: Arc<Self>, mut stream: TcpStream) {
        while let Ok(length) = stream.read_u16().await {
            let mut question = vec![0; length.into()];
            stream.read_exact(&mut question).await.unwrap();
            self.over_tcp.fetch_add(1, Ordering::Relaxed);
            let answer = self.answer(&question).to_vec().unwrap();
            stream.write_u16(answer.len() as u16).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    }

    fn answer(&self, question: &[u8]) -> Message {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut message = Message::from_vec(question).unwrap().into_response();
        let query = message.queries[0].clone();
        if query.name.to_ascii() != "a.test." {
            message.metadata.response_code = ResponseCode::NXDomain;
            return message;
        }
        for &addr in self.addrs.lock().unwrap().iter() {
            if addr.is_ipv4() == (query.query_type == RecordType::A) {
                let record = Record::from_rdata(query.name.clone(), self.ttl, RData::from(addr));
                message.add_answer(record);
            }
        }
        message
    }
}

fn addrs(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn seconds(least: u64, most: u64) -> (Duration, Duration) {
    (Duration::from_secs(least), Duration::from_secs(most))
}

#[tokio::test]
async fn both_families_are_answered_with_the_port() {
    let server = Server::start(addrs(&["10.0.0.1", "2001:db8::1", "10.0.0.2"]), 60).await;
    let dns = DnsResolver::builder([server.addr]).build().unwrap();
    let mut got = dns.resolve("a.test", 8443).await.unwrap();
    got.sort();
    let expected = ["10.0.0.1:8443", "10.0.0.2:8443", "[2001:db8::1]:8443"];
    assert_eq!(got, expected.map(|addr| addr.parse().unwrap()));
    assert_eq!(server.asked(), 2, "once for each family");
}

#[tokio::test]
async fn an_answer_of_no_time_counts_for_the_lower_bound() {
    let server = Server::start(addrs(&["10.0.0.1", "::1"]), 0).await;
    let (least, most) = seconds(3600, 7200);
    let dns = DnsResolver::builder([server.addr]).ttl(least, most);
    let dns = dns.build().unwrap();
    for _ in 0..5 {
        assert_eq!(dns.resolve("a.test", 1).await.unwrap().len(), 2);
    }
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn an_answer_for_ever_counts_for_the_upper_bound() {
    let server = Server::start(addrs(&["10.0.0.1", "::1"]), u32::MAX).await;
    let (least, most) = seconds(0, 0);
    let dns = DnsResolver::builder([server.addr]).ttl(least, most);
    let dns = dns.build().unwrap();
    assert_eq!(dns.resolve("a.test", 1).await.unwrap().len(), 2);
    *server.zone.addrs.lock().unwrap() = addrs(&["10.0.0.7", "::7"]);
    let mut moved = dns.resolve("a.test", 1).await.unwrap();
    moved.sort();
    let expected = ["10.0.0.7:1", "[::7]:1"];
    assert_eq!(moved, expected.map(|addr| addr.parse().unwrap()));
    assert_eq!(server.asked(), 4);
}

#[tokio::test]
async fn an_answer_says_how_long_it_counts_within_the_bounds() {
    let table = [
        (60, (0, 3600), 60),
        (0, (600, 3600), 600),
        (u32::MAX, (0, 3600), 3600),
    ];
    for (ttl, (least, most), counts) in table {
        let server = Server::start(addrs(&["10.0.0.1", "::1"]), ttl).await;
        let (least, most) = seconds(least, most);
        let dns = DnsResolver::builder([server.addr]).ttl(least, most);
        let dns = dns.build().unwrap();
        let before = crate::clock::now();
        // Asked, and remembered: the same moment, or nearly.
        for _ in 0..2 {
            let answer = dns.answer("a.test", 1).await.unwrap();
            let until = answer.end.at.unwrap();
            let counts = Duration::from_secs(counts);
            assert!(until >= before + counts / 2, "{ttl}: {answer:?}");
            assert!(until <= crate::clock::now() + counts, "{ttl}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_longer_than_a_datagram_comes_whole_over_tcp() {
    let many = (0..500_u16).map(|n| IpAddr::from([10, 0, (n >> 8) as u8, n as u8]));
    let server = Server::start(many.collect(), 60).await;
    let dns = DnsResolver::builder([server.addr]).build().unwrap();
    assert_eq!(dns.resolve("a.test", 1).await.unwrap().len(), 500);
    assert!(server.zone.over_tcp.load(Ordering::Relaxed) >= 1);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_an_error_and_is_not_believed_for_long() {
    let server = Server::start(addrs(&["10.0.0.1"]), 60).await;
    let (least, most) = seconds(0, 3600);
    let dns = DnsResolver::builder([server.addr]).ttl(least, most);
    let dns = dns.build().unwrap();
    assert!(dns.resolve("b.test", 1).await.is_err());
    let asked = server.asked();
    assert!(dns.resolve("b.test", 1).await.is_err());
    assert!(server.asked() > asked, "it is asked again");
}

#[tokio::test]
async fn numbers_are_answered_and_bounds_that_disagree_are_taken_without_asking() {
    let nobody = "127.0.0.1:1".parse().unwrap();
    let (least, most) = seconds(60, 1);
    let dns = DnsResolver::builder([nobody]).ttl(least, most).attempts(0);
    let dns = dns.build().unwrap();
    let got = dns.resolve("::1", 443).await.unwrap();
    assert_eq!(got, ["[::1]:443".parse().unwrap()]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error() {
    let gone = Server::start(Vec::new(), 0).await;
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let silent = udp.local_addr().unwrap();
    let dns = DnsResolver::builder([silent])
        .timeout(Duration::from_millis(50))
        .attempts(1);
    assert!(dns.build().unwrap().resolve("a.test", 1).await.is_err());
    // A name without addresses is one too.
    let dns = DnsResolver::builder([gone.addr]).build().unwrap();
    assert!(dns.resolve("a.test", 1).await.is_err());
}

#[test]
fn it_is_built_outside_a_runtime_and_not_without_a_server() {
    let server = "192.0.2.53:53".parse().unwrap();
    let dns = DnsResolver::builder([server]).build().unwrap();
    assert_eq!(
        format!("{dns:?}"),
        "DnsResolver { servers: [192.0.2.53:53], .. }"
    );
    let error = DnsResolver::builder([]).build().unwrap_err();
    assert_eq!(error.to_string(), "there is no DNS server");
}
