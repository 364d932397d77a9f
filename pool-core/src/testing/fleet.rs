//! One host name on many loopback addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::book::Book;
use super::cert::{Alpn, Authority, Certificate, ClientCertificate, Identity};
use super::door::Door;
use super::ledger::Ledger;
use super::origin::{Core, Origin, State, Timing};

/// Origins that share a name, a port, a certificate and a [`Ledger`], each on a loopback address of its own.
///
/// Dropping it cuts every connection and ends every task; [`shutdown`](Self::shutdown) also waits for that.
#[derive(Debug)]
pub struct Fleet {
    name: String,
    tls: bool,
    authority: Authority,
    origins: Vec<Origin>,
    ledger: Ledger,
    // Closed once no task holds an origin any more.
    gone: mpsc::Receiver<()>,
    ports_stand_in: bool,
}

impl Fleet {
    /// One HTTPS origin called `origin.test` on 127.0.0.1 and a free port, until the builder says otherwise.
    pub fn builder() -> FleetBuilder {
        FleetBuilder {
            name: "origin.test".to_owned(),
            extra_names: Vec::new(),
            origins: vec![Ipv4Addr::LOCALHOST.into()],
            port: 0,
            tls: true,
            alpn: Alpn::Both,
            certificate: Certificate::Valid,
            asks_clients: false,
            handshake_delay: Duration::ZERO,
            rtt: Duration::ZERO,
            max_streams: None,
            ports_stand_in: false,
        }
    }

    /// The host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port of all origins; of the first where [ports stand in](Self::ports_stand_in) for addresses.
    pub fn port(&self) -> u16 {
        self.origin(0).addr().port()
    }

    /// `https://name:port` (`http://` without TLS) and `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}:{}{path}", self.name, self.port())
    }

    /// The origins' addresses, in the builder's order.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.origins.iter().map(Origin::addr).collect()
    }

    /// The certificate authority to trust.
    pub fn ca_pem(&self) -> &str {
        self.authority.pem()
    }

    /// As [`ca_pem`](Self::ca_pem), in DER.
    pub fn ca_der(&self) -> &[u8] {
        self.authority.der()
    }

    /// A new certificate for a client of this common name, signed by the fleet's authority.
    ///
    /// # Errors
    ///
    /// The system's random source fails.
    pub fn client_certificate(&self, name: &str) -> io::Result<ClientCertificate> {
        self.authority.client(name)
    }

    /// An origin by its place in the builder's order.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    pub fn origin(&self, index: usize) -> &Origin {
        &self.origins[index]
    }

    /// The origins, in the builder's order.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// What all origins saw.
    pub fn ledger(&self) -> Ledger {
        self.ledger.clone()
    }

    /// Whether the origins are on one address and different ports, because this system binds no other loopback
    /// addresses without being told (macOS).
    pub fn ports_stand_in(&self) -> bool {
        self.ports_stand_in
    }

    /// Cuts everything and waits until no task and no socket is left.
    pub async fn shutdown(self) {
        let Self {
            origins, mut gone, ..
        } = self;
        for origin in &origins {
            origin.remove();
        }
        for origin in &origins {
            origin.ended().await;
        }
        // Requests in progress are tasks of their own, aborted with their connection: each holds its origin.
        drop(origins);
        let none = gone.recv().await;
        debug_assert!(none.is_none(), "nobody sends");
    }
}

/// What a [`Fleet`] is to be.
#[derive(Clone, Debug)]
pub struct FleetBuilder {
    name: String,
    extra_names: Vec<String>,
    origins: Vec<IpAddr>,
    port: u16,
    tls: bool,
    alpn: Alpn,
    certificate: Certificate,
    asks_clients: bool,
    handshake_delay: Duration,
    rtt: Duration,
    max_streams: Option<u32>,
    ports_stand_in: bool,
}

impl FleetBuilder {
    /// The host name that the certificate and [`Fleet::url`] are for. Nothing resolves it: use a static resolver.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// More names for the certificate.
    #[must_use]
    pub fn extra_names<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.extra_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// The addresses to listen on, one origin each; all of them are in the certificate.
    ///
    /// # Panics
    ///
    /// If there is none, or one that is not loopback.
    #[must_use]
    pub fn origins(mut self, origins: impl IntoIterator<Item = IpAddr>) -> Self {
        self.origins = origins.into_iter().collect();
        assert!(!self.origins.is_empty(), "a fleet has at least one origin");
        for ip in &self.origins {
            assert!(ip.is_loopback(), "{ip} is not a loopback address");
        }
        self
    }

    /// The port of all origins; zero, the default, takes one that is free on all of them.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Whether TLS is spoken; the default. Without it, [`Alpn::Both`] serves h2c with prior knowledge beside HTTP/1.1.
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// The protocols offered; [`Alpn::Both`] by default.
    #[must_use]
    pub fn alpn(mut self, alpn: Alpn) -> Self {
        self.alpn = alpn;
        self
    }

    /// What is wrong with the certificate; nothing by default.
    #[must_use]
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificate = certificate;
        self
    }

    /// Whether clients must show a certificate that the fleet's own authority signed; not by default.
    #[must_use]
    pub fn require_client_certificate(mut self, required: bool) -> Self {
        self.asks_clients = required;
        self
    }

    /// How long a new connection waits before its first byte is read; for the client, its TLS handshake takes so much
    /// longer. Zero by default.
    #[must_use]
    pub fn handshake_delay(mut self, delay: Duration) -> Self {
        self.handshake_delay = delay;
        self
    }

    /// Simulates a round-trip time: new connections wait two of them with TLS and one without, as TCP and TLS would
    /// make them, and every answer waits one. Comes on top of the other delays.
    #[must_use]
    pub fn rtt(mut self, rtt: Duration) -> Self {
        self.rtt = rtt;
        self
    }

    /// `SETTINGS_MAX_CONCURRENT_STREAMS` of HTTP/2 connections; by default the setting is not sent.
    #[must_use]
    pub fn max_streams(mut self, max_streams: u32) -> Self {
        self.max_streams = Some(max_streams);
        self
    }

    /// Uses one address and a port per origin even where other loopback addresses can be bound.
    #[must_use]
    pub fn ports_stand_in(mut self, ports_stand_in: bool) -> Self {
        self.ports_stand_in = ports_stand_in;
        self
    }

    /// Listens everywhere and returns a fleet that serves, by tasks on the current runtime.
    ///
    /// # Errors
    ///
    /// An address or port cannot be bound, or a name cannot be in a certificate.
    pub async fn start(self) -> io::Result<Fleet> {
        let authority = Authority::new()?;
        let (doors, ports_stand_in) = self.open_doors()?;
        let tls = if self.tls {
            let mut names = self.extra_names;
            names.insert(0, self.name.clone());
            let ips = doors.iter().map(|door| door.addr().ip()).collect();
            let identity = Identity {
                names,
                ips,
                certificate: self.certificate,
                alpn: self.alpn,
                asks_clients: self.asks_clients,
            };
            Some(authority.acceptor(&identity)?)
        } else {
            None
        };
        let book = Arc::<Book>::default();
        let (held, gone) = mpsc::channel(1);
        let hops = if self.tls { 2 } else { 1 };
        let timing = Timing {
            handshake: self.handshake_delay + self.rtt * hops,
            rtt: self.rtt,
        };
        let origins = doors.into_iter().enumerate().map(|(index, door)| {
            Origin::start(Core {
                index,
                door,
                book: Arc::clone(&book),
                tls: tls.clone(),
                alpn: self.alpn,
                timing,
                max_streams: self.max_streams,
                state: State::default(),
                _held: held.clone(),
            })
        });
        Ok(Fleet {
            name: self.name,
            tls: tls.is_some(),
            authority,
            origins: origins.collect(),
            ledger: Ledger::new(book, None),
            gone,
            ports_stand_in,
        })
    }

    /// One listener per origin, and whether ports stand in for addresses.
    fn open_doors(&self) -> io::Result<(Vec<Door>, bool)> {
        if self.ports_stand_in {
            return Ok((self.open_ports()?, true));
        }
        let mut tries = 0;
        loop {
            let error = match self.open_addresses() {
                Ok(doors) => return Ok((doors, false)),
                Err(error) => error,
            };
            tries += 1;
            match error.kind() {
                io::ErrorKind::AddrNotAvailable => return Ok((self.open_ports()?, true)),
                // Free on the first address and taken on another.
                io::ErrorKind::AddrInUse if self.port == 0 && tries < TRIES => {}
                _ => return Err(error),
            }
        }
    }

    fn open_addresses(&self) -> io::Result<Vec<Door>> {
        let mut port = self.port;
        let mut doors = Vec::new();
        for ip in &self.origins {
            let door = Door::open_at(SocketAddr::new(*ip, port))?;
            port = door.addr().port();
            doors.push(door);
        }
        Ok(doors)
    }

    fn open_ports(&self) -> io::Result<Vec<Door>> {
        let ports = (0..self.origins.len()).map(|index| if index == 0 { self.port } else { 0 });
        ports
            .map(|port| Door::open_at(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)))
            .collect()
    }
}

/// How many common ports are tried.
const TRIES: usize = 32;
