//! The parts of an authority.
//!
//! The http crate has them too, and looks for each anew with several searches; they are wanted twice for every request.

use http::uri::Authority;

/// The host, an IPv6 address in its brackets, and the port as it is written, without user info.
pub(crate) fn host_and_port(authority: &Authority) -> (&str, Option<&str>) {
    let text = authority.as_str();
    // The http crate lets in one colon outside brackets, the port's, after the last `@`.
    let (mut start, mut colon, mut in_host) = (0, None, false);
    for (at, byte) in text.bytes().enumerate().rev() {
        match byte {
            b':' if colon.is_none() && !in_host => colon = Some(at),
            b']' => in_host = true,
            b'@' => {
                start = at + 1;
                break;
            }
            _ => {}
        }
    }
    match colon {
        Some(colon) => (&text[start..colon], Some(&text[colon + 1..])),
        None => (&text[start..], None),
    }
}

/// A port as it is written; `None` if it is not one from 1 to 65535.
pub(crate) fn port(digits: &str) -> Option<u16> {
    let is_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_digits
        .then(|| digits.parse().ok())?
        .filter(|&port| port > 0)
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
        ] {
            let authority: Authority = text.parse().unwrap();
            assert_eq!(host_and_port(&authority), (host, port), "{text}");
            assert_eq!(authority.host(), host, "as the http crate has it");
        }
    }

    #[test]
    fn a_port_is_a_number_from_1_to_65535() {
        assert_eq!((port("1"), port("65535")), (Some(1), Some(65535)));
        for wrong in ["", "0", "65536", "+1", "8o", "-1", " 1"] {
            assert_eq!(port(wrong), None, "{wrong}");
        }
    }
}
