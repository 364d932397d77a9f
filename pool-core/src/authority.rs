//! The parts of an authority.
//!
//! The http crate has them too, and looks for each anew with several searches; they are wanted twice for every request.

use http::uri::Authority;
use memchr::{memchr, memrchr};

/// The host, an IPv6 address in its brackets, and the port as it is written, without user info.
pub(crate) fn host_and_port(authority: &Authority) -> (&str, Option<&str>) {
    let text = authority.as_str();
    let text = match memrchr(b'@', text.as_bytes()) {
        Some(at) => &text[at + 1..],
        None => text,
    };
    // The colons of an IPv6 address are in brackets. The http crate lets anything follow them, and so does this.
    let host = match text.starts_with('[') {
        true => memchr(b']', text.as_bytes()).map_or(text.len(), |at| at + 1),
        false => memchr(b':', text.as_bytes()).unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(host);
    let port = memrchr(b':', rest.as_bytes()).map(|at| &rest[at + 1..]);
    (host, port)
}

/// Whether nothing stands between the host and its port.
pub(crate) fn is_whole(authority: &Authority) -> bool {
    let (host, port) = host_and_port(authority);
    let length = host.len() + port.map_or(0, |port| 1 + port.len());
    let text = authority.as_str();
    let begins = memrchr(b'@', text.as_bytes()).map_or(0, |at| at + 1);
    text.len() - begins == length
}

/// A port as it is written; `None` if it is not one from 1 to 65535.
pub(crate) fn port(digits: &str) -> Option<u16> {
    let mut port = 0_u16;
    for byte in digits.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        port = port.checked_mul(10)?.checked_add(digit.into())?;
    }
    (port > 0).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_has_a_host_and_may_have_a_port() {
        for (text, host, port) in [
            ("a.test", "a.test", None),
            ("a.test:80", "a.test", Some("80")),
            ("a.test:", "a.test", Some("")),
            ("u:p@a.test:80", "a.test", Some("80")),
            ("u:1@a.test", "a.test", None),
            ("[::1]", "[::1]", None),
            ("[::1]:8", "[::1]", Some("8")),
            ("u@[::1]:8", "[::1]", Some("8")),
            ("[::1]8:080", "[::1]", Some("080")),
            ("[::1]8", "[::1]", None),
            ("a[::2]8:080", "a[", Some("080")),
        ] {
            let authority: Authority = text.parse().unwrap();
            assert_eq!(host_and_port(&authority), (host, port), "{text}");
            assert_eq!(authority.host(), host, "as the http crate has it");
            assert_eq!(is_whole(&authority), !text.contains("]8"), "{text}");
            let port = port.and_then(super::port);
            let theirs = authority.port_u16().filter(|&port| port > 0);
            assert_eq!(port, theirs, "as the http crate has it");
        }
    }

    #[test]
    fn a_port_is_a_number_from_1_to_65535() {
        assert_eq!((port("1"), port("65535")), (Some(1), Some(65535)));
        for wrong in ["", "0", "00", "65536", "655350", "+1", "8o", "-1", " 1"] {
            assert_eq!(port(wrong), None, "{wrong}");
        }
    }
}
