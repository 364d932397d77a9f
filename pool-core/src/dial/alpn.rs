//! Which HTTP version a connection speaks.

use crate::info::Protocol;
use crate::key::{Protocols, Scheme};

/// What a ClientHello offers, best first.
pub(crate) fn offer(protocols: Protocols) -> &'static [&'static [u8]] {
    match protocols {
        Protocols::Auto => &[H2, HTTP1],
        Protocols::Http1 => &[HTTP1],
        Protocols::Http2 => &[H2],
    }
}

/// Whether the hello of a profile, which has protocols of its own, may be sent where these are allowed.
///
/// A server that takes the first of them must not break the rule; that it takes a later one is judged after the handshake.
pub(crate) fn suits(protocols: Protocols, hello: &[String]) -> bool {
    let first = hello.first().map_or(HTTP1, |name| name.as_bytes());
    offer(protocols).contains(&first)
}

/// The HTTP version after the handshake, or what the server did wrong.
///
/// `chosen` is the server's ALPN answer. A server without ALPN speaks HTTP/1.1; over plain text HTTP/2 is spoken by
/// prior knowledge only.
pub(crate) fn decide(
    scheme: Scheme,
    protocols: Protocols,
    chosen: Option<&[u8]>,
) -> Result<Protocol, &'static str> {
    match (scheme, protocols, chosen) {
        (Scheme::Http, Protocols::Http2, _) => Ok(Protocol::Http2),
        (Scheme::Http, Protocols::Auto | Protocols::Http1, _) => Ok(Protocol::Http1),
        (Scheme::Https, Protocols::Auto | Protocols::Http2, Some(H2)) => Ok(Protocol::Http2),
        (Scheme::Https, Protocols::Auto | Protocols::Http1, Some(HTTP1) | None) => {
            Ok(Protocol::Http1)
        }
        (Scheme::Https, Protocols::Http2, Some(HTTP1) | None) => {
            Err("the server did not agree to h2")
        }
        (Scheme::Https, Protocols::Http1, Some(H2)) | (Scheme::Https, _, Some(_)) => {
            Err("the server chose a protocol that was not offered")
        }
    }
}

const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_to_every_offer_has_its_verdict() {
        use Protocols::{Auto, Http1, Http2};
        let (h1, h2) = (Ok(Protocol::Http1), Ok(Protocol::Http2));
        let refused = Err("the server did not agree to h2");
        let strange = Err("the server chose a protocol that was not offered");
        let table = [
            (Auto, Some(H2), h2),
            (Auto, Some(HTTP1), h1),
            (Auto, None, h1),
            (Auto, Some(b"h3"), strange),
            (Auto, Some(b""), strange),
            (Http1, Some(H2), strange),
            (Http1, Some(HTTP1), h1),
            (Http1, None, h1),
            (Http1, Some(b"h3"), strange),
            (Http1, Some(b""), strange),
            (Http2, Some(H2), h2),
            (Http2, Some(HTTP1), refused),
            (Http2, None, refused),
            (Http2, Some(b"h3"), strange),
            (Http2, Some(b""), strange),
        ];
        for (protocols, chosen, expected) in table {
            let got = decide(Scheme::Https, protocols, chosen);
            assert_eq!(got, expected, "{protocols:?} answered by {chosen:?}");
        }
        for (protocols, expected) in [(Auto, h1), (Http1, h1), (Http2, h2)] {
            assert_eq!(decide(Scheme::Http, protocols, None), expected);
        }
    }

    #[test]
    fn a_hello_that_asks_first_for_what_is_not_allowed_is_not_sent() {
        let both = ["h2".to_owned(), "http/1.1".to_owned()];
        for (protocols, hello, expected) in [
            (Protocols::Auto, &both[..], true),
            (Protocols::Http1, &both[..], false),
            (Protocols::Http2, &both[..], true),
            (Protocols::Auto, &[], true),
            (Protocols::Http1, &[], true),
            (Protocols::Http2, &[], false),
            (Protocols::Http1, &both[1..], true),
        ] {
            assert_eq!(suits(protocols, hello), expected, "{protocols:?} {hello:?}");
        }
    }

    #[test]
    fn what_is_offered_is_accepted() {
        for protocols in [Protocols::Auto, Protocols::Http1, Protocols::Http2] {
            for chosen in offer(protocols) {
                assert!(decide(Scheme::Https, protocols, Some(chosen)).is_ok());
            }
        }
    }
}
