//! Servers that take what a hello offers only for show.

use pool_tls::client_hello::ClientHello;
use pool_tls::ja::is_grease;
use pool_tls::{BoxedIo, TlsConnector, TlsContext, TlsErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::hellos::chromium;
use crate::support::{Ca, NAME};

#[tokio::test]
async fn a_server_that_takes_a_grease_cipher_is_found_incompatible() {
    let kind = answered(|hello, session_id| {
        let grease = hello.cipher_suites().iter().find(|code| is_grease(**code));
        server_hello([9; 32], session_id, *grease.unwrap(), &[])
    });
    assert_eq!(kind.await, TlsErrorKind::Incompatible);
}

#[tokio::test]
async fn a_server_that_asks_for_a_share_of_a_grease_group_is_found_incompatible() {
    let kind = answered(|hello, session_id| {
        let groups = hello.supported_groups();
        let grease = groups.into_iter().find(|code| is_grease(*code)).unwrap();
        let [high, low] = grease.to_be_bytes();
        // supported_versions with TLS 1.3, and key_share with the group.
        let extensions = [0, 43, 0, 2, 3, 4, 0, 51, 0, 2, high, low];
        server_hello(HELLO_RETRY_REQUEST, session_id, 0x1301, &extensions)
    });
    assert_eq!(kind.await, TlsErrorKind::Incompatible);
}

#[tokio::test]
async fn a_server_older_than_tls_1_2_is_found_incompatible() {
    let kind = answered(|_, session_id| {
        let mut record = server_hello([9; 32], session_id, 0x002f, &[]);
        record[10] = 2; // The version of the hello: TLS 1.1.
        record
    });
    assert_eq!(kind.await, TlsErrorKind::Incompatible);
}

/// What a connector makes of a server that answers its hello like this.
async fn answered(answer: impl FnOnce(&ClientHello, &[u8]) -> Vec<u8>) -> TlsErrorKind {
    let connector = Ca::new().trusted().build().unwrap();
    let plan = chromium(&connector);
    let (ours, mut theirs) = tokio::io::duplex(16 * 1024);
    let server = async {
        let (hello, session_id) = read_hello(&mut theirs).await;
        theirs
            .write_all(&answer(&hello, &session_id))
            .await
            .unwrap();
        theirs
    };
    let cx = TlsContext::new(NAME, &plan);
    let ours: BoxedIo = Box::new(ours);
    let (result, _open) = tokio::join!(connector.connect(&cx, ours), server);
    result.unwrap_err().kind()
}

/// The hello, and its session id, which a server has to send back.
async fn read_hello(io: &mut DuplexStream) -> (ClientHello, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        bytes.push(io.read_u8().await.unwrap());
        match ClientHello::parse(&bytes) {
            Ok(hello) => {
                // After the headers of record and message, the version, and the random.
                let start = 5 + 4 + 2 + 32 + 1;
                let end = start + hello.session_id_length();
                return (hello, bytes[start..end].to_vec());
            }
            Err(error) => assert!(error.more().is_some(), "{error}"),
        }
    }
}

/// A record with a ServerHello.
fn server_hello(random: [u8; 32], session_id: &[u8], cipher: u16, extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend(random);
    body.push(u8::try_from(session_id.len()).unwrap());
    body.extend(session_id);
    body.extend(cipher.to_be_bytes());
    body.push(0);
    if !extensions.is_empty() {
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
    }
    let length = u8::try_from(body.len()).unwrap();
    let mut record = vec![22, 3, 3, 0, length + 4, 2, 0, 0, length];
    record.extend(body);
    record
}

/// The random that marks one, RFC 8446 section 4.1.3.
const HELLO_RETRY_REQUEST: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];
