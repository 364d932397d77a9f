//! Chromium's hello against servers that answer what it offers, each in its own way.

use pool_tls::{TlsConnector, TlsContext, TlsVersion};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::hellos::chromium;
use crate::process::Process;
use crate::support::NAME;
use crate::tap::{Tap, Written};

#[tokio::test]
async fn a_server_of_tls_1_2_is_reached() {
    let Some(server) = Process::openssl(&["-tls1_2"]) else {
        return;
    };
    let (version, echo, _) = exchange(&server).await;
    assert_eq!((version, echo.as_str()), (TlsVersion::Tls12, "gnip\n"));
}

#[tokio::test]
async fn a_server_that_knows_no_key_exchange_but_rsa_is_reached() {
    for cipher in ["AES128-GCM-SHA256", "AES256-SHA"] {
        let Some(server) = Process::openssl(&["-tls1_2", "-cipher", cipher]) else {
            return;
        };
        let (version, echo, _) = exchange(&server).await;
        assert_eq!((version, echo.as_str()), (TlsVersion::Tls12, "gnip\n"));
    }
}

#[tokio::test]
async fn a_server_that_wants_a_share_of_another_group_gets_a_second_hello() {
    let Some(server) = Process::openssl(&["-tls1_3", "-groups", "P-384"]) else {
        return;
    };
    let (version, echo, written) = exchange(&server).await;
    assert_eq!((version, echo.as_str()), (TlsVersion::Tls13, "gnip\n"));
    assert_eq!(written.hellos(), 2, "the server asked for P-384");
}

#[tokio::test]
async fn a_server_that_sends_certificate_timestamps_is_reached() {
    for version in ["-tls1_2", "-tls1_3"] {
        let arguments = [version, "-serverinfo", "sct.pem", "-msg"];
        let Some(server) = Process::openssl(&arguments) else {
            return;
        };
        let (_, echo, _) = exchange(&server).await;
        assert_eq!(echo, "gnip\n");
        // The identity of the log, in the server's trace of what it sent: 32 times L.
        server.line("4c 4c 4c 4c 4c 4c 4c 4c");
    }
}

#[tokio::test]
async fn a_server_of_gnutls_is_reached() {
    let Some(server) = Process::gnutls() else {
        return;
    };
    let (version, echo, _) = exchange(&server).await;
    assert_eq!((version, echo.as_str()), (TlsVersion::Tls13, "ping\n"));
}

/// Connects, sends `ping`, and reads a line.
async fn exchange(server: &Process) -> (TlsVersion, String, Written) {
    let connector = server.trusted();
    let plan = chromium(&connector);
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let (tap, written) = Tap::new(tcp);
    let cx = TlsContext::new(NAME, &plan);
    let session = connector.connect(&cx, Box::new(tap)).await.unwrap();
    let mut io = BufReader::new(session.io);
    io.write_all(b"ping\n").await.unwrap();
    io.flush().await.unwrap();
    let mut echo = String::new();
    io.read_line(&mut echo).await.unwrap();
    (session.version, echo, written)
}
